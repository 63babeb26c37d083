"""Commands, refusals and failures, with the recipe run inside the test's own process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import (
    as_jsonl,
    command_at,
    conversations,
    finished,
    job_file,
    wait_until,
)
from trainer import evaluate, loss

pytestmark = pytest.mark.slow


def test_pause_stores_a_checkpoint_before_it_says_so_and_resumes(plane: FakeControlPlane, start: Any) -> None:
    command_at(plane, "pause", 3)
    start()
    types = [event["type"] for event in plane.events]
    stop = plane.of_type("stopping")
    assert [event["code"] for event in stop] == ["paused"]
    paused = plane.of_type("checkpoint")[-1]
    assert paused["reason"] == "pause"
    assert types.index("stopping") > max(at for at, kind in enumerate(types) if kind == "checkpoint")
    assert plane.of_type("artifacts") == []

    plane.before_reply, plane.command, plane.next_sequence, plane.fence = None, "continue", 0, "fence-0002"
    start("elsewhere", attempt=2)
    assert finished(plane)
    assert plane.of_type("resume_evidence")[-1]["resumed_from_step"] == paused["step"]
    assert any(event["message"] == f"Resumed from step {paused['step']}" for event in plane.of_type("info"))


def test_a_pause_whose_checkpoint_cannot_be_stored_does_not_claim_that_it_was(
    plane: FakeControlPlane, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.train.PAUSE_PATIENCE_SECONDS", 0.5)
    plane.storage_failures = [503] * 1000
    command_at(plane, "pause", 3)
    start()
    (told,) = plane.of_type("stopping")
    assert told["code"] == "paused"
    assert "could not be stored" in told["message"]
    assert plane.of_type("checkpoint") == []


def test_a_pause_outlasts_an_outage_of_storage(plane: FakeControlPlane, start: Any) -> None:
    plane.storage_failures = [503] * 30
    command_at(plane, "pause", 3)
    start()
    (told,) = plane.of_type("stopping")
    assert told["message"].endswith("the checkpoint is stored.")
    assert plane.of_type("checkpoint")[-1]["reason"] == "pause"


def test_cancel_stops_within_a_step_and_hands_over_an_adapter(plane: FakeControlPlane, start: Any) -> None:
    command_at(plane, "cancel", 3)
    start(checkpoint={"every_steps": 1000, "every_seconds": 3600})
    assert [event["code"] for event in plane.of_type("stopping")] == ["cancelled"]
    kept = plane.of_type("checkpoint")
    assert [event["reason"] for event in kept] == ["cancel"]
    assert "adapter_model.safetensors" in plane.stored(kept[0]["path"] + "/")
    assert plane.of_type("artifacts") == []


def test_cancel_keeps_a_fresh_checkpoint_and_stores_no_other(plane: FakeControlPlane, start: Any) -> None:
    command_at(plane, "cancel", 7)
    start(checkpoint={"every_steps": 2, "every_seconds": 3600})
    assert {event["reason"] for event in plane.of_type("checkpoint")} == {"interval"}


def test_cancel_before_training_stops_without_a_checkpoint(plane: FakeControlPlane, start: Any) -> None:
    plane.command = "cancel"
    start()
    assert [event["code"] for event in plane.of_type("stopping")] == ["cancelled"]
    assert plane.of_type("metrics", "checkpoint") == []


def test_finish_exports_what_there_is(plane: FakeControlPlane, start: Any) -> None:
    command_at(plane, "finish", 3)
    start(hyperparameters={"epochs": 20})
    summary = plane.of_type("artifacts")[0]["summary"]
    assert summary["ended_by"] == "finish"
    assert 3 <= summary["steps"] < summary["total_steps"]
    assert plane.of_type("checkpoint")[-1]["reason"] == "finish"
    assert finished(plane)


def test_a_superseded_attempt_falls_silent_and_uploads_nothing_more(
    plane: FakeControlPlane, start: Any
) -> None:
    def take_over(route: str, body: dict[str, Any]) -> None:
        if route == "events" and any(event.get("step", -1) >= 2 for event in body["events"]):
            plane.fence = "fence-0002"

    plane.before_reply = take_over
    start(hyperparameters={"epochs": 20})
    assert plane.of_type("artifacts", "stopping", "error") == []
    assert plane.stored("artifacts/") == {}


def test_a_wrong_row_fails_the_job_with_its_line(plane: FakeControlPlane, start: Any) -> None:
    plane.files["dataset"] += b'{"messages": 5}\n'
    start()
    error = plane.of_type("error")[0]
    assert error["end_reason"] == "bad_dataset"
    assert "Line 41" in error["message"]
    assert error["data"] == {"line": 41}
    assert "stack" not in error


def test_a_dataset_that_changed_in_storage_fails_the_job(plane: FakeControlPlane, start: Any) -> None:
    start(dataset={**job_file(plane)["dataset"], "sha256": "0" * 64})
    assert plane.of_type("error")[0]["end_reason"] == "bad_dataset"


def test_an_unknown_target_module_names_the_possible_ones(plane: FakeControlPlane, start: Any) -> None:
    start(hyperparameters={"target_modules": ["q_proj", "query"]})
    error = plane.of_type("error")[0]
    assert error["end_reason"] == "bad_configuration"
    assert "no module called query" in error["message"]
    assert "q_proj" in error["message"]


def test_a_model_that_cannot_be_had_is_named(
    plane: FakeControlPlane, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def offline(*_: object, **__: object) -> str:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    start(base_model={**job_file(plane)["base_model"], "revision": "missing"})
    error = plane.of_type("error")[0]
    assert error["end_reason"] == "model_unavailable"
    assert "no route to the hub" in error["message"]


def test_memory_that_runs_out_once_halves_the_micro_batch_and_twice_ends_the_job(
    plane: FakeControlPlane, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loss.summed_loss

    def small_memory(core: Any, batch: Any) -> Any:
        if len(batch.targets) > limit:
            raise torch.OutOfMemoryError("made to fail")
        return real(core, batch)

    monkeypatch.setattr(loss, "summed_loss", small_memory)
    limit = 2
    start(hyperparameters={"epochs": 1}, batching="padded")
    assert finished(plane)
    assert [event["code"] for event in plane.of_type("warning")] == ["micro_batch_halved"]

    limit, plane.next_sequence, plane.checkpoint = 1, 0, None
    start("second", hyperparameters={"epochs": 1}, batching="padded")
    error = plane.of_type("error")[0]
    assert error["end_reason"] == "out_of_memory"
    assert "Choose a GPU with more memory" in error["message"]


def test_a_loss_that_is_no_number_ends_the_job_as_diverged(
    plane: FakeControlPlane, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loss.summed_loss

    def poisoned(core: Any, batch: Any) -> Any:
        return real(core, batch) * float("nan")

    monkeypatch.setattr(loss, "summed_loss", poisoned)
    start()
    error = plane.of_type("error")[0]
    assert error["end_reason"] == "diverged"
    assert len(plane.of_type("warning")) == 2
    assert error["step"] == 3


def test_an_unexpected_failure_is_reported_with_its_stack(
    plane: FakeControlPlane, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(evaluate, "final", broken)
    start(hyperparameters={"epochs": 1})
    error = plane.of_type("error")[0]
    assert error["end_reason"] == "trainer_crashed"
    assert "a bug" in error["message"]
    assert "RuntimeError" in error["stack"]


def test_a_storage_outage_during_training_costs_no_step(plane: FakeControlPlane, start: Any) -> None:
    plane.storage_failures = [503] * 12
    start(checkpoint={"every_steps": 3, "every_seconds": 3600})
    assert finished(plane)
    assert plane.of_type("checkpoint")


def test_a_silent_control_plane_leaves_a_saved_state_and_deletes_the_pod(
    plane: FakeControlPlane, start: Any
) -> None:
    def fall_silent(route: str, body: dict[str, Any]) -> None:
        if route == "events" and any(event.get("step", -1) >= 2 for event in body["events"]):
            plane.failures = [503] * 10_000

    plane.before_reply = fall_silent
    report = {"interval_seconds": 0.2, "watched_interval_seconds": 0.1, "dead_man_seconds": 1.0}

    class Noticing(list[str]):
        def append(self, value: str) -> None:
            super().append(value)
            # The pod would be gone now; the control plane comes back so that the run in this process can end.
            plane.before_reply, plane.failures = None, []

    plane.deleted_pods = Noticing()
    folder = start(hyperparameters={"epochs": 20}, report=report)
    wait_until(lambda: plane.deleted_pods, "the pod deletes itself", 10)
    assert plane.deleted_pods == ["/v2/pods/pod-1"]
    assert list((folder / "checkpoints").glob("step-*"))
    assert [event["code"] for event in plane.of_type("stopping")] == ["silence"]


def test_alpaca_rows_train_as_well(plane: FakeControlPlane, start: Any) -> None:
    rows = [
        {"instruction": row["messages"][-2]["content"], "input": "", "output": row["messages"][-1]["content"]}
        for row in conversations(12)
    ]
    plane.files["dataset"] = as_jsonl(rows)
    start(dataset={**job_file(plane)["dataset"], "format": "alpaca"}, hyperparameters={"epochs": 1})
    assert finished(plane)
    assert json.loads(plane.stored("artifacts/")["training_summary.json"])["steps"] == 3


def test_a_work_folder_that_cannot_be_made_does_not_end_the_process_unheard(
    plane: FakeControlPlane, start: Any, tmp_path: Path
) -> None:
    (tmp_path / "work").write_text("in the way")
    start(hyperparameters={"epochs": 1})
    assert finished(plane)
