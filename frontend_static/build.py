"""Builds the dashboard: ``python frontend_static/build.py`` writes ``frontend_static/dist/``.

Jinja renders every page of ``templates/pages`` once, esbuild bundles ``static/js/pages`` and ``static/css`` under
content-hashed names, and the result replaces ``dist/`` in one rename, so a server reading it never sees half a build.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).resolve().parent
TARGETS = "es2022,chrome123,firefox120,safari17.5"
PRELOADED_FONT = "inter-latin-wght-normal.woff2"
COPIED_FILES = ("routes.json", "security_headers.json")
# What no page draws is cut from uPlot before it is bundled, a fifth of what a browser loads: dates, its own legend, bars,
# steps and splines, scatter plots, upright and arcsinh scales, cursors that move together. The library is one closure,
# so the bundler cannot tell. First whole lines, then conditions that are known: the bundler drops what hangs on them.
_UPLOT_LINES = (
    r"\t\(paths\.(?:stepped|bars|spline) += \w+\);\n",
    r"\tuPlot\.(?:fmtDate|tzDate) += \w+;\n",
    r"const \[ ?timeIncrs\w+,.*\n",
    r"\tconst _(?:tzDate|fmtDate|timeAxisSplits|timeAxisVals|timeSeriesVal) +=.*\n",
    r"\t*uPlot\.(?:fmtNum|rangeNum|rangeLog|rangeAsinh|orient|addGap|clipGaps|sync) += \w+;\n",
    r"\tself\.(?:addSeries|delSeries|addBand|setBand|delBand) = \w+;\n",
    r"\tsync\.(?:sub|unsub)\(self\);\n",
    r"\tconst cursorFocus = .*\n",
    r"\t+let isTime = .*\n",
    r"\tconst showLegend = .*\n",
)
_UPLOT_CONDITIONS = (
    (r"\bisTime\b", "false"),
    (r"\bshowLegend\b", "false"),
    (r"(?:_pub && )?\bpubSync\(\w+, self[^;]*\);|_pub && pubSync\([^;]*\);", ";"),
    (r"\blegend\.live\b", "false"),
    (r"\bcursorFocus\b", "false"),
    (r"\bseries\.fill != null \|\| bandFillDir != 0\b", "false"),
    (r"\bbandClipDir != 0\b", "false"),
    (r"\bmode == 2\b", "false"),
    (r"\bmode == 1\b", "true"),
    (r"\b\w+\.distr == (?:4|100)\b", "false"),
    (r"(?<![.\w])distr == (?:4|100)\b", "false"),
    (r"\bscaleX\.ori == 0\b", "true"),
    (r"\bscaleX\.ori == 1\b", "false"),
    (r"\bsrc != null\b", "false"),
    (r"\bsrc == null\b", "true"),
    (r"\bsyncKey != null\b", "false"),
    (r"\bdrag\.y\b", "false"),
    (r"\buni != null\b", "false"),
    (r"\bsc\.log == 2\b", "false"),
)


class BuildError(Exception):
    """The site cannot be built; the message says what to do."""


@dataclass(frozen=True)
class Bundle:
    """What esbuild wrote: source name → public path, and the chunks each entry imports at load."""

    paths: dict[str, str] = field(default_factory=dict)
    preloads: dict[str, list[str]] = field(default_factory=dict)


def install_packages(root: Path) -> None:
    """Run ``npm ci`` unless node_modules already matches the lock file."""
    lock_hash = hashlib.sha256((root / "package-lock.json").read_bytes()).hexdigest()
    marker = root / "node_modules" / ".installed-lock"
    if marker.exists() and marker.read_text() == lock_hash:
        return
    npm = _tool("npm")
    result = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=root, capture_output=True, text=True)
    if result.returncode != 0:
        raise BuildError(f"npm ci failed. Check the network and package-lock.json.\n{result.stderr.strip()}")
    marker.write_text(lock_hash)


def _tool(name: str) -> str:
    """Path of a Node tool: the one beside this Python first, so that the pinned Node is used."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise BuildError(f"{name} was not found. Install requirements-dev.txt, which brings Node.")
    return found


def bundle_assets(root: Path, out: Path) -> Bundle:
    """Bundle scripts and styles into ``out/assets``.

    Each page is bundled by itself: what it needs at once is then a few files with nothing else in them, where a shared
    bundle of all pages has a dozen that each carry what some other page wants too. What pages import later is split
    off. ``theme.js`` is a classic script: it must run before first paint.
    """
    styles = sorted((root / "static/css").glob("*.css"))
    bundle = Bundle()
    lean = _written_lean(root)
    for page in sorted((root / "static/js/pages").glob("*.js")):
        _esbuild(root, out, [page], "--format=esm", ["--splitting", f"--alias:uplot={lean}"], bundle)
    _esbuild(root, out, [s for s in styles if not s.name.startswith("_")], "--format=esm", [], bundle)
    _esbuild(root, out, [root / "static/js/shared/theme.js"], "--format=iife", [], bundle)
    return bundle


def _written_lean(root: Path) -> Path:
    """Where it is written has a part in the names of the chunks, so it is the same place for every build."""
    text = lean_uplot((root / "node_modules/uplot/dist/uPlot.esm.js").read_text())
    folder = root / "node_modules/.lean"
    folder.mkdir(exist_ok=True)
    file = folder / f"uplot-{hashlib.sha256(text.encode()).hexdigest()[:12]}.js"
    fresh = folder / f"{file.name}.{os.getpid()}"
    fresh.write_text(text)
    return fresh.replace(file)


def lean_uplot(source: str) -> str:
    """The library without what no page draws; every cut must find its place, or its version is another one."""
    for pattern, value in (*((line, "") for line in _UPLOT_LINES), *_UPLOT_CONDITIONS):
        source, found = re.subn(pattern, value, source)
        if not found:
            raise BuildError(
                f"uPlot has changed: {pattern!r} is not in it. Look at what build.py cuts from it."
            )
    return source


def _esbuild(root: Path, out: Path, entries: list[Path], form: str, extra: list[str], bundle: Bundle) -> None:
    meta_file = out / "meta.json"
    command = [
        str(root / "node_modules/.bin/esbuild"),
        *map(str, entries),
        "--bundle",
        "--minify",
        form,
        *extra,
        f"--target={TARGETS}",
        "--entry-names=[name]-[hash]",
        "--asset-names=[name]-[hash]",
        "--chunk-names=chunk-[hash]",
        "--loader:.woff2=file",
        "--legal-comments=none",
        "--log-level=warning",
        f"--metafile={meta_file}",
        f"--outdir={out / 'assets'}",
    ]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if result.returncode != 0 or result.stderr.strip():
        raise BuildError(f"esbuild reported problems:\n{result.stderr.strip()}")
    outputs = json.loads(meta_file.read_text())["outputs"]
    meta_file.unlink()
    for written, facts in outputs.items():
        public = "/assets/" + Path(written).name
        source = facts.get("entryPoint") or (
            next(iter(facts["inputs"])) if written.endswith(".woff2") else None
        )
        if source is None:
            continue
        bundle.paths[Path(source).name] = public
        bundle.preloads[Path(source).name] = [
            "/assets/" + Path(item["path"]).name
            for item in facts.get("imports", [])
            if item["kind"] == "import-statement"
        ]


def icon_sprite(root: Path) -> str:
    """One hidden SVG holding every icon named in ``static/icons.json`` as a symbol ``i-NAME``."""
    symbols = []
    for name in json.loads((root / "static/icons.json").read_text()):
        file = root / f"node_modules/lucide-static/icons/{name}.svg"
        match = re.search(r"<svg[^>]*>(.*)</svg>", file.read_text(), re.DOTALL) if file.exists() else None
        if match is None:
            raise BuildError(f"Icon {name!r} of static/icons.json is not in lucide-static.")
        drawing = re.sub(r"\s*\n\s*", "", match[1])
        symbols.append(f'<symbol id="i-{name}" viewBox="0 0 24 24">{drawing}</symbol>')
    return '<svg class="sprite" aria-hidden="true" width="0" height="0">' + "".join(symbols) + "</svg>"


def render_pages(root: Path, out: Path, bundle: Bundle) -> list[str]:
    """Render every page template; returns the file names written."""
    environment = Environment(
        loader=FileSystemLoader(root / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = _asset_lookup(bundle.paths)
    environment.globals["preloads"] = lambda name: bundle.preloads.get(name, [])
    environment.globals["sprite"] = icon_sprite(root)
    environment.globals["font"] = PRELOADED_FONT
    written = []
    for template in sorted((root / "templates/pages").glob("*.html")):
        html = environment.get_template(f"pages/{template.name}").render(page=template.stem)
        (out / template.name).write_text(re.sub(r"\n\s*\n+", "\n", html))
        written.append(template.name)
    return written


def _asset_lookup(paths: dict[str, str]) -> Callable[[str], str]:
    def asset(name: str) -> str:
        if name not in paths:
            raise BuildError(f"A template asks for {name!r}, which esbuild did not write.")
        return paths[name]

    return asset


def check_routes(root: Path, pages: list[str]) -> None:
    """Every route must name a rendered page, or visitors would meet a 404 on a listed address."""
    for route in json.loads((root / "routes.json").read_text()):
        if route["page"] not in pages:
            raise BuildError(f"routes.json sends {route['pattern']} to {route['page']}, which is not a page.")


def build(root: Path = HERE, dist: Path | None = None) -> Path:
    """Build the whole site and return its folder."""
    target = dist or root / "dist"
    install_packages(root)
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "assets").mkdir(parents=True)
    bundle = bundle_assets(root, fresh)
    pages = render_pages(root, fresh, bundle)
    check_routes(root, pages)
    for name in COPIED_FILES:
        shutil.copy(root / name, fresh / name)
    shutil.copy(root / "static/favicon.svg", fresh / "favicon.svg")
    (fresh / "asset-manifest.json").write_text(json.dumps(bundle.paths, indent=1, sort_keys=True))
    _swap(fresh, target)
    return target


def _swap(fresh: Path, target: Path) -> None:
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def main() -> int:
    """Command line: ``build.py [--out FOLDER]``."""
    parser = argparse.ArgumentParser(description="Build the LoRA Pipeline dashboard.")
    parser.add_argument("--out", type=Path, help="folder to write (default: dist/ beside this file)")
    arguments = parser.parse_args()
    started_at = time.monotonic()
    try:
        target = build(dist=arguments.out)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Built {target} in {time.monotonic() - started_at:.1f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
