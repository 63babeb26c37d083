"""The models' routes as a client sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chalicelib.domain.model import Model
from chalicelib.use_cases.collect_artifacts import collect_artifacts

from tests.backend.catalogue.api import Shop, opened
from tests.backend.catalogue.shapes import differences, example
from tests.backend.models.examples import BODIES, a_trained_job, artifacts, stored
from tests.fakes import START


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with opened(monkeypatch) as made:
        yield made


def _add(shop: Shop, number: int, *, dataset: str = "Harbour", **summary: Any) -> Model:
    job = a_trained_job(number=number, name=f"Run {number}")
    job = replace(job, dataset=replace(job.dataset, name=dataset))
    return collect_artifacts(
        job,
        artifacts(**summary),
        files=stored(job),  # type: ignore[arg-type]
        models=shop.models,
        now=START + timedelta(hours=number),
    )


def test_one_model_has_exactly_the_contract_s_keys(shop: Shop) -> None:
    made = shop.dana.call("GET", f"/api/models/{_add(shop, 1).id}").data

    assert differences(made, example("model")) == []
    assert made["configuration"]["summary"] == "Balanced • Spot H100 PCIe 80GB • Tiny Llama (local)"
    assert "key" not in made["files"][0]


def test_the_list_has_exactly_the_contract_s_keys(shop: Shop) -> None:
    _add(shop, 1)

    assert differences(shop.dana.call("GET", "/api/models").data, example("model_list")) == []


def test_no_models_is_an_empty_list(shop: Shop) -> None:
    assert shop.dana.call("GET", "/api/models").data == {
        "models": [],
        "pagination": {"page": 1, "limit": 12, "total": 0, "total_pages": 0},
    }


def test_the_newest_come_first_twelve_a_page(shop: Shop) -> None:
    for number in range(1, 15):
        _add(shop, number)

    first, second = (shop.dana.call("GET", f"/api/models?page={page}").data for page in (1, 2))

    assert [row["job"]["name"] for row in first["models"]] == [f"Run {number}" for number in range(14, 2, -1)]
    assert [row["job"]["name"] for row in second["models"]] == ["Run 2", "Run 1"]
    assert first["pagination"] == {"page": 1, "limit": 12, "total": 14, "total_pages": 2}
    assert shop.dana.call("GET", "/api/models?page=999999").data["models"] == []


def test_the_best_come_first_when_asked(shop: Shop) -> None:
    _add(shop, 1, validation_loss=0.5)
    _add(shop, 2, validation_loss=2.5)
    _add(shop, 3, validation_loss=0.5)

    rows = shop.dana.call("GET", "/api/models?sort=quality").data["models"]

    assert [row["job"]["name"] for row in rows] == ["Run 3", "Run 1", "Run 2"]


def test_search_needs_every_word_somewhere_in_the_names(shop: Shop) -> None:
    _add(shop, 1, dataset="Elena Morales Financial")
    _add(shop, 2)

    def found(words: str) -> list[str]:
        rows = shop.dana.call("GET", f"/api/models?search={words}").data["models"]
        return [row["job"]["name"] for row in rows]

    assert found("morales%20ELENA") == ["Run 1"]
    assert found("tiny") == ["Run 2", "Run 1"]
    assert found("elena%20nobody") == []


@pytest.mark.parametrize(
    "query", ["sort=price", "page=0", "page=x", "limit=0", "limit=101", "search=" + "x" * 201, "page=1e400"]
)
def test_a_bad_query_is_a_validation_error(shop: Shop, query: str) -> None:
    reply = shop.dana.call("GET", f"/api/models?{query}")

    assert (reply.status, reply.body["code"]) == (422, "validation_failed")
    assert list(reply.body["details"]) == [query.split("=")[0]]


@pytest.mark.parametrize(
    "model_id", ["mdl_0000000000000009", "x", "mdl_" + "0" * 3000, "%00", "mdl_%2F..", "%ED"]
)
def test_an_unknown_model_is_not_found(shop: Shop, model_id: str) -> None:
    assert shop.dana.call("GET", f"/api/models/{model_id}").status == 404
    assert shop.dana.call("POST", f"/api/models/{model_id}/download", {}).status == 404


def test_all_files_can_be_downloaded_for_fifteen_minutes(shop: Shop) -> None:
    model = _add(shop, 1)
    made = shop.dana.call("POST", f"/api/models/{model.id}/download", {}).data

    assert differences(made, example("model_download_reply")) == []
    assert [file["name"] for file in made["files"]] == list(BODIES)
    assert made["expires_in_seconds"] == 900
    assert made["files"][0]["url"] == (
        "https://storage.example/jobs/job_0000000000000001/attempts/1/artifacts/adapter_model.safetensors"
        "?expires=900&name=adapter_model.safetensors"
    )


def test_chosen_files_are_linked_once_each(shop: Shop) -> None:
    model = _add(shop, 1)
    made = shop.dana.call(
        "POST", f"/api/models/{model.id}/download", {"files": ["README.md", "README.md"]}
    ).data

    assert [file["name"] for file in made["files"]] == ["README.md"]


@pytest.mark.parametrize(
    "files", [[], ["secret.txt"], ["\ud800"], ["../adapter_config.json"], "README.md", [1], {}]
)
def test_a_file_the_model_has_not_got_is_refused(shop: Shop, files: Any) -> None:
    model = _add(shop, 1)
    reply = shop.dana.call("POST", f"/api/models/{model.id}/download", {"files": files})

    assert (reply.status, reply.body["code"]) == (422, "validation_failed")


def test_models_need_a_sign_in(shop: Shop) -> None:
    for method, path in (
        ("GET", "/api/models"),
        ("GET", "/api/models/mdl_1"),
        ("POST", "/api/models/mdl_1/download"),
    ):
        assert shop.stranger.call(method, path).status == 401
