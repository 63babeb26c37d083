"""Several processes train one adapter: `python -m trainer` starts torchrun, on CPU with gloo and two processes."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import (
    ROOT,
    SECRET,
    as_jsonl,
    conversations,
    finished,
    job_file,
    trainer_process,
    wait_until,
)

pytestmark = pytest.mark.slow

TWO = {"LORA_PIPELINE_PROCESSES": "2"}
LONG = {"epochs": 20}


def group_of(work: Path) -> dict[str, int]:
    """Process ids of the group that works in a folder, by rank; torchrun itself and PID 1 have none."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            ranks = [entry[5:].decode() for entry in variables if entry.startswith(b"RANK=")]
            if ranks and f"LORA_PIPELINE_WORK_DIR={work}".encode() in variables:
                found[ranks[0]] = int(folder.name)
    return found


def anyone_in(work: Path) -> list[int]:
    """Every living process that was started with this work folder, PID 1 and torchrun included."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"LORA_PIPELINE_WORK_DIR={work}".encode() in variables:
                found.append(int(folder.name))
    return found


def leader_alone(work: Path) -> None:
    wait_until(lambda: set(group_of(work)) == {"0"}, "only the leader is left", 20)


def trained(plane: FakeControlPlane) -> dict[int, float]:
    """Training loss by step; a step that ran twice must have had the same loss."""
    losses: dict[int, float] = {}
    for point in plane.of_type("metrics"):
        if "training_loss" in point:
            assert losses.setdefault(point["step"], point["training_loss"]) == point["training_loss"]
    return losses


def adapter(plane: FakeControlPlane) -> bytes:
    return plane.stored("artifacts/")["adapter_model.safetensors"]


def with_fault(folder: Path, rank: int, text: str) -> dict[str, str]:
    """Settings under which one rank runs `text` before anything else."""
    folder.mkdir(parents=True)
    body = "".join(f"    {line}\n" for line in text.splitlines())
    (folder / "sitecustomize.py").write_text(f"import os\nif os.environ.get('RANK') == '{rank}':\n{body}")
    return TWO | {"PYTHONPATH": f"{folder}:{ROOT / 'trainer'}"}


@dataclass
class Run:
    plane: FakeControlPlane
    work: Path


@contextmanager
def whole_run(models: Path, work: Path, settings: dict[str, str], **changes: Any) -> Iterator[Run]:
    """A run from beginning to end; its processes are still there inside the block."""
    with (
        FakeControlPlane(SECRET, as_jsonl(conversations(41))) as plane,
        trainer_process(plane, job_file(plane, **changes), models, work, **settings),
    ):
        wait_until(lambda: finished(plane), "the run is finished", 120)
        yield Run(plane, work)
        assert plane.problems == []


@pytest.fixture(scope="module")
def pair(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The same job without dropout, in one process and in two."""
    runs = []
    for settings in ({}, TWO):
        work = tmp_path_factory.mktemp("pair") / "work"
        with whole_run(models_dir, work, settings, hyperparameters={"dropout": 0.0}) as run:
            if settings:
                leader_alone(work)
        assert anyone_in(work) == []
        runs.append(run)
    return runs[0], runs[1]


@pytest.fixture(scope="module")
def unbroken(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of two processes with dropout that nothing disturbs."""
    with whole_run(models_dir, tmp_path_factory.mktemp("unbroken") / "work", TWO) as run:
        pass
    return run


def test_a_step_with_one_conversation_leaves_the_other_process_idle(pair: tuple[Run, Run]) -> None:
    plan = pair[1].plane.of_type("plan")[0]
    assert plan["training_conversations"] % 4 == 1


def test_two_processes_have_the_losses_of_one(pair: tuple[Run, Run]) -> None:
    one, two = (trained(run.plane) for run in pair)
    assert list(one) == list(two)
    assert list(two.values()) == pytest.approx(list(one.values()), rel=1e-5)


def test_two_processes_have_the_gradient_norms_of_one(pair: tuple[Run, Run]) -> None:
    one, two = (
        [point["grad_norm"] for point in run.plane.of_type("metrics") if "grad_norm" in point] for run in pair
    )
    assert two == pytest.approx(one, rel=1e-3)


def test_two_processes_validate_like_one(pair: tuple[Run, Run]) -> None:
    one, two = (
        [point["validation_loss"] for point in run.plane.of_type("metrics") if "validation_loss" in point]
        for run in pair
    )
    assert len(one) == 4
    assert two == pytest.approx(one, rel=1e-5)


def test_two_processes_make_the_adapter_of_one(pair: tuple[Run, Run]) -> None:
    one, two = (load(adapter(run.plane)) for run in pair)
    assert set(one) == set(two)
    for name, tensor in one.items():
        # Adam divides by the square root of tiny second moments, which enlarges the noise of a sum's order.
        assert torch.allclose(two[name], tensor, rtol=0, atol=2e-4), name


def test_one_process_speaks_for_both(pair: tuple[Run, Run]) -> None:
    plane = pair[1].plane
    assert len(plane.hellos) == 1
    points = [point["step"] for point in plane.of_type("metrics") if "training_loss" in point]
    assert points == sorted(set(points))
    summaries = [run.plane.of_type("artifacts")[0]["summary"] for run in pair]
    assert summaries[0]["tokens"] == summaries[1]["tokens"]


def test_a_group_killed_at_once_continues_to_the_same_bytes(
    unbroken: Run, models_dir: Path, tmp_path: Path
) -> None:
    with FakeControlPlane(SECRET, unbroken.plane.files["dataset"]) as plane:
        job = job_file(plane, checkpoint={"every_steps": 2, "every_seconds": 3600})
        with trainer_process(plane, job, models_dir, tmp_path / "one", **TWO) as process:
            wait_until(lambda: plane.of_type("checkpoint"), "a checkpoint is stored", 60)
            process.send_signal(signal.SIGKILL)
            process.wait()
            wait_until(lambda: not anyone_in(tmp_path / "one"), "nobody trains on without PID 1", 10)
        # Another machine: nothing of the first disk is left, only what storage has.
        stored = plane.of_type("checkpoint")[-1]["step"]
        plane.fence, plane.next_sequence = "fence-0002", 0
        second = job_file(plane, attempt=2, checkpoint=job["checkpoint"])
        with trainer_process(plane, second, models_dir, tmp_path / "two" / "elsewhere", **TWO):
            wait_until(lambda: finished(plane), "the resumed run is finished", 120)
        assert plane.problems == []
        assert plane.of_type("resume_evidence")[-1]["resumed_from_step"] == stored
        assert trained(plane) == trained(unbroken.plane)
        assert adapter(plane) == adapter(unbroken.plane)


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_that_dies_costs_no_job_and_no_bytes(
    unbroken: Run, models_dir: Path, tmp_path: Path, rank: str
) -> None:
    work = tmp_path / "work"
    with FakeControlPlane(SECRET, unbroken.plane.files["dataset"]) as plane:
        job = job_file(plane, checkpoint={"every_steps": 2, "every_seconds": 3600})
        with trainer_process(plane, job, models_dir, work, **TWO) as process:
            wait_until(lambda: plane.of_type("checkpoint"), "a checkpoint is stored", 60)
            os.kill(group_of(work)[rank], signal.SIGKILL)
            wait_until(lambda: finished(plane), "the group started anew and finished", 120)
            assert process.poll() is None
        assert plane.problems == []
        assert len(plane.hellos) == 2
        assert plane.of_type("stopping") == []
        assert trained(plane) == trained(unbroken.plane)
        assert adapter(plane) == adapter(unbroken.plane)


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


def command_from(plane: FakeControlPlane, command: str, step: int) -> None:
    """Give a command in the reply to the batch that reports a step."""

    def decide(route: str, body: dict[str, Any]) -> None:
        if route == "events" and any(event.get("step", -1) >= step for event in body["events"]):
            plane.command = command

    plane.before_reply = decide


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


def test_a_paused_run_continues_with_another_number_of_processes(
    pair: tuple[Run, Run], models_dir: Path, tmp_path: Path
) -> None:
    with FakeControlPlane(SECRET, pair[0].plane.files["dataset"]) as plane:
        command_from(plane, "pause", 3)
        chosen = {"hyperparameters": {"dropout": 0.0}}
        with trainer_process(plane, job_file(plane, **chosen), models_dir, tmp_path / "one" / "work"):
            wait_until(lambda: plane.of_type("stopping"), "the run is paused", 60)
        plane.before_reply, plane.command, plane.next_sequence, plane.fence = (
            None,
            "continue",
            0,
            "fence-0002",
        )
        job = job_file(plane, attempt=2, **chosen)
        with trainer_process(plane, job, models_dir, tmp_path / "two" / "work", **TWO):
            wait_until(lambda: finished(plane), "two processes finish what one began", 120)
        assert plane.problems == []
        assert plane.of_type("resume_evidence")[-1]["resumed_from_step"] >= 3
        losses = {
            point["step"]: point["training_loss"]
            for point in plane.of_type("metrics")
            if "training_loss" in point
        }
        assert losses == pytest.approx(trained(pair[0].plane), rel=1e-5)


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
