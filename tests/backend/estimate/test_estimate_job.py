"""The use case: what is refused, what blocks, what only warns, and that completed jobs change the figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from chalicelib import views_catalog
from chalicelib.domain.configure import ConfigurationRequest
from chalicelib.domain.dataset import DatasetStatus
from chalicelib.domain.errors import NotFound, ValidationFailed
from chalicelib.domain.estimate import Estimate
from chalicelib.domain.gpu import GpuOffer, Tier
from chalicelib.domain.job import JobStatus
from chalicelib.use_cases.estimate_job import EstimateRequest, estimate_job
from chalicelib.use_cases.refresh_catalog import refresh_catalog

from tests.backend.catalogue.shapes import differences, example
from tests.backend.estimate.examples import H100, a_dataset, an_estimate
from tests.builders import DANA, a_job
from tests.fakes import START, FakeDatasets, FakeJobs, FakeSettings

LLAMA = "llama-3.1-8b-instruct"


@dataclass
class Shop:
    """Everything an estimate reads."""

    datasets: FakeDatasets = field(default_factory=FakeDatasets)
    documents: FakeSettings = field(default_factory=FakeSettings)
    jobs: FakeJobs = field(default_factory=FakeJobs)
    stored: set[str] = field(default_factory=set)

    def head(self, key: str) -> Mapping[str, Any] | None:
        return {"size_bytes": 1} if key in self.stored else None

    def catalogue(self) -> tuple[GpuOffer, ...]:
        prices = {Tier.SPOT: Decimal("1.99"), Tier.ON_DEMAND: Decimal("2.89")}
        return (GpuOffer(H100, "H100 PCIe", 80, prices, {Tier.SPOT: 4, Tier.ON_DEMAND: 8}, "LOW"),)

    def estimate(
        self, *, dataset_id: str = "ds_0000000000000001", person_id: str | None = None, **changes: Any
    ) -> Estimate:
        asked: dict[str, Any] = {
            "preset_id": "balanced",
            "base_model_id": LLAMA,
            "gpu_type": H100,
            "gpu_count": 1,
            "tier": "spot",
        }
        return estimate_job(
            EstimateRequest(dataset_id, ConfigurationRequest(**{**asked, **changes}), person_id),
            datasets=self.datasets,
            documents=self.documents,
            jobs=self.jobs,
            files=self,  # type: ignore[arg-type]
            now=START,
            local_models=True,
        )


@pytest.fixture
def shop() -> Shop:
    made = Shop()
    dataset = a_dataset()
    made.datasets.save(dataset, expected=None)
    made.stored.add(dataset.key)
    return made


def _codes(made: Estimate) -> set[str]:
    return {notice.code for notice in (*made.warnings, *made.blockers)}


def test_the_reply_has_exactly_the_contract_s_keys(shop: Shop) -> None:
    shown = views_catalog.estimate_json(shop.estimate())

    assert differences(shown, example("estimate_reply")) == []
    assert shown["eligible"] is True


def test_live_prices_replace_the_fallback(shop: Shop) -> None:
    before = shop.estimate().hourly_rate_usd
    refresh_catalog(cloud=shop, documents=shop.documents, now=START)  # type: ignore[arg-type]

    assert (before, shop.estimate().hourly_rate_usd) == (Decimal("2.49"), Decimal("1.99"))


@pytest.mark.parametrize("dataset_id", ["ds_0000000000000009", "", "ds_" + "x" * 5000, "ds_\ud800", "../x"])
def test_an_unknown_dataset_is_not_found(shop: Shop, dataset_id: str) -> None:
    with pytest.raises(NotFound, match="Dataset not found or access denied"):
        shop.estimate(dataset_id=dataset_id)


def test_every_wrong_field_is_named_at_once(shop: Shop) -> None:
    with pytest.raises(ValidationFailed) as raised:
        shop.estimate(
            base_model_id="gpt-9", gpu_type="NVIDIA Imaginary", hyperparameters={"epochs": 99, "rank": 1}
        )

    assert set(raised.value.details) == {
        "base_model", "gpu.type", "hyperparameters.epochs", "hyperparameters.rank",
    }  # fmt: skip


def test_more_gpus_than_the_provider_rents_and_a_tier_it_lacks_are_refused(shop: Shop) -> None:
    refresh_catalog(cloud=shop, documents=shop.documents, now=START)  # type: ignore[arg-type]

    with pytest.raises(ValidationFailed) as raised:
        shop.estimate(gpu_count=9, tier="reserved")

    assert set(raised.value.details) == {"gpu.count", "gpu.tier"}


def test_a_gpu_the_provider_does_not_offer_is_refused(shop: Shop) -> None:
    refresh_catalog(cloud=shop, documents=shop.documents, now=START)  # type: ignore[arg-type]

    with pytest.raises(ValidationFailed, match="attention") as raised:
        shop.estimate(gpu_type="NVIDIA L4", tier="on_demand")

    assert H100 in raised.value.details["gpu.type"][0]


def test_local_models_are_offered_only_where_they_are() -> None:
    shop = Shop()
    shop.datasets.save(a_dataset(), expected=None)
    asked = ConfigurationRequest("balanced", "tiny-llama", H100, 1, "spot")

    with pytest.raises(ValidationFailed) as raised:
        estimate_job(
            EstimateRequest("ds_0000000000000001", asked),
            datasets=shop.datasets,
            documents=shop.documents,
            jobs=shop.jobs,
            now=START,
            local_models=False,
        )

    assert set(raised.value.details) == {"base_model"}


def test_a_dataset_still_being_checked_is_estimated_and_blocked(shop: Shop) -> None:
    waiting = a_dataset(
        id="ds_0000000000000002",
        status=DatasetStatus.VALIDATING,
        conversations=None,
        training_pairs=None,
        tokens=None,
    )
    shop.datasets.save(waiting, expected=None)

    made = shop.estimate(dataset_id=waiting.id)

    assert not made.eligible
    assert made.training_tokens == 480_000
    assert "still being uploaded or checked" in made.blockers[0].message


def test_a_dataset_whose_file_is_gone_blocks(shop: Shop) -> None:
    shop.stored.clear()

    assert [notice.message for notice in shop.estimate().blockers] == [
        "Storage file missing. Upload the dataset again."
    ]


def test_a_gpu_that_is_too_small_blocks(shop: Shop) -> None:
    made = shop.estimate(base_model_id="llama-3.1-70b-instruct", gpu_type="NVIDIA GeForce RTX 4090")

    assert (made.memory.fits, [notice.code for notice in made.blockers]) == (False, ["out_of_memory"])


def test_aggressive_is_locked_until_three_successes(shop: Shop) -> None:
    assert "preset_locked" in _codes(shop.estimate(preset_id="aggressive", person_id=DANA.id))
    for number in range(3):
        done = a_job(number, status=JobStatus.COMPLETED, ended_at=START)
        shop.jobs.save(done, expected=None)
    shop.documents.rows.clear()

    assert "preset_locked" not in _codes(shop.estimate(preset_id="aggressive", person_id=DANA.id))
    assert "preset_locked" in _codes(shop.estimate(preset_id="aggressive", person_id="usr_other"))


def test_a_large_dataset_unlocks_aggressive(shop: Shop) -> None:
    large = a_dataset(id="ds_0000000000000003", conversations=301)
    shop.datasets.save(large, expected=None)

    assert "preset_locked" not in _codes(
        shop.estimate(dataset_id=large.id, preset_id="aggressive", person_id=DANA.id)
    )


def test_another_job_on_the_dataset_warns_and_an_identical_one_blocks(shop: Shop) -> None:
    other = a_job(1, status=JobStatus.RUNNING)
    shop.jobs.save(other, expected=None)
    assert "same_dataset_active" in _codes(shop.estimate())

    twin_values = replace(
        other.configuration,
        base_model_id=LLAMA,
        quantization="nf4",
        hyperparameters=replace(
            other.configuration.hyperparameters,
            target_modules=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        ),
    )
    shop.jobs.save(a_job(2, status=JobStatus.QUEUED, configuration=twin_values), expected=None)

    made = shop.estimate()
    assert [notice.code for notice in made.blockers] == ["identical_job_active"]
    assert "same_dataset_active" not in _codes(made)


def test_drafts_and_ended_jobs_are_no_rivals(shop: Shop) -> None:
    shop.jobs.save(a_job(1), expected=None)
    shop.jobs.save(a_job(2, status=JobStatus.COMPLETED, ended_at=START), expected=None)

    assert "same_dataset_active" not in _codes(shop.estimate())


def test_completed_jobs_correct_the_next_estimate(shop: Shop) -> None:
    before = shop.estimate()
    configuration = replace(a_job().configuration, base_model_id=LLAMA)
    for number in range(6):
        done = a_job(
            number, status=JobStatus.COMPLETED, run=1, ended_at=START, cost_usd=Decimal("9.00"),
            estimate=an_estimate(), configuration=configuration,
        )  # fmt: skip
        shop.jobs.save(done, expected=None)
    shop.documents.rows.clear()

    after = shop.estimate()

    assert after.duration_hours.expected > 2 * before.duration_hours.expected
    assert after.throughput_tokens_per_second < before.throughput_tokens_per_second
    assert after.accuracy.sample_size == 6


def test_scarce_idle_and_costly_choices_are_pointed_out(shop: Shop) -> None:
    big = a_dataset(
        id="ds_0000000000000004", conversations=200_000, training_pairs=400_000, tokens=100_000_000
    )
    shop.datasets.save(big, expected=None)

    made = shop.estimate(dataset_id=big.id, base_model_id="qwen3-32b", tier="on_demand", gpu_count=2)

    assert {"high_cost", "high_cost_on_demand", "long_run", "several_gpus"} <= _codes(made)
    spot = shop.estimate(dataset_id=big.id, base_model_id="qwen3-32b")
    assert "recommend_on_demand" in _codes(spot)


def test_more_gpus_shorten_the_estimate_and_idle_ones_are_named(shop: Shop) -> None:
    one, two = (shop.estimate(gpu_count=count) for count in (1, 2))
    assert two.throughput_tokens_per_second == pytest.approx(1.9 * one.throughput_tokens_per_second, rel=1e-4)
    assert two.duration_hours.expected < one.duration_hours.expected
    assert two.hourly_rate_usd == 2 * one.hourly_rate_usd
    assert "extra_gpus_idle" not in _codes(two)

    small = shop.estimate(gpu_count=2, hyperparameters={"batch_size": 1, "gradient_accumulation_steps": 1})
    (idle,) = (notice for notice in small.warnings if notice.code == "extra_gpus_idle")
    assert idle.message.startswith("A step of this job has one conversation")
    assert small.throughput_tokens_per_second == one.throughput_tokens_per_second


def test_low_stock_warns_while_the_reading_is_fresh(shop: Shop) -> None:
    refresh_catalog(cloud=shop, documents=shop.documents, now=START)  # type: ignore[arg-type]
    assert "low_availability" in _codes(shop.estimate())

    refresh_catalog(cloud=shop, documents=shop.documents, now=START - timedelta(hours=2))  # type: ignore[arg-type]
    assert "low_availability" not in _codes(shop.estimate())
