"""GET /api/catalog as a client sees it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from chalicelib.domain.gpu import GpuOffer, Tier
from chalicelib.domain.job import JobStatus
from chalicelib.use_cases.refresh_catalog import refresh_catalog

from tests.backend.catalogue.api import Shop, opened
from tests.backend.catalogue.shapes import differences, example
from tests.builders import a_job
from tests.fakes import START

FREE = frozenset({"hyperparameter_limits", "hyperparameter_help"})


class Provider:
    def catalogue(self) -> tuple[GpuOffer, ...]:
        prices = {Tier.SPOT: None, Tier.ON_DEMAND: Decimal("1.79")}
        return (GpuOffer("NVIDIA A100 80GB PCIe", "A100", 80, prices, {Tier.ON_DEMAND: 8}, "HIGH"),)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with opened(monkeypatch) as made:
        yield made


def test_the_catalogue_has_exactly_the_contract_s_keys(shop: Shop) -> None:
    made = shop.dana.call("GET", "/api/catalog").data

    assert differences(made, example("catalog"), free=FREE) == []
    assert made["hyperparameter_limits"]["rank"] == {"min": 4, "max": 128}
    assert [preset["id"] for preset in made["presets"]] == [
        "conservative", "balanced", "aggressive", "fast", "quality", "custom",
    ]  # fmt: skip
    assert made["base_models"][0]["local"] is True


def test_the_contract_s_own_preset_model_and_default_are_ours(shop: Shop) -> None:
    made, wanted = shop.dana.call("GET", "/api/catalog").data, example("catalog")

    ours = {preset["id"]: preset for preset in made["presets"]}
    assert ours["balanced"] == wanted["presets"][0]
    llama = next(model for model in made["base_models"] if model["id"] == "llama-3.1-8b-instruct")
    for name in ("hub_id", "revision", "context_length", "license", "license_accept_required"):
        assert llama[name] == wanted["base_models"][0][name]
    assert made["default_gpu"] == wanted["default_gpu"]


def test_local_models_stay_out_of_the_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(monkeypatch, local_models=False) as shop:
        made = shop.dana.call("GET", "/api/catalog").data

    assert not any(model["local"] for model in made["base_models"])


def test_a_tier_and_gpus_the_provider_lacks_are_null_and_unavailable(shop: Shop) -> None:
    refresh_catalog(cloud=Provider(), documents=shop.documents, now=START)  # type: ignore[arg-type]
    made = shop.dana.call("GET", "/api/catalog").data
    gpus = {gpu["type"]: gpu for gpu in made["gpus"]}

    a100 = gpus["NVIDIA A100 80GB PCIe"]
    assert a100["prices"] == {"spot": None, "on_demand": {"usd_per_hour": "1.79", "source": "live"}}
    assert (a100["available"], a100["priced_at"]) == (True, "2026-11-22T10:00:00Z")
    assert (gpus["NVIDIA H100 PCIe"]["available"], gpus["NVIDIA H100 PCIe"]["note"]) == (
        False,
        "Not offered by the provider",
    )
    assert made["default_gpu"] == "NVIDIA A100 80GB PCIe"


def test_presets_show_their_own_history_and_unlock(shop: Shop) -> None:
    for number in range(5):
        status = JobStatus.FAILED if number == 0 else JobStatus.COMPLETED
        job = a_job(number, status=status, ended_at=START, created_by=shop.user.as_person())
        shop.jobs.save(job, expected=None)

    presets = {preset["id"]: preset for preset in shop.dana.call("GET", "/api/catalog").data["presets"]}

    assert presets["balanced"]["history"] == {"completed": 4, "failed": 1, "success_rate": 0.8}
    assert presets["fast"]["history"] == {"completed": 0, "failed": 0, "success_rate": None}
    assert presets["aggressive"]["unlock"] is None


def test_a_newcomer_sees_how_aggressive_unlocks(shop: Shop) -> None:
    presets = {preset["id"]: preset for preset in shop.dana.call("GET", "/api/catalog").data["presets"]}

    assert presets["aggressive"]["unlock"]["message"] == "Unlock after 3 successful training runs"


def test_the_catalogue_needs_a_sign_in(shop: Shop) -> None:
    assert shop.stranger.call("GET", "/api/catalog").status == 401
