"""Imports point inward, adapters are chosen in one place, routes are declared in one way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture import layers

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "backend" / "chalicelib"


def plant(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return folder


def test_imports_point_inward() -> None:
    assert layers.outward_imports(LIBRARY) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("domain/job.py", "import boto3\n"),
        ("domain/job.py", "from chalicelib.ports import JobStore\n"),
        (
            "use_cases/start_job.py",
            "def start_job():\n    from chalicelib.adapters.runpod import RunpodCloud\n",
        ),
        ("use_cases/start_job.py", "from chalicelib import bootstrap\n"),
        ("use_cases/start_job.py", "import httpx\n"),
        ("routes/jobs.py", "from chalicelib.adapters.dynamo.jobs import DynamoJobs\n"),
        ("steps/poll_pod.py", "from chalicelib.routes import http\n"),
        ("adapters/runpod.py", "from chalicelib.use_cases.start_job import start_job\n"),
        ("views_jobs.py", "from chalicelib.adapters import s3_files\n"),
    ],
)
def test_an_import_that_points_outward_is_found(tmp_path: Path, name: str, text: str) -> None:
    assert len(layers.outward_imports(plant(tmp_path, name, text))) >= 1


def test_an_import_that_points_inward_is_no_violation(tmp_path: Path) -> None:
    plant(tmp_path, "use_cases/start_job.py", "import json\nfrom chalicelib.domain.job import Job\n")
    plant(tmp_path, "routes/jobs.py", "import pydantic\nfrom chalicelib import bootstrap\n")
    assert layers.outward_imports(tmp_path) == []


def test_only_bootstrap_names_adapters() -> None:
    assert layers.adapters_named_outside_bootstrap(LIBRARY) == []


def test_an_adapter_named_elsewhere_is_found(tmp_path: Path) -> None:
    plant(tmp_path, "bootstrap.py", "def f():\n    from chalicelib.adapters.runpod import RunpodCloud\n")
    assert layers.adapters_named_outside_bootstrap(tmp_path) == []
    plant(tmp_path, "schedules.py", "def f():\n    from chalicelib.adapters.runpod import RunpodCloud\n")
    assert len(layers.adapters_named_outside_bootstrap(tmp_path)) >= 1


def test_every_route_is_declared_through_endpoint() -> None:
    assert layers.undeclared_routes(LIBRARY) == []


def test_a_route_declared_past_endpoint_is_found(tmp_path: Path) -> None:
    plant(tmp_path, "routes/http.py", "def declare(bp):\n    bp.route('/x')\n")
    assert layers.undeclared_routes(tmp_path) == []
    plant(tmp_path, "routes/jobs.py", "@bp.route('/x')\ndef x(): ...\n")
    assert len(layers.undeclared_routes(tmp_path)) == 1


def test_a_use_case_is_one_verb_named_like_its_file() -> None:
    assert layers.use_cases_with_more_than_one_verb(LIBRARY) == []


def test_a_use_case_without_its_verb_is_found(tmp_path: Path) -> None:
    plant(tmp_path, "use_cases/start_job.py", "def start_job(): ...\n")
    assert layers.use_cases_with_more_than_one_verb(tmp_path) == []
    plant(tmp_path, "use_cases/end_job.py", "def start_job(): ...\n")
    assert len(layers.use_cases_with_more_than_one_verb(tmp_path)) == 1


def test_app_only_composes() -> None:
    lines = (ROOT / "backend" / "app.py").read_text().splitlines()
    assert len(lines) <= 40
    assert not [line for line in lines if "def " in line or line.startswith("class ")]
