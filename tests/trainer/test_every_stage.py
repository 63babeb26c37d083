"""Every command and the termination signal, given at every stage."""

from __future__ import annotations

import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from trainer.report import Reporter

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import finished, job_file, trainer_process, wait_until

pytestmark = pytest.mark.slow

# The event after which the command is there: stage, least progress.
MOMENTS = {
    "preprocessing": ("preprocessing", 0.0),
    "model loading": ("model_loading", 0.0),
    "training begins": ("training", 0.0),
    "training": ("training", 0.3),
    "finalization": ("finalization", 0.0),
    "the last sentence": ("finalization", 0.95),
}


@pytest.fixture(params=list(MOMENTS))
def moment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def command(plane: FakeControlPlane, monkeypatch: pytest.MonkeyPatch, moment: str) -> Any:
    """Give a command at the moment: at once, not when the next reply happens to bring it."""
    stage, progress = MOMENTS[moment]
    say = Reporter.say
    given = ["continue"]
    monkeypatch.setattr(
        Reporter, "command", property(lambda _: given[-1], lambda _, value: None), raising=False
    )

    def give(command: str) -> None:
        def said(self: Reporter, event: dict[str, Any], urgent: bool = False) -> None:
            say(self, event, urgent)
            if event["type"] == "stage" and event["stage"] == stage and event["progress"] >= progress:
                plane.command = command
                given.append(command)

        monkeypatch.setattr(Reporter, "say", said)
        # Every step says where it is.
        monkeypatch.setattr("trainer.train.STATUS_SECONDS", 0.0)

    return give


def stops(plane: FakeControlPlane) -> list[str]:
    return [event["code"] for event in plane.of_type("stopping")]


def test_cancel_is_obeyed_until_the_result_is_whole(
    plane: FakeControlPlane, start: Any, command: Any, moment: str
) -> None:
    command("cancel")
    start(hyperparameters={"epochs": 2})
    if moment == "the last sentence":
        assert finished(plane)
        return
    assert stops(plane) == ["cancelled"]
    assert plane.of_type("artifacts", "error") == []
    steps = [event["step"] for event in plane.of_type("metrics") if "training_loss" in event]
    assert bool(plane.of_type("checkpoint")) == bool(steps), "what was trained is kept"


def test_pause_keeps_everything_that_was_trained(
    plane: FakeControlPlane, start: Any, command: Any, moment: str
) -> None:
    command("pause")
    start(hyperparameters={"epochs": 2})
    if moment == "the last sentence":
        assert finished(plane)
        return
    assert stops(plane) == ["paused"]
    assert plane.of_type("artifacts", "error") == []
    (told,) = [event["message"] for event in plane.of_type("stopping")]
    if moment in ("preprocessing", "model loading"):
        assert "before it began" in told
        return
    assert told.endswith("the checkpoint is stored.")
    trained = [event["step"] for event in plane.of_type("metrics") if "training_loss" in event]
    assert plane.of_type("checkpoint")[-1]["step"] == max(trained, default=0)


def test_finish_exports_what_there_is_or_says_that_there_is_nothing(
    plane: FakeControlPlane, start: Any, command: Any, moment: str
) -> None:
    command("finish")
    start(hyperparameters={"epochs": 2})
    if moment in ("preprocessing", "model loading", "training begins"):
        (error,) = plane.of_type("error")
        assert error["end_reason"] == "bad_configuration"
        assert "no adapter to hand over" in error["message"]
        assert plane.of_type("artifacts", "checkpoint") == []
        return
    assert finished(plane)
    summary = plane.of_type("artifacts")[0]["summary"]
    assert summary["ended_by"] == ("finish" if moment == "training" else "completed")
    assert summary["steps"] >= 1


@pytest.mark.parametrize("stage", ["preprocessing", "model_loading", "training", "finalization"])
def test_a_termination_signal_costs_no_finished_work_at_any_stage(
    plane: FakeControlPlane, models_dir: Path, tmp_path: Path, stage: str
) -> None:
    job = job_file(plane, hyperparameters={"epochs": 1})
    with trainer_process(plane, job, models_dir, tmp_path / "one" / "work") as process:
        wait_until(lambda: any(event["stage"] == stage for event in plane.of_type("stage")), stage, 120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    if not any(event["type"] == "artifacts" for event in plane.events):
        assert stops(plane) == ["sigterm"]
    stored = plane.of_type("checkpoint")
    trained = len([event for event in plane.of_type("metrics") if "training_loss" in event])
    plane.fence, plane.next_sequence = "fence-0002", 0
    second = job_file(plane, attempt=2, hyperparameters={"epochs": 1})
    with trainer_process(plane, second, models_dir, tmp_path / "two" / "elsewhere"):
        wait_until(lambda: finished(plane), "another machine ends it", 120)
    if stored:
        again = len([event for event in plane.of_type("metrics") if "training_loss" in event]) - trained
        assert again == 8 - stored[-1]["step"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_machine_whose_clock_is_wrong_trains_and_dates_its_reports_rightly(
    plane: FakeControlPlane, start: Any, hours: int
) -> None:
    plane.clock_offset_seconds = 3600 * hours
    start(hyperparameters={"epochs": 1})
    assert finished(plane)
    ages = [(plane.now() - datetime.fromisoformat(event["at"])).total_seconds() for event in plane.events]
    assert max(abs(age) for age in ages) < 1800


def test_a_pod_that_may_not_delete_itself_goes_on_when_somebody_answers_again(
    plane: FakeControlPlane, models_dir: Path, tmp_path: Path
) -> None:
    """It must not idle with heartbeats: a pod that looks alive and trains nothing costs money until the cap."""
    report = {"interval_seconds": 0.2, "watched_interval_seconds": 0.1, "dead_man_seconds": 2.0}
    job = job_file(plane, hyperparameters={"epochs": 20}, report=report)

    def fall_silent(route: str, body: dict[str, Any]) -> None:
        if route == "events" and any(event.get("step", -1) >= 2 for event in body["events"]):
            plane.failures = [503] * 10_000

    plane.before_reply, plane.delete_status = fall_silent, 403
    with trainer_process(plane, job, models_dir, tmp_path / "work") as process:
        wait_until(lambda: plane.deleted_pods, "the pod asks for its own end", 120)
        assert process.poll() is None, "while nobody answers, no process may be started again and again"
        plane.before_reply, plane.failures = None, []
        assert process.wait(timeout=60) == 0
    assert stops(plane) == ["silence"]
    with trainer_process(plane, job, models_dir, tmp_path / "work"):
        wait_until(lambda: finished(plane), "the next process of the pod ends it", 120)
    steps = [event["step"] for event in plane.of_type("metrics") if "training_loss" in event]
    assert steps == sorted(set(steps)), "it goes on from the saved state"
