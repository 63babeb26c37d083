# LoRA Pipeline. A fresh machine needs python3.11 and make; everything else is installed into this folder.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup lint check test demo run stop site package bench screens clean
# Both environments are installed at once, and types are checked while site and package are built.
MAKEFLAGS += --jobs=2

BASE_PYTHON ?= python3.11
PYTHON := .venv/bin/python
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
TORCH := torch==2.13.0
SOURCES := backend trainer/trainer infrastructure frontend_static/build.py tests benchmarks
# One worker per core, at most four: each browser and stack test needs memory of its own. OMP_NUM_THREADS=1, which keeps
# torch to one core per worker, would make nproc count one core.
TEST_WORKERS ?= $(shell n=$$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || echo 2); echo $$(( n < 4 ? n : 4 )))
# In the order of tests/conftest.py, a file at a time.
PYTEST := $(PYTHON) -m pytest -q -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder
BENCH_ARGS ?=

export PYTHONPATH := $(CURDIR)/infrastructure/local:$(CURDIR)/backend:$(CURDIR)/trainer

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.installed .venv-stack/.installed ## both environments: ours, and the AWS stand-in's

TRAINER_REQUIREMENTS := trainer/requirements.txt trainer/requirements-serverless.txt

.venv/.installed: backend/requirements.txt $(TRAINER_REQUIREMENTS) requirements-dev.txt
	@command -v $(BASE_PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or name it with BASE_PYTHON=..."; exit 1; }
	test -x $(PYTHON) || $(BASE_PYTHON) -m venv .venv
	$(PYTHON) $(PIP_INSTALL) $(TORCH)
	$(PYTHON) $(PIP_INSTALL) -r backend/requirements.txt $(TRAINER_REQUIREMENTS:%=-r %) -r requirements-dev.txt
	touch $@

.venv-stack/.installed: infrastructure/local/requirements.txt
	@command -v $(BASE_PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or name it with BASE_PYTHON=..."; exit 1; }
	test -x .venv-stack/bin/python || $(BASE_PYTHON) -m venv .venv-stack
	.venv-stack/bin/python $(PIP_INSTALL) -r infrastructure/local/requirements.txt
	touch $@

lint: .venv/.installed ## lint, format, types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy $(wildcard $(SOURCES))

check: lint ## lint and the quick tests, in under 90 seconds
	$(PYTEST) -m "not stack and not browser and not slow"

test: setup site package lint ## every test: units, trainer, one-machine stack, browser
	$(PYTEST)

demo: setup site package ## a whole job on this machine: upload, train, download, compare
	$(PYTHON) -m stack.demo

run: setup site package ## the one-machine stack until Ctrl-C; prints a sign-in link
	$(PYTHON) -m stack run

stop: .venv/.installed ## stop the stack of this folder
	$(PYTHON) -m stack stop

site: .venv/.installed ## frontend_static/dist
	$(PYTHON) frontend_static/build.py

package: .venv/.installed ## build/package: what CloudFormation deploys
	$(PYTHON) -m infrastructure.package

bench: setup site package ## each benchmark in turn; BENCH_ARGS=--quick for a quick look
	@failed=; for benchmark in benchmarks/*.py; do $(PYTHON) $$benchmark $(BENCH_ARGS) || failed="$$failed $$benchmark"; done; \
	test -z "$$failed" || { echo "Goals not met, or not measured:$$failed" >&2; exit 1; }

screens: setup ## the screenshots of docs/screens, from the fixture workspace
	$(PYTHON) -m tests.frontend.screens

clean: ## what was built; environments and .local stay
	rm -rf build frontend_static/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
