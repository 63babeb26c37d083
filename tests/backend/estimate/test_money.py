"""What estimates cost: by hand, and rules that hold for every configuration."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from chalicelib.domain import base_models, catalogue
from chalicelib.domain.cost import attempt_key, cents, least_cap_usd, month_of, pod_cost_usd, reserve_usd
from chalicelib.domain.estimate import Estimate
from chalicelib.domain.gpu import Tier
from chalicelib.domain.plan_cost import default_cap, estimate
from chalicelib.domain.track_record import Correction
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.backend.estimate.examples import a_plan, an_estimate
from tests.fakes import START

EXACT = Correction(1.0, 1.0, 1.0, 9)
HUB_IDS = st.sampled_from([model.id for model in base_models.HUB_MODELS])
GPU_IDS = st.sampled_from([gpu.id for gpu in catalogue.GPU_TYPES])


@pytest.mark.parametrize(
    ("seconds", "rate", "expected"),
    [
        (3600, "1.99", "1.990000"),
        (1, "3.60", "0.001000"),
        (0.2, "3.60", "0.001000"),
        (1.0, "2.49", "0.000692"),
        (0, "7.99", "0"),
        (-5, "7.99", "0"),
    ],
)
def test_a_started_second_is_billed_whole(seconds: float, rate: str, expected: str) -> None:
    assert pod_cost_usd(seconds, Decimal(rate)) == Decimal(expected)


def test_the_least_cap_pays_five_minutes_of_start_up_and_ten_of_saving_rounded_up() -> None:
    assert reserve_usd(Decimal("6.00")) == Decimal("1.00")
    assert least_cap_usd(Decimal("6.00")) == Decimal("1.50")
    assert least_cap_usd(Decimal("1.99")) == Decimal("0.50")
    assert least_cap_usd(Decimal(0)) == 0


def test_cost_lines_are_keyed_by_attempt_and_dated_by_month() -> None:
    assert (attempt_key(2), month_of(START), cents(Decimal("1.005"))) == (
        "attempt#0002",
        "2026-11",
        Decimal("1.01"),
    )


def test_a_spot_job_costs_compute_interruptions_and_storage() -> None:
    made = an_estimate(correction=EXACT)
    rows = {row.id: row for row in made.breakdown}

    # 1,953.8 s x $2.49/h; ceil(0.54 / 8) x 0.2 x 0.25 h x $2.49
    assert rows["compute"].usd == pytest.approx(Decimal("1.3514"), abs=Decimal("0.0002"))
    assert rows["interruptions"].usd == Decimal("0.1245")
    # 41,943,040 adapter weights: (4 + 3 x 6) B kept at $0.023/GB and 4 B downloaded at $0.09/GB
    assert rows["storage"].usd == Decimal("0.0363")
    assert rows["storage"].detail == "0.9 GB kept"
    assert rows["compute"].detail == "0.54 hours × $2.49/hr"
    assert sum(row.usd for row in made.breakdown) == pytest.approx(
        made.cost_usd.expected, abs=Decimal("0.0002")
    )
    assert sum(row.share for row in made.breakdown) == pytest.approx(1, abs=0.001)


def test_on_demand_has_no_interruption_buffer() -> None:
    assert [row.id for row in an_estimate(tier=Tier.ON_DEMAND).breakdown] == ["compute", "storage"]


def test_both_tiers_are_priced_with_their_own_rate() -> None:
    spot, on_demand = an_estimate().tiers

    assert (spot.tier, spot.hourly_rate_usd) == (Tier.SPOT, Decimal("2.49"))
    assert (on_demand.tier, on_demand.hourly_rate_usd) == (Tier.ON_DEMAND, Decimal("7.99"))
    assert on_demand.cost_usd.expected > spot.cost_usd.expected


@pytest.mark.parametrize(("high", "cap"), [("6.02", "7.23"), ("100", "120"), ("0.05", "1.00"), ("0", "1.00")])
def test_the_default_cap_is_a_fifth_above_the_upper_estimate(high: str, cap: str) -> None:
    assert default_cap(Decimal(high)) == Decimal(cap)


def test_an_estimate_survives_storage_unchanged() -> None:
    stored = TypeAdapter(Estimate)
    made = an_estimate()

    assert stored.validate_json(stored.dump_json(made)) == made


@settings(deadline=None)
@given(model_id=HUB_IDS, gpu_id=GPU_IDS, epochs=st.integers(1, 19), tokens=st.integers(1, 10**9))
def test_more_epochs_are_never_cheaper_or_shorter(
    model_id: str, gpu_id: str, epochs: int, tokens: int
) -> None:
    def made(count: int) -> Estimate:
        return an_estimate(model_id=model_id, gpu_id=gpu_id, tier=Tier.ON_DEMAND, tokens=tokens, epochs=count)

    fewer, more = made(epochs), made(epochs + 1)

    assert more.cost_usd.expected >= fewer.cost_usd.expected
    assert more.duration_hours.expected > fewer.duration_hours.expected


@settings(deadline=None)
@given(model_id=HUB_IDS, count=st.integers(1, 7), tokens=st.integers(1, 10**8))
def test_more_gpus_never_cost_less(model_id: str, count: int, tokens: int) -> None:
    one, two = (an_estimate(model_id=model_id, count=n, tokens=tokens) for n in (count, count + 1))

    assert two.cost_usd.expected > one.cost_usd.expected


@settings(deadline=None)
@given(
    model_id=HUB_IDS,
    gpu_id=GPU_IDS,
    tokens=st.integers(0, 10**10),
    conversations=st.integers(1, 10**7),
    rank=st.integers(4, 128),
    probability=st.floats(0, 1),
)
def test_every_estimate_is_an_ordered_range_with_a_cap_above_it(
    model_id: str, gpu_id: str, tokens: int, conversations: int, rank: int, probability: float
) -> None:
    made = an_estimate(
        model_id=model_id,
        gpu_id=gpu_id,
        tier=Tier.ON_DEMAND,
        tokens=tokens,
        conversations=conversations,
        rank=rank,
        probability=probability,
    )

    assert 0 < made.cost_usd.low <= made.cost_usd.expected <= made.cost_usd.high < made.spend_cap_usd
    assert 0 < made.duration_hours.low <= made.duration_hours.expected <= made.duration_hours.high
    assert made.estimated_completion_at > START


def test_a_merged_model_is_in_the_price_before_it_is_asked_for() -> None:
    plan = a_plan()
    wanted = replace(plan.configuration, export_merged=True)
    plain, merged = (estimate(each, [], [], START) for each in (plan, replace(plan, configuration=wanted)))
    compute, storage = (
        next(row.usd for row in merged.breakdown if row.id == name)
        - next(row.usd for row in plain.breakdown if row.id == name)
        for name in ("compute", "storage")
    )
    # 321.2 s of the GPU; 16.06 GB kept for a month and downloaded once.
    assert float(compute) == pytest.approx(321.2 / 3600 * float(plain.hourly_rate_usd), rel=0.01)
    assert float(storage) == pytest.approx(16.06 * (0.023 + 0.09), rel=0.01)
    assert merged.spend_cap_usd > plain.spend_cap_usd
