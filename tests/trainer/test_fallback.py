"""Which stored state a new process continues from, and which it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import command_at, finished

pytestmark = pytest.mark.slow


def harm(plane: FakeControlPlane, path: str, how: str) -> None:
    """Damage one file of a stored checkpoint in one of the ways that storage can."""
    name = f"{path}/adapter_model.safetensors"
    content = plane.files.pop(name)
    if how == "corrupted":
        plane.files[name] = content[:100] + bytes([content[100] ^ 1]) + content[101:]
    if how == "truncated":
        plane.files[name] = content[: len(content) // 2]


@pytest.mark.parametrize("how", ["corrupted", "truncated", "missing"])
def test_a_damaged_stored_checkpoint_is_told_about_and_the_one_before_it_is_used(
    plane: FakeControlPlane, start: Any, how: str
) -> None:
    command_at(plane, "pause", 7)
    start(checkpoint={"every_steps": 2, "every_seconds": 3600})
    assert plane.checkpoint is not None
    before = plane.earlier[0]["step"]
    harm(plane, plane.checkpoint["path"], how)
    plane.before_reply, plane.command, plane.next_sequence = None, "continue", 0
    start("elsewhere/work", attempt=2)
    assert finished(plane)
    message = plane.of_type("warning")[0]["message"]
    assert message.startswith(f"The checkpoint at step {_paused_at(plane)} cannot be used: ")
    assert message.endswith(f" Trying the one at step {before}.")
    resumed = plane.of_type("resume_evidence")[-1]
    assert resumed["resumed_from_step"] == before
    assert resumed["steps"]
    assert all(step["before"] == step["after"] for step in resumed["steps"])


def _paused_at(plane: FakeControlPlane) -> int:
    return int(next(event["step"] for event in plane.of_type("checkpoint") if event["reason"] == "pause"))


def test_when_every_stored_checkpoint_is_damaged_training_starts_over(
    plane: FakeControlPlane, start: Any
) -> None:
    command_at(plane, "pause", 7)
    start(checkpoint={"every_steps": 3, "every_seconds": 3600})
    assert plane.checkpoint is not None
    offered = [plane.checkpoint, *plane.earlier]
    for checkpoint, how in zip(offered, ("missing", "truncated", "corrupted"), strict=False):
        harm(plane, checkpoint["path"], how)
    plane.before_reply, plane.command, plane.next_sequence = None, "continue", 0
    plane.events.clear()
    start("elsewhere/work", attempt=2)
    assert finished(plane)
    warnings = [event["message"] for event in plane.of_type("warning")]
    assert len(warnings) == len(offered)
    assert warnings[-1].endswith(" Training starts again from step 0.")
    assert plane.of_type("metrics")[0]["step"] == 0


def test_a_run_on_an_empty_disk_shows_that_it_repeats_what_was_reported(
    plane: FakeControlPlane, start: Any
) -> None:
    command_at(plane, "cancel", 8)
    start(checkpoint={"every_steps": 5, "every_seconds": 3600})
    assert plane.checkpoint is not None
    last = plane.checkpoint["step"]
    reported = {
        event["step"]: event["training_loss"]
        for event in plane.of_type("metrics")
        if "training_loss" in event
    }
    plane.before_reply, plane.command, plane.next_sequence = None, "continue", 0
    start("elsewhere/work", attempt=2)
    evidence = plane.of_type("resume_evidence")[0]
    # How far training came before it heard the command is the machine's affair: five steps, ten, or more.
    assert evidence["resumed_from_step"] == last > 0
    assert {step["step"]: step["before"] for step in evidence["steps"]} == {
        step: loss for step, loss in reported.items() if step > last
    }
    assert all(step["before"] == step["after"] for step in evidence["steps"])


def test_a_checkpoint_of_another_configuration_is_refused(plane: FakeControlPlane, start: Any) -> None:
    command_at(plane, "pause", 3)
    start()
    plane.before_reply, plane.command, plane.next_sequence = None, "continue", 0
    start("elsewhere", attempt=2, seed=12)
    error = plane.of_type("error")[0]
    assert error["end_reason"] == "checkpoint_mismatch"
    assert "seed" in error["message"]
