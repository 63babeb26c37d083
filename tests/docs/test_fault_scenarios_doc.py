"""The table of fault scenarios in the documentation is the one that is played."""

from __future__ import annotations

from pathlib import Path

from tests.stack.scenarios import TABLE, as_table

DOCUMENT = Path(__file__).parents[2] / "docs" / "fault-scenarios.md"


def test_the_documented_table_is_the_one_that_is_played() -> None:
    """`python -m tests.stack.scenarios --table` prints it anew."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert as_table() in text


def test_every_scenario_has_a_name_of_its_own_and_words() -> None:
    assert len({scenario.name for scenario in TABLE}) == len(TABLE)
    assert all(scenario.broken and scenario.holds for scenario in TABLE)
