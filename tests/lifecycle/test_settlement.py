"""Held against the provider's bill: what was counted is corrected, and every correction is said."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from chalicelib.domain.errors import ProviderUnavailable
from chalicelib.domain.job import JobStatus
from chalicelib.use_cases.delete_job import delete_job

from tests.builders import DANA
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World

HOUR_SECONDS = 3600
DAY_SECONDS = 86400


def _completed(world: World) -> tuple[str, str]:
    job_id = world.running()
    trainer = Trainer(world, job_id)
    world.machine.advance(20)
    trainer.through("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED
    return job_id, trainer.pod_id


def _corrections(world: World) -> list[dict[str, object]]:
    return [line for line in world.audit.lines if line["action"] == "cost.correct"]


def test_a_bill_that_agrees_settles_in_silence_once_the_books_are_due() -> None:
    world = World()
    job_id, pod_id = _completed(world)
    assert world.settle_bills().settled == 0, "the provider's books are an hour behind"
    world.clock.advance(HOUR_SECONDS)
    assert world.settle_bills().settled == 1
    bill = world.cloud.billing(pod_id)
    assert bill is not None
    assert world.attempt(job_id).billed_usd == bill.total_usd
    assert world.job(job_id).cost_usd == bill.total_usd
    assert [(line.amount_usd, line.provisional) for line in world.costs.of_job(job_id)] == [
        (bill.total_usd, False)
    ]
    assert _corrections(world) == []
    assert world.settle_bills().settled == 0


def test_a_bill_that_differs_corrects_the_books_the_job_and_says_so_once() -> None:
    world = World()
    job_id, pod_id = _completed(world)
    counted = world.job(job_id).cost_usd
    assert counted is not None
    world.cloud.bill_extra_usd[pod_id] = Decimal("0.25")
    world.clock.advance(HOUR_SECONDS)
    assert world.settle_bills().settled == 1
    world.settle_bills()
    assert world.job(job_id).cost_usd == pytest.approx(counted + Decimal("0.25"), abs=Decimal("0.001"))
    (correction,) = _corrections(world)
    assert correction["subject"] == job_id
    said = [text for text in world.said(job_id) if "Cost corrected" in text]
    assert said == [f"Cost corrected: the provider billed $0.25 more than counted for pod {pod_id}"]


def test_a_bill_that_is_not_whole_yet_is_not_believed_for_a_day() -> None:
    world = World()
    job_id, _ = _completed(world)
    world.timings["billing_lag_seconds"] = 0
    counted = world.job(job_id).cost_usd
    # Dollars were counted and the bill shows cents: most of the hours are missing in it.
    before = world.attempt(job_id)
    dearer = tuple(replace(sample, usd_per_hour=sample.usd_per_hour * 200) for sample in before.rates)
    world.attempts.save(replace(before, rates=dearer), expected=before)
    assert world.settle_bills().settled == 0
    assert world.job(job_id).cost_usd == counted
    world.clock.advance(DAY_SECONDS)
    assert world.settle_bills().settled == 1


def test_nothing_is_settled_while_the_provider_shows_no_bill_or_does_not_answer() -> None:
    world = World()
    job_id, _ = _completed(world)
    world.clock.advance(2 * DAY_SECONDS)
    world.cloud.hide_bills = True
    assert world.settle_bills().still_provisional == 1
    world.cloud.hide_bills, world.cloud.fail_lists = False, 1
    with pytest.raises(ProviderUnavailable):
        world.settle_bills()
    assert world.attempt(job_id).billed_usd is None
    assert world.settle_bills().settled == 1


def test_a_running_pod_is_never_settled() -> None:
    world = World()
    job_id = world.running()
    world.pass_minutes(1)
    world.timings["billing_lag_seconds"] = world.timings["billing_complete_seconds"] = 0
    assert world.settle_bills().settled == 0
    assert world.attempt(job_id).billed_usd is None


def test_the_costs_of_a_deleted_job_are_settled_too() -> None:
    world = World()
    job_id, pod_id = _completed(world)
    delete_job(
        job_id,
        user=DANA,
        jobs=world.jobs,
        progress=world.progress,
        files=world.files,
        audit=world.audit,
        now=world.clock.now,
    )
    world.cloud.bill_extra_usd[pod_id] = Decimal("0.10")
    world.clock.advance(HOUR_SECONDS)
    assert world.settle_bills().settled == 1
    (line,) = world.costs.of_job(job_id)
    bill = world.cloud.billing(pod_id)
    assert bill is not None
    assert (line.amount_usd, line.provisional, line.job_name) == (bill.total_usd, False, "Harbour run 1")
    assert len(_corrections(world)) == 1
