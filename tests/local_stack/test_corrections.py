"""The corrections that need no server of their own, and how a correction refuses code it was not written
for.
"""

from __future__ import annotations

import hashlib
import os
import types
from pathlib import Path

import pytest
from ministack_launcher.durable_objects import UNFINISHED, atomic_write, repair
from ministack_launcher.patching import UpstreamChangedError, digest_of, require, rewrite

from tests.local_stack.stand_in import inside

EVERY_CORRECTION_FITS = """
import json, os
from pathlib import Path
from ministack_launcher.launch import corrected_app
app = corrected_app(Path(os.environ["STATE_DIR"]).parent)
print(json.dumps(app.__name__))
"""
LOGGED_CALLS = """
import importlib, json
lambdas = importlib.import_module("ministack.services.lambda_svc")
logs = importlib.import_module("ministack.services.cloudwatch_logs")
if {corrected}:
    importlib.import_module("ministack_launcher.bounded_logs").apply(lambdas, logs, 5)
for number in range(20):
    function = {{"config": {{"FunctionName": "polled"}}}}
    lambdas._emit_lambda_logs(function, f"request-{{number}}", f"line {{number}}", False, 1)
streams = logs._log_groups["/aws/lambda/polled"]["streams"]
messages = [event["message"] for stream in streams.values() for event in stream["events"]]
print(json.dumps([len(streams), "line 19" in messages, "line 0" in messages]))
"""
RESTORED_STATUS = """
import importlib, json
cloudformation = importlib.import_module("ministack.services.cloudformation")
if {corrected}:
    importlib.import_module("ministack_launcher.interrupted_deployments").apply(cloudformation)
stacks = {{n: {{"StackStatus": s}} for n, s in
          dict(a="UPDATE_IN_PROGRESS", b="CREATE_IN_PROGRESS", c="UPDATE_COMPLETE").items()}}
for name, stack in stacks.items():
    cloudformation._stacks[name] = stack
cloudformation._restore_state({{"nothing": "more"}})
print(json.dumps([stack["StackStatus"] for stack in stacks.values()]))
"""


@pytest.mark.stack
def test_every_correction_fits_the_pinned_stand_in(tmp_path: Path) -> None:
    assert inside(EVERY_CORRECTION_FITS, tmp_path) == "ministack.app"


@pytest.mark.stack
def test_a_function_keeps_the_log_of_its_newest_calls_only(tmp_path: Path) -> None:
    assert inside(LOGGED_CALLS.format(corrected=True), tmp_path) == [5, True, False]


@pytest.mark.stack
def test_stock_keeps_the_log_of_every_call(tmp_path: Path) -> None:
    assert inside(LOGGED_CALLS.format(corrected=False), tmp_path) == [20, True, True]


@pytest.mark.stack
def test_a_stack_whose_change_was_cut_short_can_be_changed_again(tmp_path: Path) -> None:
    assert inside(RESTORED_STATUS.format(corrected=True), tmp_path) == [
        "UPDATE_ROLLBACK_COMPLETE",
        "CREATE_FAILED",
        "UPDATE_COMPLETE",
    ]


@pytest.mark.stack
def test_stock_leaves_a_change_in_progress_for_ever(tmp_path: Path) -> None:
    assert inside(RESTORED_STATUS.format(corrected=False), tmp_path)[0] == "UPDATE_IN_PROGRESS"


REAPED = """
import importlib, json
runtime = importlib.import_module("ministack.core.lambda_runtime")
lambdas = importlib.import_module("ministack.services.lambda_svc")
if {corrected}:
    importlib.import_module("ministack_launcher.idle_workers").apply(runtime, lambdas, 600)
def worker(function, idle_seconds):
    config = {{"FunctionArn": f"arn:aws:lambda:us-east-1:000000000000:function:{{function}}", "Runtime": "python3.11"}}
    found, _ = runtime.acquire_worker(function, config, b"")
    found.in_use = False
    found.last_used -= idle_seconds
worker("idle", 700)
worker("recent", 500)
lambdas.reap_idle_workers()
print(json.dumps(sorted(key.split(":")[2] for key in runtime._workers)))
"""


@pytest.mark.stack
def test_the_last_worker_of_a_function_ends_when_it_was_idle_for_long(tmp_path: Path) -> None:
    assert inside(REAPED.format(corrected=True), tmp_path) == ["recent"]


@pytest.mark.stack
def test_stock_keeps_the_last_worker_of_a_function_for_ever(tmp_path: Path) -> None:
    assert inside(REAPED.format(corrected=False), tmp_path) == ["idle", "recent"]


def upstream_function(number: int) -> int:
    """Stands for a function of the code to be corrected."""
    return number + 1


def test_changed_upstream_code_is_refused_by_name() -> None:
    owner = types.SimpleNamespace(__name__="upstream", function=upstream_function)
    require("a correction", owner, {"function": digest_of(upstream_function)})
    with pytest.raises(UpstreamChangedError, match=r"'a correction'.*upstream\.function has changed"):
        require("a correction", owner, {"function": "0" * 16})
    with pytest.raises(UpstreamChangedError, match=r"upstream\.other is gone"):
        require("a correction", owner, {"other": ""})


def test_a_rewrite_needs_its_text_exactly_once() -> None:
    module = types.ModuleType("upstream")
    module.__dict__["upstream_function"] = upstream_function
    rewrite("a correction", module, "upstream_function", [("number + 1", "number + 2")])
    assert module.__dict__["upstream_function"](1) == 3
    module.__dict__["upstream_function"] = upstream_function
    with pytest.raises(UpstreamChangedError, match="no longer contains the text"):
        rewrite("a correction", module, "upstream_function", [("number + 3", "")])


def test_an_object_whose_description_is_older_than_its_data_is_described_anew(tmp_path: Path) -> None:
    data, description = tmp_path / "a.bin", tmp_path / "a.bin.meta.json"
    atomic_write(str(data), b"old")
    atomic_write(str(description), '{"size": 3, "etag": "\\"old\\"", "content_type": "text/plain"}')
    repair(tmp_path)
    assert '"old\\"' in description.read_text()
    atomic_write(str(data), b"newer")
    later = description.stat().st_mtime_ns + 1_000_000
    os.utime(data, ns=(later, later))
    (tmp_path / f"b.bin{UNFINISHED}").write_bytes(b"half")
    repair(tmp_path)
    assert '"size": 5' in description.read_text()
    assert hashlib.md5(b"newer").hexdigest() in description.read_text()
    assert not list(tmp_path.glob(f"*{UNFINISHED}"))


def test_a_write_that_fails_leaves_the_old_file_and_no_remains(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    atomic_write(str(path), b"old")
    with pytest.raises(TypeError):
        atomic_write(str(path), 5)  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]
