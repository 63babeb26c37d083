"""Rules of the lifecycle that are plain functions: who is next, what is tried, what ends a wait, what it cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product

import pytest
from chalicelib.domain import end_reasons
from chalicelib.domain import job as transitions
from chalicelib.domain.attempt import RateSample, adopt, finish, request, sample_rate
from chalicelib.domain.candidates import candidates
from chalicelib.domain.configuration import GpuChoice
from chalicelib.domain.end_reasons import EndReason
from chalicelib.domain.errors import AppError, WrongStatus
from chalicelib.domain.gpu import Candidate, Pod, PodStatus, Tier
from chalicelib.domain.job import ACTIVE, CANCELLABLE, FINAL, Cancellation, JobStatus
from chalicelib.domain.metrics import merge, thin
from chalicelib.domain.progress import (
    AWAITED,
    Intent,
    Money,
    Progress,
    Reached,
    check_money,
    decide,
    stronger,
)
from chalicelib.domain.queue import Slots, next_in_line, release, take
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_job, a_person
from tests.fakes import START
from tests.fakes_gpu import OFFERS, offer

H100 = GpuChoice("NVIDIA H100 80GB HBM3", "H100", 1, Tier.SPOT)
HOUR = timedelta(hours=1)


def _pod(price: str) -> Pod:
    return Pod("p1", "name", PodStatus.RUNNING, Decimal(price), created_at=START)


def test_the_queue_is_first_come_first_served_with_ties_by_id() -> None:
    queued = [
        a_job(3, status=JobStatus.QUEUED, queued_at=START),
        a_job(1, status=JobStatus.QUEUED, queued_at=START + HOUR),
        a_job(2, status=JobStatus.QUEUED, queued_at=START),
    ]
    first = next_in_line(queued, START + HOUR)
    assert first is not None
    assert first.id == a_job(2).id


def test_a_job_that_waits_for_its_time_is_passed_over() -> None:
    waiting = a_job(1, status=JobStatus.QUEUED, queued_at=START, not_before=START + HOUR)
    assert next_in_line([waiting], START) is None
    assert next_in_line([waiting], START + HOUR) == waiting


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60), st.integers(1, 4))
def test_slots_are_never_more_than_the_limit_and_never_doubled(
    moves: list[tuple[bool, int]], limit: int
) -> None:
    slots = Slots(limit=limit)
    for takes, number in moves:
        slots = (take(slots, str(number)) or slots) if takes else release(slots, str(number))
        assert len(slots.holders) == len(set(slots.holders)) <= limit


def test_candidates_go_from_the_asked_gpu_to_the_nearest_that_will_do() -> None:
    found = candidates(H100, OFFERS)
    assert found[0] == Candidate(H100.type, Tier.SPOT)
    assert Candidate(H100.type, Tier.ON_DEMAND) in found
    assert all(each.gpu_id in {H100.type, "NVIDIA A100 80GB PCIe"} for each in found), "never less memory"


def test_no_candidate_is_dearer_than_half_as_much_again() -> None:
    offers = (*OFFERS, offer("NVIDIA B200", 180, "4.10", "6.00"))
    assert "NVIDIA B200" not in {each.gpu_id for each in candidates(H100, offers)}


def test_where_pods_were_lost_the_asked_gpu_is_tried_elsewhere_first() -> None:
    offers = (replace(OFFERS[0], data_center_ids=("US-KS-2", "EU-RO-1")), *OFFERS[1:])
    first, second, *_ = candidates(H100, offers, avoid_data_centers=frozenset({"US-KS-2"}))
    assert first == Candidate(H100.type, Tier.SPOT, ("EU-RO-1",))
    assert second == Candidate(H100.type, Tier.SPOT)
    everywhere = frozenset({"US-KS-2", "EU-RO-1"})
    assert candidates(H100, offers, avoid_data_centers=everywhere) == candidates(H100, offers)


def test_with_no_offers_known_the_asked_gpu_is_tried() -> None:
    assert candidates(H100, ()) == (Candidate(H100.type, Tier.SPOT),)


@given(st.lists(st.sampled_from(list(Intent)), max_size=8))
def test_the_strongest_intent_wins_whatever_the_order(intents: list[Intent]) -> None:
    order = [Intent.FINISH, Intent.PAUSE, Intent.HARD_CAP, Intent.CANCEL]
    present: Intent | None = None
    for intent in intents:
        present = stronger(present, intent)
    assert present == (max(intents, key=order.index) if intents else None)


@pytest.mark.parametrize(("waiting_for", "reached"), list(product(AWAITED, Reached)))
def test_a_wait_ends_when_its_stage_is_reached_and_not_before(waiting_for: str, reached: Reached) -> None:
    row = Progress("job", token="t", waiting_for=waiting_for, reached=reached)
    release_ = decide(row, START)
    assert (release_ is not None) == (reached >= AWAITED[waiting_for])
    assert release_ is None or release_.error is None


@pytest.mark.parametrize("waiting_for", [*AWAITED, "BackOff", "AwaitCheckpoint"])
def test_a_cancel_ends_every_wait(waiting_for: str) -> None:
    row = Progress(
        "job", token="t", waiting_for=waiting_for, intent=Intent.CANCEL, reached=Reached.FINALIZATION
    )
    ended = decide(row, START)
    assert ended is not None
    assert ended.error == "JobCancelled"


@given(
    st.decimals("0.01", "20", places=2), st.integers(0, 200_000), st.decimals("0.10", "50", places=2),
    st.sampled_from(list(Reached)),
)  # fmt: skip
def test_the_cap_asks_to_finish_near_it_and_ends_the_run_at_it(
    rate: Decimal, seconds: int, cap: Decimal, reached: Reached
) -> None:
    money = Money(rate, START, Decimal(0), cap, rate / 6)
    now = START + timedelta(seconds=seconds)
    intent = check_money(Progress("job", money=money, reached=reached), now).intent
    spent = money.spent_usd(now)
    if spent >= cap:
        assert intent is Intent.HARD_CAP
    else:
        near = spent >= cap - rate / 6 and reached < Reached.FINALIZATION
        assert intent is (Intent.FINISH if near else None)


@given(st.lists(st.tuples(st.integers(1, 5000), st.decimals("0", "9", places=2)), max_size=6))
def test_an_attempt_costs_each_second_at_the_price_it_had(changes: list[tuple[int, Decimal]]) -> None:
    attempt = adopt(request("job", 1, "f", "name", Candidate("g", Tier.SPOT), "G", 1, START), _pod("2.00"))
    now, rate, expected = START, Decimal("2.00"), Decimal(0)
    for seconds, price in changes:
        now += timedelta(seconds=seconds)
        expected += rate * seconds / 3600
        attempt, rate = sample_rate(attempt, _pod(str(price)), now), price
    ended = finish(attempt, "terminated", now)
    assert abs(ended.cost_usd(now + HOUR) - expected) <= Decimal("0.0001")
    assert finish(ended, "again", now + HOUR) == ended


def test_the_providers_bill_replaces_the_reckoning() -> None:
    attempt = adopt(request("job", 1, "f", "n", Candidate("g", Tier.SPOT), "G", 1, START), _pod("2.00"))
    assert attempt.rates == (RateSample(START, Decimal("2.00")),)
    assert replace(attempt, billed_usd=Decimal("1.23")).cost_usd(START + HOUR) == Decimal("1.23")


def _errors(kind: type[AppError]) -> set[str]:
    return {kind.__name__}.union(*(_errors(each) for each in kind.__subclasses__()))


@pytest.mark.parametrize(
    "error", sorted(_errors(AppError) | {"", "States.Timeout", "Lambda.Unknown", "KeyError"})
)
def test_every_error_has_an_ending_with_a_sentence(error: str) -> None:
    reason = end_reasons.of_error(error, "nonsense")
    assert end_reasons.sentence(reason)
    assert JobStatus(end_reasons.status_of(reason)) in FINAL


def test_every_reason_ends_a_job_in_a_final_status() -> None:
    for reason in EndReason:
        assert JobStatus(end_reasons.status_of(reason)) in FINAL
        assert end_reasons.title(reason)


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_cancel_is_possible_exactly_where_it_makes_sense(status: JobStatus) -> None:
    asked = Cancellation("not_improving", None, a_person(), START)
    job = a_job(status=status)
    if status not in CANCELLABLE:
        with pytest.raises(WrongStatus):
            transitions.request_cancel(job, asked)
        return
    after = transitions.request_cancel(job, asked)
    assert after.status is (JobStatus.CANCELLING if status in ACTIVE else JobStatus.CANCELLED)


def test_the_first_ending_stays() -> None:
    once = transitions.begin_ending(a_job(), "HardCapReached", "cap", START)
    assert transitions.begin_ending(once, "JobCancelled", "later", START + HOUR) is once


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 9)), min_size=1, max_size=120), st.integers(4, 60))
def test_thinning_keeps_ends_and_extremes_and_makes_nothing_up(
    points: list[tuple[int, float]], most: int
) -> None:
    rows = merge({"step": step, "training_loss": loss} for step, loss in points)
    kept = thin(rows, most)
    assert [row["step"] for row in rows] == sorted({step for step, _ in points})
    assert all(row in rows for row in kept)
    assert (kept[0], kept[-1]) == (rows[0], rows[-1])
    losses = [row["training_loss"] for row in rows]
    assert {min(losses), max(losses)} <= {row["training_loss"] for row in kept}
