"""A whole job through the deployed product: every record of it must tell the same story."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from stack.deployment import Package
from stack.places import DEPLOYMENT_NAME, REPOSITORY

from tests.stack.world import MODELS, World, example_rows

pytestmark = [pytest.mark.stack, pytest.mark.slow]

STAGES = ["AwaitPreprocessing", "AwaitModelLoading", "AwaitTraining", "AwaitFinalization"]
ENDING = ["TerminatePod", "WhatNow", "CollectArtifacts", "SettleJob", "DidJobFail", "JobEnded"]
# A loaded machine may keep the trainer from reporting for longer than the short heartbeat of these tests;
# then the pod is looked at and found alive.
LOOK = {"PollPod", "IsPodLost", "AwaitAgent"}
# Between the ending of the pod's process and the last look at the provider's list.
COST_TOLERANCE_SECONDS = 2


@dataclass(frozen=True)
class Finished:
    """The job of this module, and what it left."""

    job: dict[str, Any]
    world: World


@pytest.fixture(scope="module")
def finished(running: World, dataset: dict[str, Any]) -> Finished:
    """A job that was started, left alone, and completed."""
    job_id = running.api.start(dataset["id"], running.gpu(), "Happy path", epochs=2)
    job = running.api.until_completed(job_id)
    assert running.until_execution_ended(f"{job_id}-r1") == "SUCCEEDED"
    return Finished(job, running)


def test_the_execution_entered_the_designed_states_in_their_order(finished: Finished) -> None:
    states = finished.world.states(f"{finished.job['id']}-r1")
    assert states[:3] == ["Begin", "ProvisionPod", "AwaitAgent"]
    assert states[-len(ENDING) :] == ENDING
    between = states[3 : -len(ENDING)]
    furthest = 0
    for state in between:
        if state in STAGES:
            # After a look the stages already reached are entered again, and end at once.
            assert STAGES.index(state) <= furthest
            furthest = max(furthest, STAGES.index(state) + 1)
        else:
            assert state in LOOK
    assert furthest == len(STAGES)


def test_the_deployed_template_is_the_packaged_one_but_for_the_place_of_the_code(finished: Finished) -> None:
    body = finished.world.aws("cloudformation").get_template(
        StackName=DEPLOYMENT_NAME, TemplateStage="Original"
    )["TemplateBody"]
    deployed = json.loads(body) if isinstance(body, str) else body
    uris = {
        resource["Properties"].pop("CodeUri")
        for resource in deployed["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    assert len(uris) == 1
    packaged = Package(REPOSITORY / "build" / "package").template("")
    for resource in packaged["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            del resource["Properties"]["CodeUri"]
    assert deployed == packaged


def test_every_step_is_in_the_curve_exactly_once(finished: Finished) -> None:
    total = finished.job["progress"]["total_steps"]
    curve = finished.world.api.curve(finished.job["id"])
    trained = [
        step for step, loss in zip(curve["step"], curve["training_loss"], strict=True) if loss is not None
    ]
    assert trained == list(range(1, total + 1))
    assert len(set(curve["step"])) == len(curve["step"])


def test_the_event_log_has_no_gap_and_no_double(finished: Finished) -> None:
    events = finished.world.api.events(finished.job["id"])
    numbers = [int(event["id"]) for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[0] in (0, 1)
    assert not [event for event in events if event["type"] in {"warning", "error"}]


def _download(finished: Finished, folder: Path) -> None:
    listed = finished.world.api.post(f"/models/{finished.job['model_id']}/download", {})["files"]
    assert {"adapter_model.safetensors", "adapter_config.json"} <= {file["name"] for file in listed}
    for file in listed:
        content = httpx.get(file["url"]).raise_for_status().content
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file["sha256"], file["size_bytes"])
        (folder / file["name"]).write_bytes(content)


def test_the_downloaded_adapter_has_the_stated_loss_in_plain_peft(finished: Finished, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    _download(finished, adapter)
    model = finished.world.api.get(f"/models/{finished.job['model_id']}")
    base = model["base_model"]
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(example_rows())
    folder = MODELS / f"{base['hub_id'].replace('/', '--')}@{base['revision']}"
    row_format = finished.job["dataset"]["format"]
    seed = str(model["configuration"]["seed"])
    program = Path(__file__).with_name("plain_peft.py")
    done = subprocess.run(
        [sys.executable, str(program), str(folder), str(adapter), str(rows), row_format, seed],
        env={"PYTHONPATH": str(REPOSITORY / "trainer"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured = float(done.stdout.split()[-1])
    assert measured == pytest.approx(model["metrics"]["validation_loss"], abs=1e-3)
    assert measured < model["metrics"]["base_validation_loss"] - 0.05


def test_the_cost_is_what_the_provider_will_bill(finished: Finished) -> None:
    pods = finished.world.ledger(finished.job["id"])
    assert len(pods) == 1
    (attempt,) = finished.job["attempts"]
    rate = Decimal(attempt["hourly_rate_usd"])
    difference = abs(Decimal(str(pods[0]["cost_usd"])) - Decimal(finished.job["cost"]["spent_usd"]))
    assert difference <= rate * COST_TOLERANCE_SECONDS / 3600
    assert finished.job["cost"]["accruing"] is False


def test_one_notification_of_each_kind_and_two_mails_went_out(finished: Finished) -> None:
    link = f"/training-jobs/{finished.job['id']}"
    notes = finished.world.api.get("/notifications", limit=100)["notifications"]
    told = sorted(
        note["type"]
        for note in notes
        if link in str(note["link"]) or str(finished.job["model_id"]) in str(note["link"])
    )
    assert told == ["artifact_ready", "job_completed", "job_queued", "job_started"]
    mails = [mail for mail in finished.world.mails() if "Happy path" in mail["Subject"]]
    assert sorted(mail["Subject"].partition(":")[0] for mail in mails) == [
        "Model Ready for Download",
        "Training Completed",
    ]
    assert all(mail["To"] == [finished.world.outputs["owner_email"]] for mail in mails)


def test_nothing_is_left_at_the_provider(finished: Finished) -> None:
    finished.world.assert_nothing_left(finished.job["id"])


def test_no_function_logged_a_warning_an_error_or_a_trace(finished: Finished) -> None:
    marks = (
        '"level":"WARNING"',
        '"level":"ERROR"',
        '"level":"CRITICAL"',
        "Traceback",
        "Task timed out",
        "could not be",
    )
    lines = finished.world.log_lines()
    assert any(finished.job["id"] in line for line in lines)
    assert not [line for line in lines if any(mark in line for mark in marks)]


def test_the_servers_of_the_stack_logged_no_trace(finished: Finished) -> None:
    for log in sorted((finished.world.stack.home.path / "logs").glob("*.log")):
        text = log.read_text()
        assert "Traceback" not in text, f"{log.name}: {text[-2000:]}"
        assert "ERROR" not in text, f"{log.name}: {text[-2000:]}"
