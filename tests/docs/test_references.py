"""What the documents point at must exist: links, and the tests and files that the requirements map names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAP = ROOT / "docs" / "requirements-map.md"
PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / folder / "README.md" for folder in ("examples", "trainer", "infrastructure/local")),
    }
)
# Where the map's short paths begin.
BEGINNINGS = ("", "backend/chalicelib", "frontend_static/static", "frontend_static", "trainer")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NAMED_TEST = re.compile(r"`[\w/]+::(\w+)`")
NAMED_PATH = re.compile(r"`([\w./-]+\.(?:py|js|json|html|css|md)|[\w./-]+/)`")
STALE_SHARE = 0.03
ID = re.compile(r"\b(?:FR\d\.\d\.\d|P\d)-\d\d\b")


def dead_links(page: Path, text: str) -> list[str]:
    """Links to files that are not there."""
    local = (link.partition("#")[0] for link in LINK.findall(text) if "://" not in link)
    return [link for link in local if link and not (page.parent / link).exists()]


@cache
def known_tests() -> frozenset[str]:
    sources = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    return frozenset(name for source in sources for name in re.findall(r"def test_(\w+)\(", source))


def _map_rows() -> Iterator[list[str]]:
    met = MAP.read_text().partition("## Not built yet")[0]
    for line in met.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and ID.match(cells[1]):
            yield cells[1:5]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page: Path) -> None:
    assert dead_links(page, page.read_text()) == []


def test_a_dead_link_is_found() -> None:
    text = "[here](requirements-map.md#p4) [there](no-such-page.md) [far](https://example.com/x.md)"
    assert dead_links(MAP, text) == ["no-such-page.md"]


def test_nearly_every_test_the_map_names_exists() -> None:
    """A renamed test may wait for the next revision of the map; a map that drifts may not."""
    named = {name for row in _map_rows() for name in NAMED_TEST.findall(row[2])}
    assert len(named) > 100
    missing = sorted(named - known_tests())
    assert len(missing) <= STALE_SHARE * len(named), missing


def test_every_path_the_map_names_exists() -> None:
    named = {path for row in _map_rows() for cell in row[1:3] for path in NAMED_PATH.findall(cell)}
    assert len(named) > 50
    missing = [
        path for path in sorted(named) if not any((ROOT / start / path).exists() for start in BEGINNINGS)
    ]
    assert missing == []


def test_no_line_is_entered_twice() -> None:
    entered = [found for row in _map_rows() for found in ID.findall(row[0])]
    assert sorted(entered) == sorted(set(entered))
