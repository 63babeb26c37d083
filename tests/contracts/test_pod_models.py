"""The words between pods and the backend: schemas, examples and the models that parse them agree."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from chalicelib.domain.configuration import Configuration
from chalicelib.domain.end_reasons import EndReason
from chalicelib.domain.job_file import job_file
from chalicelib.routes import webhook_bodies as bodies
from chalicelib.settings import DEFAULT_TIMINGS
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel, TypeAdapter, ValidationError
from referencing import Registry, Resource

from tests.builders import a_job
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import BASE_MODEL, World

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
SCHEMAS = {
    path.name: json.loads(path.read_text(encoding="utf-8")) for path in CONTRACTS.glob("*.schema.json")
}
REGISTRY: Registry[Any] = Registry().with_resources(
    [(schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()]
)
REQUESTS: dict[str, tuple[str, type[BaseModel]]] = {
    "pod_hello_request": ("hello.schema.json", bodies.HelloBody),
    "pod_events_request": ("trainer_event.schema.json", bodies.EventsBody),
    "pod_urls_request": ("urls.schema.json", bodies.UrlsBody),
}
REPLIES = {
    "pod_hello_reply": "hello.schema.json",
    "pod_events_reply": "trainer_event.schema.json",
    "pod_urls_reply": "urls.schema.json",
}
EVENTS: tuple[type[BaseModel], ...] = (
    bodies.StageEvent, bodies.PlanEvent, bodies.MetricsEvent, bodies.CheckpointEvent, bodies.ArtifactsEvent,
    bodies.ResumeEvent, bodies.ToldEvent, bodies.ErrorEvent,
)  # fmt: skip


def _example(name: str) -> Any:
    return json.loads((CONTRACTS / "examples" / f"{name}.json").read_text(encoding="utf-8"))


def _problems(schema: str, part: str | None, value: Any) -> list[str]:
    wanted = {"$ref": schema if part is None else f"{schema}#/$defs/{part}"}
    validator = Draft202012Validator(wanted, registry=REGISTRY, format_checker=FormatChecker())
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(value)]


def test_every_schema_is_a_schema() -> None:
    assert len(SCHEMAS) >= 6
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


def test_every_pod_example_is_held_against_its_contract() -> None:
    names = {path.stem for path in (CONTRACTS / "examples").glob("pod_*.json")}
    assert names == {*REQUESTS, *REPLIES, "pod_job_file"}


@pytest.mark.parametrize("name", REQUESTS)
def test_an_example_request_fits_its_schema_and_is_accepted(name: str) -> None:
    schema, model = REQUESTS[name]
    assert _problems(schema, "request", _example(name)) == []
    model.model_validate(_example(name))


@pytest.mark.parametrize("name", REPLIES)
def test_an_example_reply_fits_its_schema(name: str) -> None:
    reply = _example(name)
    assert _problems(REPLIES[name], "reply", reply.get("data", reply)) == []


def test_the_example_job_file_fits_its_schema() -> None:
    assert _problems("job_file.schema.json", None, _example("pod_job_file")) == []


def test_the_job_file_that_a_pod_is_given_fits_the_schema_and_has_the_example_s_parts() -> None:
    world = World()
    job_id = world.running()
    told = job_file(
        world.job(job_id),
        world.attempt(job_id),
        BASE_MODEL,
        api_url="https://lora.example",
        spent_usd=world.attempt(job_id).cost_usd(world.clock.now),
        hourly_rate_usd=world.attempt(job_id).rate_usd_per_hour,
        timings=DEFAULT_TIMINGS,
    )
    assert _problems("job_file.schema.json", None, json.loads(json.dumps(told))) == []
    assert told.keys() == _example("pod_job_file").keys()


def test_a_job_that_asks_for_a_merged_model_says_so_and_only_then() -> None:
    world = World()
    job_id = world.running()
    job = world.job(job_id)
    asking = replace(job, configuration=replace(job.configuration, export_merged=True))
    told = job_file(
        asking,
        world.attempt(job_id),
        BASE_MODEL,
        api_url="https://lora.example",
        spent_usd=Decimal(0),
        hourly_rate_usd=Decimal(1),
        timings=DEFAULT_TIMINGS,
    )
    assert told["export"] == {"merged": True}
    assert _problems("job_file.schema.json", None, json.loads(json.dumps(told))) == []


def test_a_configuration_stored_before_merged_models_existed_still_loads() -> None:
    adapter = TypeAdapter(Configuration)
    old = adapter.dump_python(a_job().configuration)
    del old["export_merged"]
    assert adapter.validate_python(old).export_merged is False


@pytest.mark.parametrize(
    ("path", "fits"),
    [
        ("artifacts/merged/config.json", True),
        ("artifacts/merged/model-00001-of-00035.safetensors", True),
        ("artifacts/other/config.json", False),
        ("artifacts/merged/deeper/config.json", False),
        ("checkpoints/step-000001/merged/config.json", False),
    ],
)
def test_only_the_merged_model_has_a_folder_below_the_artifacts(path: str, fits: bool) -> None:
    body = {
        "attempt": 1,
        "fence": "fence-0001",
        "uploads": [{"path": path, "size_bytes": 1, "sha256": "0" * 64}],
        "downloads": [],
    }
    assert (_problems("urls.schema.json", "request", body) == []) is fits
    if fits:
        bodies.UrlsBody.model_validate(body)
    else:
        with pytest.raises(ValidationError):
            bodies.UrlsBody.model_validate(body)


def test_what_the_backend_replies_fits_the_schemas() -> None:
    world = World()
    trainer = Trainer(world, world.running()).hello()
    assert _problems("hello.schema.json", "reply", dict(trainer.reply)) == []
    trainer.send(trainer.point(1))
    assert _problems("trainer_event.schema.json", "reply", dict(trainer.reply)) == []
    again = trainer.checkpoint(10).hello()
    assert again.reply["checkpoint"]["step"] == 10
    assert _problems("hello.schema.json", "reply", dict(again.reply)) == []


def _schemas_of_events() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for schema in SCHEMAS["trainer_event.schema.json"]["$defs"]["event"]["oneOf"]:
        kind = schema["properties"]["type"]
        for word in kind.get("enum", [kind.get("const")]):
            found[word] = schema
    return found


def _model_of(kind: str) -> type[BaseModel]:
    return next(model for model in EVENTS if kind in model.model_fields["type"].annotation.__args__)  # type: ignore[union-attr]


def test_models_and_schema_know_the_same_kinds_of_event() -> None:
    words = {word for model in EVENTS for word in model.model_fields["type"].annotation.__args__}  # type: ignore[union-attr]
    assert words == set(_schemas_of_events())


@pytest.mark.parametrize("kind", sorted(_schemas_of_events()))
def test_an_event_has_the_same_fields_in_model_and_schema(kind: str) -> None:
    schema, model = _schemas_of_events()[kind], _model_of(kind)
    assert set(schema["properties"]) == set(model.model_fields)
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    assert set(schema["required"]) == required


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_has_the_same_fields_in_model_and_schema(name: str) -> None:
    file, model = REQUESTS[name]
    schema = SCHEMAS[file]["$defs"]["request"]
    assert set(schema["properties"]) == set(model.model_fields)
    assert set(schema["required"]) == {
        key for key, field in model.model_fields.items() if field.is_required()
    }


def test_every_reason_a_trainer_may_give_is_one_a_job_can_end_with() -> None:
    words = _schemas_of_events()["error"]["properties"]["end_reason"]["enum"]
    assert set(words) == set(bodies.ErrorEvent.model_fields["end_reason"].annotation.__args__)  # type: ignore[union-attr]
    assert set(words) <= {reason.value for reason in EndReason}


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if path else []
    for key, part in parts:
        if key not in {"data", "summary", "gpu", "steps"}:
            found += _leaves(part, (*path, key))
    return found


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("wrong", [{"no": "such"}, [[]], -1.5])
def test_what_the_schema_refuses_the_model_refuses(name: str, wrong: Any) -> None:
    """Every value of the example in turn replaced by one of another type: neither side may be the laxer one."""
    schema, model = REQUESTS[name]
    compared = 0
    for path in _leaves(_example(name)):
        spoilt = _example(name)
        place = spoilt
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = wrong
        if not _problems(schema, "request", spoilt):
            continue
        compared += 1
        with pytest.raises(ValidationError):
            model.model_validate(spoilt)
    assert compared > 3
