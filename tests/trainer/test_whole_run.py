"""`python -m trainer` as a pod runs it, against a real HTTP control plane, on the tiny model."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.fake_control_plane import FakeControlPlane
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

LOAD_AND_MEASURE = """
import json, sys
from pathlib import Path
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
torch.set_num_threads(1)
base, adapter, rows = sys.argv[1:4]
tokenizer = AutoTokenizer.from_pretrained(adapter)
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
model = PeftModel.from_pretrained(model, adapter).eval()
total, count = 0.0, 0
for line in Path(rows).read_text().splitlines():
    encoded = tokenizer.apply_chat_template(
        json.loads(line)["messages"], tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = torch.tensor([encoded["input_ids"]]), torch.tensor(encoded["assistant_masks"]).bool()
    with torch.no_grad():
        logs = torch.log_softmax(model(input_ids=ids).logits[0, :-1].float(), -1)
    picked = logs.gather(1, ids[0, 1:, None])[:, 0][mask[1:]]
    total -= picked.sum().item()
    count += len(picked)
print(json.dumps(total / count))
"""


@dataclass
class Run:
    plane: FakeControlPlane
    job: dict[str, Any]
    work: Path
    restarted_events: int


@pytest.fixture(scope="module")
def run(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One unbroken run to its end, then a second process of the same attempt, as a restarting container makes."""
    work = tmp_path_factory.mktemp("whole") / "work"
    with FakeControlPlane(SECRET, as_jsonl(conversations(40))) as plane:
        job = job_file(plane)
        with trainer_process(plane, job, models_dir, work) as process:
            wait_until(lambda: finished(plane), "the run is finished", 120)
            assert process.poll() is None, (
                "the process must stay: a container that exits is restarted and billed"
            )
            # Killed before it noted its end, a process would rightly do the last stage again.
            wait_until(lambda: list(work.rglob("outcome-1.json")), "the process noted its end", 20)
        before = len(plane.events)
        with trainer_process(plane, job, models_dir, work):
            wait_until(lambda: len(plane.hellos) == 2, "the second process says hello", 60)
            beats = len(plane.requests)
            wait_until(lambda: len(plane.requests) > beats + 2, "the second process sends heartbeats", 20)
        yield Run(plane, job, work, len(plane.events) - before)


def test_every_report_keeps_the_contract(run: Run) -> None:
    assert run.plane.problems == []


def test_a_process_restarted_after_the_end_only_sends_heartbeats(run: Run) -> None:
    assert run.restarted_events == 0


def test_the_stages_come_in_order_with_rising_progress(run: Run) -> None:
    stages = run.plane.of_type("stage")
    order = list(dict.fromkeys(event["stage"] for event in stages))
    assert order == ["preprocessing", "model_loading", "training", "finalization"]
    for name in order:
        mine = [event for event in stages if event["stage"] == name]
        assert [event["progress"] for event in mine] == sorted(event["progress"] for event in mine)
        assert [event["state"] for event in mine].count("completed") == 1
        assert mine[-1]["state"] == "completed"


def test_the_stages_speak_the_sentences_of_the_product(run: Run) -> None:
    said = [event["message"] for event in run.plane.of_type("stage")]
    for sentence in (
        "Downloading training file from storage...",
        "Parsing 40 conversations...",
        "Tokenizing text with Tiny Llama (local) tokenizer...",
        "Creating train/validation split (80/20)...",
        "Validating dataset format...",
        "Checking model cache...",
        "Loading model from cache...",
        "Initializing LoRA adapters (rank=4)...",
        "Preparing training pipeline...",
        "Running validation...",
        "Saving LoRA adapters to storage...",
        "Uploading adapter_config.json...",
        "Calculating final metrics...",
        "Generating training summary...",
        "Cleaning up temporary files...",
    ):
        assert sentence in said
    assert any(message.startswith("Epoch 1 complete - Avg loss: ") for message in said)
    assert any(message.startswith("Uploading adapter_model.safetensors (") for message in said)


def test_every_step_has_a_point_and_the_validation_loss_falls(run: Run) -> None:
    plan = run.plane.of_type("plan")[0]
    points = run.plane.of_type("metrics")
    trained = [point["step"] for point in points if "training_loss" in point]
    assert trained == list(range(1, plan["total_steps"] + 1))
    validation = {point["step"]: point["validation_loss"] for point in points if "validation_loss" in point}
    assert sorted(validation) == [plan["steps_per_epoch"] * epoch for epoch in range(4)]
    assert validation[plan["total_steps"]] < validation[0] * 0.97


def test_dollars_start_from_what_was_spent_and_grow_with_time(run: Run) -> None:
    costs = [point["cost_usd"] for point in run.plane.of_type("metrics") if "cost_usd" in point]
    assert costs == sorted(costs)
    assert 1.5 < costs[0] < costs[-1] < 1.5 + 3.6 * 240 / 3600


def test_checkpoints_are_stored_whole_before_they_are_announced(run: Run) -> None:
    announced = run.plane.of_type("checkpoint")
    total = run.plane.of_type("plan")[0]["total_steps"]
    assert announced[-1]["step"] == total
    for event in announced:
        stored = run.plane.stored(event["path"] + "/")
        for file in event["files"]:
            assert hashlib.sha256(stored[file["name"]]).hexdigest() == file["sha256"]


def test_the_artifacts_are_complete_and_their_sums_are_right(run: Run) -> None:
    stored = run.plane.stored("artifacts/")
    event = run.plane.of_type("artifacts")[0]
    assert {file["name"] for file in event["files"]} == set(stored)
    assert {
        "adapter_model.safetensors",
        "adapter_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "README.md",
        "training_summary.json",
        "validation_losses.jsonl",
        "SHA256SUMS",
    } == set(stored)
    lines = stored["SHA256SUMS"].decode().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert sums == {
        name: hashlib.sha256(content).hexdigest() for name, content in stored.items() if name != "SHA256SUMS"
    }
    assert json.loads(stored["training_summary.json"]) == event["summary"]


def test_no_artifact_names_a_local_path(run: Run) -> None:
    for name, content in run.plane.stored("artifacts/").items():
        for place in (b"/tmp/", b"/workspace", str(run.work).encode()):
            assert place not in content, (name, place)
    settings = json.loads(run.plane.stored("artifacts/")["adapter_config.json"])
    assert settings["base_model_name_or_path"] == run.job["base_model"]["hub_id"]
    assert settings["revision"] == run.job["base_model"]["revision"]


def test_the_card_states_the_numbers_of_the_summary(run: Run) -> None:
    summary = run.plane.of_type("artifacts")[0]["summary"]
    card = run.plane.stored("artifacts/")["README.md"].decode()
    for value in (summary["base_validation_loss"], summary["validation_loss"], summary["perplexity"]):
        assert f"{value:.4f}" in card
    assert run.job["base_model"]["license"] in card
    assert summary["ended_by"] == "completed"
    assert len(summary["samples"]) == 2
    assert len(summary["worst_rows"]) > 0


def test_a_clean_process_loads_the_adapter_with_plain_peft_and_gets_the_stated_loss(
    run: Run, models_dir: Path, tmp_path: Path
) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for name, content in run.plane.stored("artifacts/").items():
        (adapter / name).write_bytes(content)
    from trainer.rows import read_rows

    from trainer import data

    (tmp_path / "all.jsonl").write_bytes(run.plane.files["dataset"])
    _, held_out = data.split(read_rows(tmp_path / "all.jsonl", "chat"), run.job["seed"])
    lines = run.plane.files["dataset"].decode().splitlines()
    (tmp_path / "held_out.jsonl").write_text("\n".join(lines[at] for at in held_out))
    base = next(models_dir.glob("*@*"))
    measured = subprocess.run(
        [sys.executable, "-c", LOAD_AND_MEASURE, base, adapter, tmp_path / "held_out.jsonl"],
        env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    stated = run.plane.of_type("artifacts")[0]["summary"]["validation_loss"]
    assert json.loads(measured.stdout.splitlines()[-1]) == pytest.approx(stated, abs=1e-5)


def test_a_run_killed_twice_gives_the_same_adapter_bytes_and_losses(
    run: Run, models_dir: Path, tmp_path: Path
) -> None:
    with FakeControlPlane(SECRET, run.plane.files["dataset"]) as plane:
        job = job_file(plane, checkpoint={"every_steps": 2, "every_seconds": 3600})
        with trainer_process(plane, job, models_dir, tmp_path / "one") as process:
            wait_until(lambda: plane.of_type("checkpoint"), "the first checkpoint is stored", 60)
            process.send_signal(signal.SIGKILL)
            process.wait()
        first_stored = plane.of_type("checkpoint")[-1]["step"]
        with trainer_process(plane, job, models_dir, tmp_path / "one") as process:
            wait_until(
                lambda: plane.of_type("checkpoint")[-1]["step"] > first_stored,
                "a later checkpoint is stored",
                60,
            )
            process.send_signal(signal.SIGKILL)
            process.wait()
        # Another machine: nothing of the first disk is left, only what storage has.
        second_stored = plane.of_type("checkpoint")[-1]["step"]
        plane.fence, plane.next_sequence = "fence-0002", 0
        second = job_file(plane, attempt=2, checkpoint=job["checkpoint"])
        with trainer_process(plane, second, models_dir, tmp_path / "two" / "elsewhere"):
            wait_until(lambda: finished(plane), "the resumed run is finished", 120)
        assert plane.problems == []
        assert (
            plane.stored("artifacts/")["adapter_model.safetensors"]
            == (run.plane.stored("artifacts/")["adapter_model.safetensors"])
        )
        unbroken = {point["step"]: point["training_loss"] for point in trained(run.plane)}
        assert all(point["training_loss"] == unbroken[point["step"]] for point in trained(plane))
        resumed = plane.of_type("resume_evidence")
        assert resumed[-1]["resumed_from_step"] == second_stored
        assert len(resumed[-1]["state_sha256"]) == 64
        assert all(step["before"] == step["after"] for event in resumed for step in event["steps"])
        final, reference = (fake.of_type("artifacts")[0]["summary"] for fake in (plane, run.plane))
        for key in (
            "validation_loss",
            "training_loss",
            "loss_curve",
            "tokens",
            "samples",
            "base_validation_loss",
        ):
            assert final[key] == reference[key], key


def trained(plane: FakeControlPlane) -> list[dict[str, Any]]:
    return [point for point in plane.of_type("metrics") if "training_loss" in point]


def test_a_termination_signal_is_answered_and_saved_within_five_seconds(
    plane: FakeControlPlane, models_dir: Path, tmp_path: Path
) -> None:
    job = job_file(
        plane, hyperparameters={"epochs": 20}, checkpoint={"every_steps": 1000, "every_seconds": 3600}
    )
    with trainer_process(plane, job, models_dir, tmp_path / "work") as process:
        wait_until(lambda: len(trained(plane)) >= 3, "three steps are done", 60)
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143
        assert time.monotonic() - told < 5
    assert [event["code"] for event in plane.of_type("stopping")] == ["sigterm"]
    checkpoint = plane.of_type("checkpoint")[-1]
    assert checkpoint["reason"] == "terminating"
    assert checkpoint["step"] >= 3
    assert set(plane.stored(checkpoint["path"] + "/")) == {file["name"] for file in checkpoint["files"]}
