"""How a group of two processes ends: by a command, a signal, an error, a lack of memory, or a death."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.group_support import (
    TWO,
    anyone_in,
    command_from,
    group_of,
    leader_alone,
    trained,
    with_fault,
)
from tests.trainer.trainer_support import (
    finished,
    job_file,
    trainer_process,
    wait_until,
)

pytestmark = pytest.mark.slow

LONG = {"epochs": 20}


def test_a_group_that_dies_each_time_is_reported_and_the_pod_stays(
    plane: FakeControlPlane, models_dir: Path, tmp_path: Path
) -> None:
    settings = with_fault(
        tmp_path / "fault", 1, "print('last words', file=__import__('sys').stderr)\nos.abort()"
    )
    work = tmp_path / "work"
    with trainer_process(plane, job_file(plane), models_dir, work, **settings) as process:
        wait_until(lambda: plane.of_type("error"), "the loss of the group is reported", 120)
        error = plane.of_type("error")[0]
        assert error["end_reason"] == "trainer_crashed"
        assert "died 4 times" in error["message"]
        assert "last words" in error["stack"]
        assert "SIGABRT" in error["stack"]
        beats = len(plane.requests)
        wait_until(lambda: len(plane.requests) > beats + 2, "heartbeats go on", 20)
        assert process.poll() is None
        assert group_of(work) == {}


FAILING_BACKWARD = """
import torch
calls, real = [], torch.Tensor.backward
def backward(self, *args, **kwargs):
    calls.append(1)
    if len(calls) == 5:
        raise {error}
    return real(self, *args, **kwargs)
torch.Tensor.backward = backward
"""


def test_an_error_in_a_follower_is_reported_with_its_own_traceback(
    plane: FakeControlPlane, models_dir: Path, tmp_path: Path
) -> None:
    fault = FAILING_BACKWARD.format(error="ZeroDivisionError('made to fail')")
    settings = with_fault(tmp_path / "fault", 1, fault)
    work = tmp_path / "work"
    with trainer_process(plane, job_file(plane), models_dir, work, **settings) as process:
        wait_until(lambda: plane.of_type("error"), "the failure is reported", 60)
        error = plane.of_type("error")[0]
        assert error["end_reason"] == "trainer_crashed"
        assert "On GPU process 1: " in error["message"]
        assert "ZeroDivisionError: made to fail" in error["message"]
        assert "in _backward" in error["stack"]
        leader_alone(work)
        assert process.poll() is None
    assert len(plane.hellos) == 1


def test_memory_that_runs_out_on_one_gpu_halves_the_micro_batch_of_all(
    plane: FakeControlPlane, models_dir: Path, tmp_path: Path
) -> None:
    fault = FAILING_BACKWARD.format(error="torch.OutOfMemoryError('made to fail')")
    settings = with_fault(tmp_path / "fault", 1, fault)
    with trainer_process(plane, job_file(plane), models_dir, tmp_path / "work", **settings):
        wait_until(lambda: finished(plane), "the run is finished", 120)
    warnings = [event["code"] for event in plane.of_type("warning")]
    assert warnings == ["micro_batch_halved"]
    steps = plane.of_type("plan")[0]["total_steps"]
    assert list(trained(plane)) == list(range(1, steps + 1))


def cancelled(plane: FakeControlPlane) -> bool:
    return [event["code"] for event in plane.of_type("stopping")] == ["cancelled"]


@pytest.mark.parametrize(("command", "ended"), [("cancel", cancelled), ("finish", finished)])
def test_a_command_ends_all_processes(
    plane: FakeControlPlane,
    models_dir: Path,
    tmp_path: Path,
    command: str,
    ended: Callable[[FakeControlPlane], bool],
) -> None:
    command_from(plane, command, 3)
    work = tmp_path / "work"
    with trainer_process(plane, job_file(plane, hyperparameters=LONG), models_dir, work, **TWO) as process:
        wait_until(lambda: ended(plane), f"the run answered {command}", 60)
        leader_alone(work)
        assert process.poll() is None
    assert plane.of_type("error") == []
    assert plane.of_type("checkpoint")[-1]["step"] < plane.of_type("plan")[0]["total_steps"]


def test_a_termination_signal_is_answered_by_the_group_within_its_time(
    plane: FakeControlPlane, models_dir: Path, tmp_path: Path
) -> None:
    job = job_file(plane, hyperparameters=LONG, checkpoint={"every_steps": 1000, "every_seconds": 3600})
    work = tmp_path / "work"
    with trainer_process(plane, job, models_dir, work, **TWO) as process:
        wait_until(lambda: len(trained(plane)) >= 3, "three steps are done", 60)
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143
        assert time.monotonic() - told < 4.5
        wait_until(lambda: not anyone_in(work), "no process is left behind", 5)
    assert [event["code"] for event in plane.of_type("stopping")] == ["sigterm"]
    checkpoint = plane.of_type("checkpoint")[-1]
    assert checkpoint["reason"] == "terminating"
    assert checkpoint["step"] >= 3
    state = json.loads(plane.stored(checkpoint["path"] + "/")["trainer_state.json"])
    assert len(state["random"]["peers"]) == 1
