"""Batches that are lost, doubled, reordered or late."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from chalicelib.domain.errors import StaleAttempt, StaleWrite
from chalicelib.domain.job import JobStatus
from chalicelib.domain.progress import for_new_attempt

from tests.lifecycle.machine import LambdaDied
from tests.lifecycle.trainer import Trainer, _described
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

    def contested(after, *, expected, events=(), block=None, rollups=()):  # type: ignore[no-untyped-def]
        if storm:
            storm.pop()
            raise StaleWrite("someone was faster")
        return save(after, expected=expected, events=events, block=block, rollups=rollups)

    world.progress.save = contested  # type: ignore[method-assign]
    trainer.stage("training", "active").train(1, 3)
    assert world.points(trainer.job_id) == [1, 2, 3]
    assert world.job(trainer.job_id).stage == "training"
    assert world.told().count("job_started") == 1


def test_a_row_lost_after_the_job_was_written_is_made_good_by_the_same_batch(world: World) -> None:
    trainer = Trainer(world, world.running()).through("model_loading")
    save = world.progress.save
    lost = [True]

    def broken(after, *, expected, events=(), block=None, rollups=()):  # type: ignore[no-untyped-def]
        if lost and block is not None:
            lost.pop()
            raise ConnectionError("the process died here")
        return save(after, expected=expected, events=events, block=block, rollups=rollups)

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


class Meanwhile:
    """A store; something happens right before its next save, and that save may die."""

    def __init__(self, store: Any, before_save: Callable[[], None]) -> None:
        self._store, self._before_save = store, before_save

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def save(self, *arguments: Any, **named: Any) -> Any:
        happening, self._before_save = self._before_save, lambda: None
        happening()
        return self._store.save(*arguments, **named)


def _last_words(trainer: Trainer) -> list[dict[str, Any]]:
    """What a pod says that is taken away: its last steps, and a checkpoint of them."""
    path = "checkpoints/step-000008"
    trainer._store(path)
    announced = trainer.event(
        "checkpoint", step=8, path=path, reason="terminating", files=_described(), upload_seconds=1.0
    )
    return [*(trainer.point(step) for step in range(6, 9)), announced]


def test_a_checkpoint_counts_only_if_the_steps_before_it_are_in_the_curve(world: World) -> None:
    """Its successor is being rented while a pod says its last words."""
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").train(1, 5).checkpoint(5)
    words = _last_words(trainer)

    def give_way() -> None:
        row = world.row(job_id)
        world.progress.save(for_new_attempt(row, row.run, 2, "another fence"), expected=row)

    world.progress = Meanwhile(world.progress, give_way)  # type: ignore[assignment]
    with pytest.raises(StaleAttempt):
        trainer.post(trainer.sequence, words)
    checkpoint = world.job(job_id).checkpoint
    assert checkpoint is not None
    assert checkpoint.step == 5, "the successor would go on behind steps that are in no curve"
    assert world.points(job_id) == [1, 2, 3, 4, 5]


def test_a_checkpoint_whose_pointer_was_lost_is_taken_when_the_batch_comes_again(world: World) -> None:
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").train(1, 5)
    words = _last_words(trainer)

    def die() -> None:
        raise LambdaDied("killed between the row and the pointer")

    jobs, world.jobs = world.jobs, Meanwhile(world.jobs, die)  # type: ignore[assignment]
    with pytest.raises(LambdaDied):
        trainer.post(trainer.sequence, words)
    world.jobs = jobs
    assert world.job(job_id).checkpoint is None
    for _ in range(2):
        trainer.post(trainer.sequence, words)
        checkpoint = world.job(job_id).checkpoint
        assert checkpoint is not None
        assert checkpoint.step == 8
    assert world.points(job_id) == list(range(1, 9))


def test_the_pace_keeps_one_mark_a_batch_however_many_points_come(world: World) -> None:
    trainer = Trainer(world, world.running()).through("model_loading")
    trainer.send(*(trainer.point(step) for step in range(1, 16)))
    row = world.progress.get(trainer.job_id)
    assert row is not None
    assert [step for _, step in row.pace] == [1, 15], "the first batch alone tells a pace"
    for first in range(16, 16 + 15 * 60, 15):
        world.clock.advance(15)
        trainer.send(*(trainer.point(step) for step in range(first, first + 15)))
    row = world.progress.get(trainer.job_id)
    assert row is not None
    assert len(row.pace) == 40
    (first_at, first), (last_at, last) = row.pace[0], row.pace[-1]
    assert (last - first) / (last_at - first_at) == pytest.approx(1.0)
