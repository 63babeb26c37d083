"""From event logs to spells, and spells of several jobs in one order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chalicelib.domain.event_sequence import LABELS, Spell, align, spells
from chalicelib.domain.job import JobStatus, Stage
from chalicelib.domain.progress import LogEvent

from tests.fakes import START

NOW = START + timedelta(seconds=1000)


def _log(*lines: tuple[int, str, str, dict[str, Any]]) -> list[LogEvent]:
    return [
        LogEvent(number, START + timedelta(seconds=at), kind, message, 1, data)
        for number, (at, kind, message, data) in enumerate(lines)
    ]


def _to(at: int, status: str, kind: str = "status") -> tuple[int, str, str, dict[str, Any]]:
    return (at, kind, f"before → {status}: because", {})


RENTED = (10, "status", "GPU rented: 1x H100 (spot) at $1.99/h", {"pod_id": "p"})
LOST = (400, "warning", "GPU interrupted, recovering from step 5", {"recovery": 1})


def _short(found: tuple[Spell, ...]) -> list[tuple[str, int, int | None]]:
    return [(spell.what, spell.occurrence, spell.seconds) for spell in found]


def test_a_log_becomes_spells_with_their_lengths() -> None:
    log = _log(
        _to(0, "queued"), RENTED, _to(40, "preprocessing"), (50, "info", "a → b", {}), _to(60, "training"),
        (70, "metrics", "Step 1", {}), _to(300, "completed"),
    )  # fmt: skip
    assert _short(spells(log, NOW)) == [
        ("queued", 1, 10), ("starting", 1, 30), ("preprocessing", 1, 20), ("training", 1, 240), ("end", 1, None),
    ]  # fmt: skip


def test_data_is_believed_before_the_sentence() -> None:
    log = _log((0, "status", "odd words", {"new_status": "training"}))
    assert _short(spells(log, NOW)) == [("training", 1, 1000)]


def test_the_last_spell_of_a_job_that_goes_on_lasts_until_now() -> None:
    (spell,) = spells(_log(_to(100, "training")), NOW)
    assert (spell.lasting, spell.seconds, spell.offset_seconds) == (True, 900, 0)


def test_a_recovery_counts_what_comes_again() -> None:
    before, after = _to(40, "training"), _to(500, "training")
    log = _log(_to(0, "queued"), RENTED, before, LOST, RENTED, after, _to(900, "failed", "error"))
    assert [(spell.what, spell.occurrence) for spell in spells(log, NOW)] == [
        ("queued", 1), ("starting", 1), ("training", 1), ("recovering", 1), ("starting", 2), ("training", 2), ("end", 1),
    ]  # fmt: skip


def test_a_clock_that_went_back_makes_no_negative_time() -> None:
    assert _short(spells(_log(_to(50, "queued"), _to(20, "training")), NOW))[0] == ("queued", 1, 0)


def test_no_events_are_no_spells() -> None:
    assert spells([], NOW) == ()
    assert align([(), ()]) == ()


def test_the_same_spells_stand_in_one_line_with_what_they_differ_by() -> None:
    smooth = spells(_log(_to(0, "queued"), _to(10, "training"), _to(100, "completed")), NOW)
    lost = (_to(30, "training"), LOST, _to(500, "training"))
    bumpy = spells(_log(_to(0, "queued"), *lost, _to(600, "cancelled")), NOW)
    lines = align([smooth, bumpy])
    assert [(line.what, line.occurrence) for line in lines] == [
        ("queued", 1), ("training", 1), ("recovering", 1), ("training", 2), ("end", 1),
    ]  # fmt: skip
    queued, training, recovering, again, end = (line.cells for line in lines)
    assert queued[1] is not None
    assert queued[1].difference_seconds == 20
    assert training[1] is not None
    assert training[1].difference_seconds == 280
    assert recovering[0] is None
    assert recovering[1] is not None
    assert recovering[1].difference_seconds is None
    assert again[0] is None
    assert end[1] is not None
    assert end[1].difference_seconds == 500
    assert lines[3].label == "Training (2)"


def test_every_state_a_job_can_be_in_has_a_place() -> None:
    named = set(LABELS) | {"completed", "failed", "cancelled"}
    unnamed = {status.value for status in JobStatus} | {stage.value for stage in Stage}
    # A draft has no log; renting and running are told by their own lines.
    assert unnamed - named == {"pending_configuration", "provisioning", "running"}
