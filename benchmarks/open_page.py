"""Whether a job page that stays open takes more and more memory. Prints one JSON line.

    python benchmarks/open_page.py [--quick | --full]

The page of a running job is open for thirty minutes and polled all the while; each poll brings a point and a line of the
log. Usually the page's clock is driven, so that its timers fire as they would, and every poll is a real request to the
fixture server; --full waits for thirty real minutes. After five minutes and at the end memory is collected and counted:
heap, DOM nodes, listeners. What points take is in the heap, 360 rows of nine numbers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backend")]

from playwright.sync_api import CDPSession, Page, expect

from benchmarks.browser.visit import Visit, say, visiting
from tests.frontend.fixture_server import wait_until
from tests.frontend.fixture_world import World
from tests.frontend.test_pages import settle

SETTLING_MINUTES = 5
GOAL = {"heap_growth_bytes": 512 * 1024, "node_growth": 100, "listener_growth": 10}
SECONDS_A_POLL = 5
# A poll is delayed by up to 10 %.
LATEST_SECONDS = 5.6


def polls(visit: Visit, job_id: str) -> int:
    path = f"/api/jobs/{job_id}/live"
    with visit.world.lock:
        return sum(each["path"] == path for each in visit.world.requests)


def go_on(visit: Visit, page: Page, job_id: str, minutes: float, *, is_real: bool) -> None:
    """So long on the page's clock; every poll is waited for."""
    if is_real:
        page.wait_for_timeout(minutes * 60_000)
        return
    for _ in range(round(minutes * 60 / SECONDS_A_POLL)):
        before = polls(visit, job_id)
        page.clock.run_for(round(LATEST_SECONDS * 1000))
        wait_until(lambda before=before: polls(visit, job_id) > before, 20)  # type: ignore[misc]
        with visit.world.lock:
            # Only what the page keeps is measured here, not what the fixture does.
            visit.world.requests[:-50] = []


def counted(session: CDPSession) -> dict[str, int]:
    """After two collections: the first may only schedule finalizers."""
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    dom = session.send("Memory.getDOMCounters")
    return {
        "heap_bytes": round(session.send("Runtime.getHeapUsage")["usedSize"]),
        "nodes": dom["nodes"],
        "listeners": dom["jsEventListeners"],
    }


def measure(minutes: float, *, is_real: bool) -> dict[str, Any]:
    world = World(steps_per_poll=1)
    with visiting(world) as visit:
        job_id = visit.id_of("running")
        page = visit.page()
        if not is_real:
            page.clock.install()
        page.goto(f"{visit.origin}/training-jobs/{job_id}")
        settle(page)
        expect(page.locator(".chart canvas")).to_be_visible()
        session = page.context.new_cdp_session(page)
        go_on(visit, page, job_id, SETTLING_MINUTES, is_real=is_real)
        first = counted(session)
        step = world.jobs[job_id]["progress"]["step"]
        go_on(visit, page, job_id, minutes - SETTLING_MINUTES, is_real=is_real)
        last = counted(session)
        trained = world.jobs[job_id]["progress"]["step"] - step
    return {
        "minutes": minutes,
        "clock": "real" if is_real else "driven",
        "points_that_came": trained,
        "after_five_minutes": first,
        "at_the_end": last,
        "heap_growth_bytes": last["heap_bytes"] - first["heap_bytes"],
        "node_growth": last["nodes"] - first["nodes"],
        "listener_growth": last["listeners"] - first["listeners"],
    }


def main() -> int:
    """0 when the goal is met, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="six minutes on the driven clock in place of thirty"
    )
    parser.add_argument("--full", action="store_true", help="thirty real minutes")
    arguments = parser.parse_args()
    figures = measure(6 if arguments.quick else 30, is_real=arguments.full)
    met = all(figures[name] <= limit for name, limit in GOAL.items())
    return say("open_page", figures, GOAL, met)


if __name__ == "__main__":
    raise SystemExit(main())
