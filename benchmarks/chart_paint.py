"""How long a chart takes until its pixels are there, against the library underneath it. Prints one JSON line.

    python benchmarks/chart_paint.py [--quick]

In a real Chromium, in turns in one page: bare uPlot as it is published draws training and validation loss with its own
axes; the chart of the job page draws the same points, with a moving average over them, as the page does. A paint ends
when one of its pixels has been read back, so rasterising counts. 100,000 points are what a page would hold had it been
open since the first; its server sends 1,700 of them. A live point is appended to 10,000. Of the rounds the lower
quartile counts: what else the machine does only ever adds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backend")]

from playwright.sync_api import sync_playwright

from benchmarks.browser.visit import say
from frontend_static import build
from tests.conftest import CHROMIUM, QUIET_FLAGS

GOAL = {"ratio_to_bare_uplot": 1.3, "ratio_100k_to_10k": 2.0}


def bundle(folder: Path) -> None:
    """The page's own modules with the library as shipped, and the library as published beside it."""
    modules = build.HERE / "node_modules"
    lean = folder / "lean.js"
    lean.write_text(build.lean_uplot((modules / "uplot/dist/uPlot.esm.js").read_text()))
    command = [
        str(modules / ".bin/esbuild"),
        str(ROOT / "benchmarks/browser/paint.js"),
        "--bundle",
        "--minify",
        "--format=iife",
        f"--target={build.TARGETS}",
        f"--alias:uplot={lean}",
        f"--alias:uplot-as-published={modules / 'uplot/dist/uPlot.esm.js'}",
        f"--alias:lit-html={modules / 'lit-html'}",
        "--log-level=warning",
        f"--outfile={folder / 'paint.js'}",
    ]
    subprocess.run(command, check=True)


def painted(rounds: int) -> list[dict[str, float]]:
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        bundle(folder)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_content("<!doctype html><body></body>")
        page.add_script_tag(path=folder / "paint.js")
        rows: list[dict[str, float]] = page.evaluate("rounds => globalThis.paint(rounds)", rounds + 1)
        browser.close()
    # The first round compiles.
    return rows[1:]


def measure(rounds: int) -> dict[str, Any]:
    rows = painted(rounds)
    taken = {name: statistics.quantiles([row[name] for row in rows], n=4)[0] for name in rows[0]}
    return {
        "rounds": rounds,
        "milliseconds": {
            "bare_uplot_10k": round(taken["peer"], 2),
            "chart_10k": round(taken["ours"], 2),
            "bare_uplot_100k": round(taken["peerLarge"], 2),
            "chart_100k": round(taken["oursLarge"], 2),
            "live_point": round(taken["live"], 2),
        },
        "ratio_to_bare_uplot": round(taken["ours"] / taken["peer"], 2),
        "ratio_100k_to_10k": round(taken["oursLarge"] / taken["ours"], 2),
    }


def main() -> int:
    """0 when the goal is met, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="9 rounds instead of 41")
    figures = measure(9 if parser.parse_args().quick else 41)
    return say("chart_paint", figures, GOAL, all(figures[name] <= limit for name, limit in GOAL.items()))


if __name__ == "__main__":
    raise SystemExit(main())
