"""A model is made of files that are all in storage as announced, or it is not made."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from chalicelib.domain.errors import ArtifactsIncomplete
from chalicelib.domain.model import Model
from chalicelib.use_cases.collect_artifacts import artifact_key, collect_artifacts
from chalicelib.use_cases.download_model import download_model
from pydantic import TypeAdapter

from tests.backend.catalogue.api import MemoryFiles
from tests.backend.models.examples import BODIES, a_trained_job, artifacts, stored
from tests.fakes import START, FakeModels

JOB = a_trained_job()
ADAPTER = artifact_key(JOB.id, 1, "adapter_model.safetensors")


def _collect(files: MemoryFiles, announced: Any, models: FakeModels | None = None, **more: Any) -> Model:
    return collect_artifacts(
        more.pop("job", JOB),
        announced,
        files=files,  # type: ignore[arg-type]
        models=models or FakeModels(),
        now=START,
        **more,
    )


def test_a_complete_result_becomes_a_model() -> None:
    models = FakeModels()
    made = _collect(stored(JOB), artifacts(), models, cost_usd=Decimal("0.0421"))

    assert models.get(made.id) == made
    assert (made.id, made.name, made.release, made.status) == (
        "mdl_0000000000000001", "Harbour - 2026-11-22", "1.0.0", "stored",
    )  # fmt: skip
    assert (made.job_id, made.dataset.id, made.dataset.sha256) == (JOB.id, JOB.dataset.id, JOB.dataset.sha256)
    assert (made.base_model.hub_id, made.base_model.revision) == ("lora-pipeline/tiny-llama", "recipe-1")
    assert (made.training.duration_seconds, made.training.cost_usd, made.training.tokens) == (
        90, Decimal("0.0421"), 27_000,
    )  # fmt: skip
    assert made.metrics.perplexity == pytest.approx(3.6693, abs=1e-4)
    assert made.total_bytes == sum(len(body) for body in BODIES.values())


def test_collecting_twice_changes_nothing() -> None:
    models, files = FakeModels(), stored(JOB)
    first = _collect(files, artifacts(), models)
    files.objects.clear()

    assert _collect(files, artifacts(), models) == first
    assert len(models.rows) == 1


def test_a_later_attempt_replaces_the_model_of_an_earlier_one() -> None:
    models = FakeModels()
    first = _collect(stored(JOB), artifacts(), models)
    second = _collect(stored(JOB, 2), artifacts(2), models)

    assert (second.id, second.attempt, second.version) == (first.id, 2, first.version + 1)
    assert all("/attempts/2/" in file.key for file in second.files)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda files: files.objects.pop(ADAPTER), "adapter_model.safetensors is missing."),
        (lambda files: files.objects.update({ADAPTER: b"weights" * 999}), "6,993 bytes instead of 7,000"),
        (lambda files: files.objects.update({ADAPTER: b"weightz" * 1000}), "other contents than announced"),
    ],
)
@pytest.mark.parametrize("storage_keeps_checksums", [True, False])
def test_a_file_that_is_missing_or_differs_makes_no_model(
    spoil: Any, sentence: str, storage_keeps_checksums: bool
) -> None:
    models, files = FakeModels(), stored(JOB)
    if not storage_keeps_checksums:
        files.forgetful = set(BODIES)
    spoil(files)

    with pytest.raises(ArtifactsIncomplete, match=sentence):
        _collect(files, artifacts(), models)
    assert models.rows == {}


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ArtifactsIncomplete) as raised:
        _collect(MemoryFiles(), artifacts())

    assert len(raised.value.details["problems"]) == len(BODIES)


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
def test_a_result_without_its_adapter_is_refused(name: str) -> None:
    bodies = {each: body for each, body in BODIES.items() if each != name}

    with pytest.raises(ArtifactsIncomplete, match=f"{name} was not announced"):
        _collect(stored(JOB), artifacts(bodies=bodies))


def test_a_file_announced_twice_is_refused() -> None:
    announced = artifacts()
    announced["files"].append(announced["files"][0])

    with pytest.raises(ArtifactsIncomplete, match="announced twice"):
        _collect(stored(JOB), announced)


@pytest.mark.parametrize(
    "name",
    ["../../other/secret", "a/b", "merged/a/b", "merged/../a", "merged/", "", ".hidden", "x" * 300, "a\x00b"],
)
def test_a_name_that_leaves_the_folder_is_never_looked_up(name: str) -> None:
    files = stored(JOB)
    announced = artifacts()
    announced["files"].append({"name": name, "size_bytes": 1, "sha256": "0" * 64})

    with pytest.raises(ArtifactsIncomplete, match="not a usable file name"):
        _collect(files, announced)
    assert not [key for key in files.heads if name in key and name not in BODIES and name != ""]


def test_a_merged_model_lies_in_a_folder_of_its_own_and_downloads_under_its_own_names() -> None:
    name, body = "merged/model-00001-of-00002.safetensors", b"whole"
    files, models = stored(JOB), FakeModels()
    files.objects[artifact_key(JOB.id, 1, name)] = body
    made = _collect(files, artifacts(bodies={**BODIES, name: body}), models)

    (link,) = download_model(made.id, [name], models=models, files=files)  # type: ignore[arg-type]
    assert link.file.name == name
    assert link.file.key.endswith("/artifacts/" + name)
    assert "model-00001-of-00002.safetensors" in link.url
    assert "merged-" not in link.url


def test_a_job_whose_trainer_said_nothing_has_no_model() -> None:
    with pytest.raises(ArtifactsIncomplete, match="not announced any result files"):
        _collect(stored(JOB), None)


def test_huge_samples_are_cut_so_that_the_record_stays_storable() -> None:
    long = "\U0001f30a" * 50_000
    sample = {"prompt": long, "system": long, "reference": long, "base": long, "adapter": long}
    row = {"line": 1, "base_loss": 1.0, "loss": 2.0, "excerpt": long}
    made = _collect(
        stored(JOB), artifacts(samples=[sample] * 50, worst_rows=[row] * 99, regressed_rows=[row] * 99)
    )

    assert len(TypeAdapter(Model).dump_json(made)) < 400_000 - 10_000
    assert made.samples[0].prompt.endswith("…")


def test_a_model_survives_storage_unchanged() -> None:
    made = _collect(stored(JOB), artifacts())
    adapter = TypeAdapter(Model)

    assert adapter.validate_json(adapter.dump_json(made)) == made


def test_a_run_without_losses_is_of_unknown_quality() -> None:
    made = _collect(
        stored(JOB),
        artifacts(base_validation_loss=None, validation_loss=None, training_loss=None, loss_curve=[]),
    )

    assert (made.quality.score, made.quality.known, made.metrics.perplexity) == (3.0, False, None)


def test_the_job_s_own_cost_stands_in_until_it_is_settled() -> None:
    job = replace(JOB, cost_usd=Decimal("1.50"))

    assert _collect(stored(JOB), artifacts(), job=job).training.cost_usd == Decimal("1.50")
