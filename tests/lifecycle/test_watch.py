"""What a job is watched for while it runs: the cap comes near, a price rises, the GPU has little to do."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from chalicelib.domain.job import JobStatus
from chalicelib.use_cases.again import change_job

from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World

RATE = Decimal("2.69")
LOW = "GPU utilization has been below 20% for 15 minutes"


def said(world: World, job_id: str, words: str) -> int:
    return sum(words in text for text in world.said(job_id))


def training(world: World, **changes: Any) -> tuple[str, Trainer]:
    job_id = world.running(**changes)
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active")
    return job_id, trainer


def report(world: World, trainer: Trainer, seconds: int, **facts: object) -> None:
    """A batch every 15 s, for so long or until the job has ended."""
    for _ in range(seconds // 15):
        world.machine.advance(15)
        if not world.pods(trainer.job_id):
            return
        trainer.send(trainer.point(trainer.sequence, **facts))


def test_at_nine_tenths_of_the_cap_one_warning_is_given_and_told() -> None:
    world = World()
    job_id, trainer = training(world, spend_cap_usd=Decimal("10.00"))
    seconds = int(Decimal(9) / RATE * 3600)
    report(world, trainer, seconds - 60)
    assert said(world, job_id, "spend cap is nearly reached") == 0
    report(world, trainer, 180)
    world.sweep()
    report(world, trainer, 60)
    assert said(world, job_id, "spend cap is nearly reached") == 1
    (event,) = [each for each in world.progress.events(job_id) if each.type == "warning"]
    assert Decimal(str(event.data["spent_usd"])) >= 9
    assert world.told().count("spend_cap_near") == 1


def test_a_warning_that_was_saved_and_not_told_is_told_by_the_sweeper() -> None:
    world = World()
    job_id, trainer = training(world, spend_cap_usd=Decimal("10.00"))
    tell, world.warn = world.warn, lambda *_: None  # type: ignore[method-assign]
    report(world, trainer, int(Decimal("9.1") / RATE * 3600))
    assert world.told().count("spend_cap_near") == 0
    world.warn = tell  # type: ignore[method-assign]
    world.sweep()
    world.sweep()
    assert said(world, job_id, "spend cap is nearly reached") == 1
    assert world.told().count("spend_cap_near") == 1


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_price_does_the_bill_stays_within_a_minute_of_the_cap(seed: int) -> None:
    chance = random.Random(seed)
    world = World()
    reports = seed % 4 != 0
    world.timings["silent_pod_deadline_seconds"] = 10**6
    cap = Decimal(chance.randint(2, 8))
    job_id, trainer = training(world, spend_cap_usd=cap)
    rate, jump_at = RATE, chance.randint(0, int(cap / RATE * 3600))
    began = world.clock.now
    ticks = 0
    while world.pods(job_id) and ticks < 4000:
        # The finish is ignored: the trainer goes on until it is ended.
        world.machine.advance(5)
        ticks += 1
        elapsed = (world.clock.now - began).total_seconds()
        if rate == RATE and elapsed >= jump_at:
            rate = RATE * Decimal(chance.choice(["1.2", "2", "5"]))
            world.cloud.set_price(trainer.pod_id, rate)
        if reports and ticks % 3 == 0:
            trainer.send()
        if ticks % 12 == seed % 12:
            world.sweep()
    assert world.job(job_id).end_reason == "hard_cap"
    assert world.cloud.whole_bill_usd({trainer.pod_id}) <= cap + rate * 60 / 3600


@pytest.mark.parametrize("seconds_before", [5, 40, 100, 200])
def test_near_the_cap_a_rise_is_seen_with_the_next_batch(seconds_before: int) -> None:
    world = World()
    _, trainer = training(world, spend_cap_usd=Decimal("2.00"))
    report(world, trainer, int(Decimal(2) / RATE * 3600) - seconds_before)
    world.sweep()
    world.cloud.set_price(trainer.pod_id, RATE * 10)
    report(world, trainer, 300)
    assert not world.pods(trainer.job_id)
    assert world.cloud.whole_bill_usd() <= 2 + RATE * 10 * 16 / 3600


def _complete(world: World, number: int, closing: int) -> None:
    job_id = world.running(number)
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 20)
    world.machine.advance(10)
    trainer.stage("training").stage("finalization", "active")
    for _ in range(closing // 10 - 1):
        world.machine.advance(10)
        trainer.send()
    trainer.artifacts().stage("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED
    assert world.job(job_id).closing_seconds == closing


def test_the_reserve_is_measured_on_own_jobs_with_the_same_model_and_gpu() -> None:
    world = World()
    for number, closing in enumerate((100, 150, 300), start=1):
        world.machine.advance(61)
        money = world.row(world.running(90 + number)).money
        assert money is not None
        assert (money.reserve_seconds, money.measured_from_jobs) == (600, 0)
        world.cancel(f"job_{90 + number:016d}")
        _complete(world, number, closing)
    world.machine.advance(61)
    money = world.row(world.running(50)).money
    assert money is not None
    # The longest of three, a fifth and a minute on top.
    assert (money.reserve_seconds, money.measured_from_jobs) == (420, 3)
    assert money.reserve_usd == RATE * 420 / 3600


def test_a_gpu_that_has_little_to_do_for_long_is_warned_of_once() -> None:
    world = World()
    job_id, trainer = training(world, spend_cap_usd=None)
    report(world, trainer, 840, gpu_utilization=12.0)
    assert said(world, job_id, LOW) == 0
    report(world, trainer, 300, gpu_utilization=12.0)
    assert said(world, job_id, LOW) == 1
    assert world.told().count("low_gpu") == 1
    assert trainer.command == "continue"


def test_a_busy_moment_starts_the_quarter_of_an_hour_anew() -> None:
    world = World()
    job_id, trainer = training(world, spend_cap_usd=None)
    report(world, trainer, 840, gpu_utilization=12.0)
    report(world, trainer, 15, gpu_utilization=80.0)
    report(world, trainer, 840, gpu_utilization=12.0)
    assert said(world, job_id, LOW) == 0


def test_a_pod_that_does_not_measure_its_gpu_is_never_warned_of() -> None:
    world = World()
    job_id, trainer = training(world, spend_cap_usd=None, stop_on_low_gpu=True)
    report(world, trainer, 3600)
    assert said(world, job_id, LOW) == 0
    assert trainer.command == "continue"


@pytest.mark.parametrize("asked_late", [False, True])
def test_a_job_that_asks_for_it_stops_early_with_its_adapter_when_the_gpu_idles(asked_late: bool) -> None:
    world = World()
    job_id, trainer = training(world, spend_cap_usd=None, stop_on_low_gpu=not asked_late)
    report(world, trainer, 930, gpu_utilization=3.0)
    if asked_late:
        assert trainer.command == "continue"
        change_job(world.jobs, job_id, lambda job: replace(job, stop_on_low_gpu=True))
        report(world, trainer, 15, gpu_utilization=3.0)
    assert trainer.command == "finish"
    trainer.stage("training").stage("finalization", "active").artifacts(ended_by="finish").stage(
        "finalization"
    )
    job = world.job(job_id)
    assert (job.status, job.end_reason) == (JobStatus.COMPLETED, "low_gpu")
    assert job.model_id is not None
    assert "GPU had little to do" in job.end_sentence


def test_a_finish_at_the_cap_keeps_its_own_reason() -> None:
    world = World()
    job_id, trainer = training(world, spend_cap_usd=Decimal("1.00"), stop_on_low_gpu=True)
    report(world, trainer, 900, gpu_utilization=50.0)
    assert trainer.command == "finish"
    trainer.stage("training").artifacts(ended_by="finish").stage("finalization")
    assert world.job(job_id).end_reason == "spend_cap"
