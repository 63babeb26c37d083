"""The golden examples of the pod protocol keep their contracts, and the trainer reads its own."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from trainer.config import parse_job, read_environment
from trainer.errors import BadConfigurationError

from tests.trainer.fake_control_plane import CONTRACTS, validator

EXAMPLES = CONTRACTS / "examples"
PARTS = {
    "pod_job_file": ("job_file", None),
    "pod_hello_request": ("hello", "request"),
    "pod_hello_reply": ("hello", "reply"),
    "pod_events_request": ("trainer_event", "request"),
    "pod_events_reply": ("trainer_event", "reply"),
    "pod_urls_request": ("urls", "request"),
    "pod_urls_reply": ("urls", "reply"),
}


def example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def test_every_pod_example_is_named_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("pod_*.json")} == set(PARTS)


@pytest.mark.parametrize("name", PARTS)
def test_an_example_keeps_its_contract(name: str) -> None:
    schema, part = PARTS[name]
    assert [error.message for error in validator(schema, part).iter_errors(example(name))] == []


def test_the_events_example_has_one_event_of_every_type() -> None:
    contract = json.loads((CONTRACTS / "trainer_event.schema.json").read_text())
    known: set[str] = set()
    for variant in contract["$defs"]["event"]["oneOf"]:
        kind = variant["properties"]["type"]
        known |= {kind["const"]} if "const" in kind else set(kind["enum"])
    assert {event["type"] for event in example("pod_events_request")["events"]} == known


def test_the_trainer_reads_the_example_job() -> None:
    job = parse_job(json.dumps(example("pod_job_file")))
    assert job.base_model.folder_name == "HuggingFaceTB--SmolLM2-135M-Instruct@gguf-q4_1-0.1.2"
    assert job.hourly_rate_usd == Decimal("2.49")
    assert job.hyperparameters.effective_batch_size == 4
    assert job.evaluation.max_validation_conversations is None


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("hyperparameters", "learning_rate"), 0.5, "hyperparameters.learning_rate"),
        (("hyperparameters", "epochs"), True, "hyperparameters.epochs"),
        (("hyperparameters", "dropout"), float("nan"), "hyperparameters.dropout"),
        (("hyperparameters", "target_modules"), "q_proj", "hyperparameters.target_modules"),
        (("gpu", "hourly_rate_usd"), 2.49, "gpu.hourly_rate_usd"),
        (("gpu", "hourly_rate_usd"), "-1", "gpu.hourly_rate_usd"),
        (("spent_usd",), "much", "spent_usd"),
        (("quantization",), "int3", "quantization"),
        (("base_model", "revision"), "", "base_model.revision"),
        (("checkpoint",), None, "checkpoint"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(path: tuple[str, ...], value: Any, place: str) -> None:
    job = example("pod_job_file")
    target = job
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(BadConfigurationError, match=place.replace(".", r"\.")):
        parse_job(json.dumps(job))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64!"])
def test_an_unreadable_secret_is_refused(secret: str) -> None:
    with pytest.raises(BadConfigurationError, match="LORA_PIPELINE_WEBHOOK_SECRET"):
        read_environment({"LORA_PIPELINE_WEBHOOK_SECRET": secret})


def test_the_defaults_point_at_the_volume() -> None:
    environment = read_environment({"LORA_PIPELINE_WEBHOOK_SECRET": "whsec_c2VjcmV0"})
    job = parse_job(json.dumps(example("pod_job_file")))
    assert environment.models_dir == Path("/workspace/models")
    assert environment.work_dir_for(job) == Path("/workspace/jobs/job_7k2m9q4x1c8v5b3n/1")
    assert environment.provider_url == "https://api.runpod.io"
