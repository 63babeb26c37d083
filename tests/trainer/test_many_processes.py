"""Several processes train one adapter: `python -m trainer` starts torchrun, on CPU with gloo and two processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.group_support import (
    TWO,
    adapter,
    anyone_in,
    command_from,
    group_of,
    leader_alone,
    trained,
)
from tests.trainer.trainer_support import (
    SECRET,
    as_jsonl,
    conversations,
    finished,
    job_file,
    trainer_process,
    wait_until,
)

pytestmark = pytest.mark.slow


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
