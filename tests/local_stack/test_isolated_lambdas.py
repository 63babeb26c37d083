"""Lambdas see their package and the standard library, and their errors keep their names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from stack import processes

from tests.local_stack.stand_in import StandIn, wait_until

pytestmark = pytest.mark.stack

IMPORTING = """
import os, sys
def handler(event, context):
    return __import__(event["module"]).__name__
"""
RAISING = """
import os
class NoCapacity(Exception):
    pass
def handler(event, context):
    if event.get("exit"):
        os._exit(3)
    if event.get("raise"):
        raise NoCapacity("none left")
    print("hello", event)
    os.write(1, b"straight to the descriptor\\n")
    return {"pid": os.getpid(), "parent": os.getppid(), "folder": os.environ["LAMBDA_TASK_ROOT"]}
"""
SLEEPING = """
import time
def handler(event, context):
    time.sleep(event["seconds"])
    return context.get_remaining_time_in_millis()
"""


def test_a_package_of_the_stand_in_is_not_importable_in_a_lambda(corrected: StandIn) -> None:
    corrected.function("importing", IMPORTING)
    for module in ("ministack", "boto3", "botocore"):
        body, error = corrected.invoke("importing", {"module": module})
        assert error
        assert (body["errorType"], body["errorMessage"]) == (
            "ModuleNotFoundError",
            f"No module named '{module}'",
        )
    assert corrected.invoke("importing", {"module": "json"}) == ("json", None)


def test_stock_lambdas_see_the_packages_of_the_stand_in(stock: StandIn) -> None:
    stock.function("importing", IMPORTING)
    assert stock.invoke("importing", {"module": "ministack"}) == ("ministack", None)


def test_a_handler_that_cannot_be_imported_says_so_as_on_aws(corrected: StandIn) -> None:
    corrected.function("broken", "import no_such_module\n")
    body, error = corrected.invoke("broken")
    assert error
    assert body["errorType"] == "Runtime.ImportModuleError"
    assert body["errorMessage"] == "Unable to import module 'code': No module named 'no_such_module'"
    corrected.function("misnamed", "x = 1\n")
    body, _ = corrected.invoke("misnamed")
    assert body["errorType"] == "Runtime.HandlerNotFound"


def test_an_error_keeps_its_class_name_and_its_worker(corrected: StandIn) -> None:
    corrected.function("raising", RAISING)
    before, _ = corrected.invoke("raising")
    body, error = corrected.invoke("raising", {"raise": True})
    assert error
    assert (body["errorType"], body["errorMessage"]) == ("NoCapacity", "none left")
    assert any("raise NoCapacity" in line for line in body["stackTrace"])
    assert corrected.invoke("raising")[0]["pid"] == before["pid"]


def test_stock_errors_lose_their_class_name(stock: StandIn) -> None:
    stock.function("raising", RAISING)
    assert stock.invoke("raising", {"raise": True})[0]["errorType"] == "Runtime.HandlerError"


def test_a_worker_that_dies_fails_one_call_and_is_replaced(corrected: StandIn) -> None:
    corrected.function("dying", RAISING)
    body, error = corrected.invoke("dying", {"exit": True})
    assert error
    assert body["errorType"] == "Runtime.ExitError"
    assert corrected.invoke("dying")[1] is None


def test_a_function_past_its_timeout_is_ended_and_named(corrected: StandIn) -> None:
    corrected.function("sleeping", SLEEPING, timeout_seconds=1)
    body, error = corrected.invoke("sleeping", {"seconds": 30})
    assert error
    assert body["errorType"] == "Sandbox.Timedout"
    remaining, error = corrected.invoke("sleeping", {"seconds": 0})
    assert error is None
    assert 0 < remaining <= 1000


def test_what_a_function_prints_reaches_its_log_and_not_its_answer(corrected: StandIn) -> None:
    corrected.function("printing", RAISING)
    corrected.invoke("printing")
    logs = corrected.client("logs")
    lines = [e["message"] for e in logs.filter_log_events(logGroupName="/aws/lambda/printing")["events"]]
    assert "hello {}" in lines
    assert "straight to the descriptor" in lines
    assert not any("end-of-invocation" in line for line in lines)


def test_functions_of_one_package_share_one_unzipped_folder(corrected: StandIn) -> None:
    for name in ("sharing-one", "sharing-two"):
        corrected.function(name, RAISING)
    folders = {corrected.invoke(name)[0]["folder"] for name in ("sharing-one", "sharing-two")}
    assert len(folders) == 1
    assert Path(folders.pop()).is_relative_to(corrected.folder)


def test_workers_end_with_a_killed_stand_in_even_amid_a_call(tmp_path: Path) -> None:
    server = StandIn(tmp_path / "aws").start()
    try:
        server.function("idle", RAISING)
        server.function("busy", SLEEPING, timeout_seconds=60)
        server.invoke("idle")
        server.client("lambda").invoke(
            FunctionName="busy", InvocationType="Event", Payload=b'{"seconds": 50}'
        )
        workers = wait_until(
            lambda: found if len(found := processes.descendants(server.pid)) == 2 else None,
            "two workers run",
        )
        recorded = [processes.record_of(worker) for worker in workers]
    finally:
        server.kill9()
    wait_until(lambda: not any(map(processes.is_running, recorded)), "the workers are gone")


def test_folders_of_packages_no_longer_deployed_are_removed_at_start(tmp_path: Path) -> None:
    server = StandIn(tmp_path / "aws").start()
    server.function("kept", RAISING)
    kept = Path(server.invoke("kept")[0]["folder"])
    server.stop()
    leftover = kept.with_name("unzipping-interrupted")
    leftover.mkdir()
    server.start()
    try:
        assert not leftover.exists()
        assert kept.exists()
        assert os.listdir(kept.parent) == [kept.name]
    finally:
        server.stop()


def _listening(pid: int) -> list[str]:
    """Local addresses, in the kernel's notation, of the sockets on which a process listens."""
    sockets = {os.readlink(f) for f in Path(f"/proc/{pid}/fd").iterdir() if f.is_symlink()}
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return [line[1] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets]


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="needs Linux to see a process's sockets")
def test_only_the_gateway_listens(corrected: StandIn) -> None:
    assert _listening(corrected.pid) == [f"0100007F:{corrected.port:04X}"]


def test_an_unknown_function_is_refused(corrected: StandIn) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        corrected.invoke("no-such-function")
