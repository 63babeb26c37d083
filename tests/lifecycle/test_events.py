"""Batches that are lost, doubled, reordered or late."""

from __future__ import annotations

import random

import pytest
from chalicelib.domain.errors import StaleAttempt, StaleWrite
from chalicelib.domain.job import JobStatus

from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World


@pytest.fixture
def world() -> World:
    return World()


def _batches(trainer: Trainer, steps: int = 40, size: int = 4) -> list[tuple[int, list[dict[str, object]]]]:
    first = trainer.sequence
    points = [trainer.point(step) for step in range(1, steps + 1)]
    return [(first + start, points[start : start + size]) for start in range(0, steps, size)]


def test_a_batch_sent_twice_counts_once(world: World) -> None:
    trainer = Trainer(world, world.running()).through("model_loading")
    for sequence, events in _batches(trainer):
        first = trainer.post(sequence, events)
        lines = world.said(trainer.job_id)
        again = trainer.post(sequence, events)
        assert again["next_sequence"] == first["next_sequence"]
        assert world.said(trainer.job_id) == lines
    assert world.points(trainer.job_id) == list(range(1, 41))


def test_a_gap_is_not_accepted_and_the_reply_says_where_to_go_on(world: World) -> None:
    trainer = Trainer(world, world.running()).through("model_loading")
    batches = _batches(trainer)
    assert trainer.post(*batches[3])["next_sequence"] == trainer.sequence
    assert world.points(trainer.job_id) == []


def test_batches_that_overlap_are_taken_where_they_are_new(world: World) -> None:
    trainer = Trainer(world, world.running()).through("model_loading")
    first = trainer.sequence
    events = [trainer.point(step) for step in range(1, 21)]
    trainer.post(first, events[:12])
    trainer.post(first + 5, events[5:])
    assert world.points(trainer.job_id) == list(range(1, 21))


@pytest.mark.parametrize("seed", range(12))
def test_any_order_with_duplicates_ends_in_the_same_curve(world: World, seed: int) -> None:
    chance = random.Random(seed)
    trainer = Trainer(world, world.running()).through("model_loading")
    batches = _batches(trainer)
    expected = trainer.sequence + 40
    for _ in range(400):
        reply = trainer.post(*chance.choice(batches))
        if reply["next_sequence"] == expected:
            break
    assert world.points(trainer.job_id) == list(range(1, 41))
    assert world.row(trainer.job_id).revision == len(world.progress.blocks(trainer.job_id))


def test_a_validation_loss_of_a_step_joins_its_point(world: World) -> None:
    trainer = Trainer(world, world.running()).through("model_loading")
    trainer.send(trainer.point(1), trainer.point(2))
    trainer.send(trainer.event("metrics", step=2, epoch=0.1, validation_loss=1.5, perplexity=4.4))
    latest = world.row(trainer.job_id).latest
    assert (latest["step"], latest["training_loss"], latest["validation_loss"]) == (2, 1.98, 1.5)


@pytest.mark.parametrize("change", [{"attempt": 2}, {"fence": "00000000ff"}, {"incarnation": 9}])
def test_words_of_another_attempt_or_process_are_refused(world: World, change: dict[str, object]) -> None:
    trainer = Trainer(world, world.running()).through("model_loading")
    for name, value in change.items():
        setattr(trainer, name, value)
    before = world.row(trainer.job_id)
    with pytest.raises(StaleAttempt):
        trainer.post(trainer.sequence, [trainer.point(1)])
    assert world.row(trainer.job_id) == before


def test_nothing_is_accepted_once_the_job_has_ended(world: World) -> None:
    trainer = Trainer(world, world.running()).through("model_loading")
    world.cancel(trainer.job_id)
    with pytest.raises(StaleAttempt):
        trainer.send()
    with pytest.raises(StaleAttempt):
        trainer.hello()


def test_a_batch_survives_a_storm_of_other_writers(world: World) -> None:
    trainer = Trainer(world, world.running()).through("model_loading")
    save = world.progress.save
    storm = [True] * 9

    def contested(after, *, expected, events=(), block=None):  # type: ignore[no-untyped-def]
        if storm:
            storm.pop()
            raise StaleWrite("someone was faster")
        return save(after, expected=expected, events=events, block=block)

    world.progress.save = contested  # type: ignore[method-assign]
    trainer.stage("training", "active").train(1, 3)
    assert world.points(trainer.job_id) == [1, 2, 3]
    assert world.job(trainer.job_id).stage == "training"
    assert world.told().count("job_started") == 1


def test_a_row_lost_after_the_job_was_written_is_made_good_by_the_same_batch(world: World) -> None:
    trainer = Trainer(world, world.running()).through("model_loading")
    save = world.progress.save
    lost = [True]

    def broken(after, *, expected, events=(), block=None):  # type: ignore[no-untyped-def]
        if lost and block is not None:
            lost.pop()
            raise ConnectionError("the process died here")
        return save(after, expected=expected, events=events, block=block)

    world.progress.save = broken  # type: ignore[method-assign]
    batch = [
        trainer.event("stage", stage="training", state="active", message="on", progress=0.0),
        trainer.point(1),
    ]
    with pytest.raises(ConnectionError):
        trainer.post(trainer.sequence, batch)
    trainer.send(*batch)
    assert world.points(trainer.job_id) == [1]
    assert world.told().count("job_started") == 1
    assert world.job(trainer.job_id).status is JobStatus.RUNNING


def test_log_lines_are_numbered_without_gap_or_double(world: World) -> None:
    job_id = world.running()
    Trainer(world, job_id).through("finalization")
    numbers = [event.number for event in world.progress.events(job_id)]
    assert numbers == list(range(world.row(job_id).event_count))


def test_what_a_stage_said_is_not_undone_by_a_late_report(world: World) -> None:
    trainer = Trainer(world, world.running()).through("preprocessing")
    trainer.stage("preprocessing", "active")
    assert world.row(trainer.job_id).stages["preprocessing"].state == "completed"
