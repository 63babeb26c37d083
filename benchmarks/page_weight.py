"""How much script and style a page loads until it shows its data, and what Lighthouse says of it. Prints one JSON line.

    python benchmarks/page_weight.py [--quick] [--lighthouse FOLDER]

Every page is opened in Chromium with nothing cached; what it loaded by the time its data and its chart are shown counts,
each file as gzip -9 makes it. Lighthouse (pinned, from npm, into a folder of its own: it brings 200 packages that the
site does not need) then opens the job page and the jobs list as a phone and as a desktop, the median of three, in a
browser that is signed in. --quick leaves Lighthouse out.
"""

from __future__ import annotations

import argparse
import gzip
import json
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backend")]

from playwright.sync_api import Response, expect

from benchmarks.browser.visit import Visit, say, visiting
from frontend_static.build import _tool
from tests.conftest import CHROMIUM, QUIET_FLAGS
from tests.frontend.conftest import TOKEN
from tests.frontend.test_pages import settle

LIGHTHOUSE = "lighthouse@12.8.2"
GOAL = {
    "script_and_style_gzip_bytes": 45_000,
    "accessibility": 100,
    "best_practices": 100,
    "performance_mobile": 95,
    "performance_desktop": 100,
}
PAGES = {
    "job": "/training-jobs/{running}",
    "jobs": "/dashboard/training-jobs",
    "compare": "/training-jobs/compare?ids={running},{completed}",
    "new_job": "/training-jobs/new",
    "datasets": "/datasets",
    "models": "/models",
    "settings": "/settings",
}
CATEGORIES = ("performance", "accessibility", "best-practices")
ROUNDS = 3


def address(visit: Visit, page: str) -> str:
    ids = {status: visit.id_of(status) for status in ("running", "completed")}
    return visit.origin + PAGES[page].format(**ids)


def weigh(visit: Visit, name: str) -> dict[str, int]:
    """Gzipped bytes of script and of style, and how many files they came in."""
    page = visit.page()
    loaded: list[str] = []

    def note(response: Response) -> None:
        if response.request.resource_type in ("script", "stylesheet"):
            loaded.append(response.url)

    page.on("response", note)
    page.goto(address(visit, name))
    settle(page)
    if name in ("job", "compare"):
        expect(page.locator(".chart canvas")).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.context.close()
    weights = {url: packed(visit, url) for url in set(loaded)}
    return {
        "script": sum(size for url, size in weights.items() if url.endswith(".js")),
        "style": sum(size for url, size in weights.items() if url.endswith(".css")),
        "files": len(weights),
    }


def packed(visit: Visit, url: str) -> int:
    return len(gzip.compress((visit.dist / "assets" / url.rsplit("/", 1)[-1]).read_bytes(), 9))


def lighthouse_in(folder: Path) -> Path:
    """The command, installed unless it is there."""
    command = folder / "node_modules/.bin/lighthouse"
    if not command.exists():
        npm = [_tool("npm"), "install", "--prefix", str(folder), "--no-audit", "--no-fund", LIGHTHOUSE]
        subprocess.run(npm, check=True, capture_output=True)
    return command


class LighthouseError(Exception):
    """It gave up; on a busy machine it now and then sees no frame of the page in time."""


def judge(visit: Visit, command: Path, name: str, form: str) -> dict[str, float]:
    """Medians of the scores, 0 to 100."""
    rounds: list[dict[str, float]] = []
    failures = 0
    while len(rounds) < ROUNDS:
        try:
            rounds.append(scores(visit, command, name, form))
        except LighthouseError:
            failures += 1
            if failures > ROUNDS:
                raise
    return {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}


def scores(visit: Visit, command: Path, name: str, form: str) -> dict[str, float]:
    """One run in a browser of its own that is signed in already."""
    with tempfile.TemporaryDirectory() as folder, signed_in(visit, Path(folder) / "profile") as port:
        out = Path(folder) / "report.json"
        told = [
            _tool("node"),
            str(command),
            address(visit, name),
            "--quiet",
            "--output=json",
            f"--output-path={out}",
            f"--only-categories={','.join(CATEGORIES)}",
            "--disable-storage-reset",
            f"--port={port}",
            *(["--preset=desktop"] if form == "desktop" else []),
        ]
        environment = {"PATH": "/usr/bin:/bin", "HOME": folder}
        done = subprocess.run(told, capture_output=True, text=True, env=environment, check=False)
        if done.returncode != 0:
            raise LighthouseError(done.stderr[-800:])
        report = json.loads(out.read_text())
    if report["finalDisplayedUrl"] != address(visit, name):
        raise LighthouseError(f"It saw {report['finalDisplayedUrl']}.")
    return {key: round(report["categories"][key]["score"] * 100) for key in CATEGORIES}


@contextmanager
def signed_in(visit: Visit, profile: Path) -> Iterator[int]:
    """A browser that keeps the session; yields the port that it can be driven by."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    flags = [*QUIET_FLAGS, f"--remote-debugging-port={port}"]
    kind = visit.browser.browser_type
    context = kind.launch_persistent_context(profile, executable_path=CHROMIUM, args=flags)
    try:
        page = context.new_page()
        page.goto(f"{visit.origin}/favicon.svg")
        session = json.dumps({"access_token": TOKEN, "refresh_token": "refresh-1"})
        page.evaluate("session => localStorage.setItem('lp.session', session)", session)
        yield port
    finally:
        context.close()


def measure(folder: Path | None) -> dict[str, Any]:
    with visiting() as visit:
        figures: dict[str, Any] = {"gzip_bytes": {name: weigh(visit, name) for name in PAGES}}
        if folder is not None:
            command = lighthouse_in(folder)
            figures["lighthouse"] = {
                form: {name: judge(visit, command, name, form) for name in ("job", "jobs")}
                for form in ("mobile", "desktop")
            }
    return figures


def worst(figures: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {
        "script_and_style_gzip_bytes": max(
            each["script"] + each["style"] for each in figures["gzip_bytes"].values()
        )
    }
    judged = figures.get("lighthouse", {})
    for form, pages in judged.items():
        found[f"performance_{form}"] = min(each["performance"] for each in pages.values())
    if judged:
        every = [each for pages in judged.values() for each in pages.values()]
        found["accessibility"] = min(each["accessibility"] for each in every)
        found["best_practices"] = min(each["best-practices"] for each in every)
    return found


def main() -> int:
    """0 when the goal is met, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the weights alone, without Lighthouse")
    parser.add_argument(
        "--lighthouse", type=Path, help="where it is or shall be installed; a temporary folder if not given"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        figures = measure(None)
    else:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(arguments.lighthouse or Path(folder))
    reached = worst(figures)
    met = all(
        value <= GOAL[name] if name.endswith("bytes") else value >= GOAL[name]
        for name, value in reached.items()
    )
    return say("page_weight", {**figures, "worst": reached}, GOAL, met)


if __name__ == "__main__":
    raise SystemExit(main())
