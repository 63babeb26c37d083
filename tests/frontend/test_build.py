"""The build: hashed assets, strict pages, honest routes, small downloads."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from frontend_static import build

PAGES = sorted(path.name for path in (build.HERE / "templates/pages").glob("*.html"))
BUDGET_BYTES = 45_000
UNIT_TESTS = Path(__file__).parent / "unit"


class Outline(HTMLParser):
    """Counts what a strict page may and must have."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self._open_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self.inline += [name for name in found if name == "style" or name.startswith("on")]
        if tag == "style":
            self.inline.append("<style>")
        self._open_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._open_script and data.strip():
            self.inline.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.tags if name == tag]


def outline(dist: Path, page: str) -> Outline:
    parser = Outline()
    parser.feed((dist / page).read_text())
    return parser


def page_assets(dist: Path, page: str) -> set[str]:
    """Scripts and styles a page loads before anybody touches it."""
    found = outline(dist, page)
    links = [link["href"] for link in found.all("link") if link.get("rel") in ("stylesheet", "modulepreload")]
    return {name for name in links + [script["src"] for script in found.all("script")] if name}


def test_every_route_leads_to_a_page_of_the_build(dist: Path) -> None:
    routes = json.loads((dist / "routes.json").read_text())
    assert routes[0]["pattern"] == "/"
    assert all((dist / route["page"]).is_file() for route in routes)
    patterns = [route["pattern"] for route in routes]
    assert patterns.index("/training-jobs/new") < patterns.index("/training-jobs/{job_id}")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_language_title_landmarks_and_nothing_inline(dist: Path, page: str) -> None:
    found = outline(dist, page)
    assert found.all("html")[0]["lang"] == "en"
    assert re.search(r"<title>\S.* · LoRA Pipeline</title>", (dist / page).read_text())
    assert len(found.all("main")) == 1
    assert found.all("main")[0]["id"] == "main"
    assert found.inline == []
    if page != "sign_in.html":
        assert {"nav", "header", "aside"} <= {tag for tag, _ in found.tags}


@pytest.mark.parametrize("page", PAGES)
def test_every_asset_of_a_page_exists_under_a_hashed_name(dist: Path, page: str) -> None:
    for name in page_assets(dist, page):
        assert re.fullmatch(r"/assets/[\w.-]+-[A-Z0-9]{8}\.(js|css)", name)
        assert (dist / name.lstrip("/")).is_file()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_stays_within_its_download_budget(dist: Path, page: str) -> None:
    total = sum(
        len(gzip.compress((dist / name.lstrip("/")).read_bytes())) for name in page_assets(dist, page)
    )
    assert total <= BUDGET_BYTES


def test_no_page_or_script_names_another_host(dist: Path) -> None:
    for path in [*dist.glob("*.html"), *dist.glob("assets/*.css")]:
        assert set(re.findall(r"https?://[^\s\"')]+", path.read_text())) <= {"http://www.w3.org/2000/svg"}


def test_the_content_policy_allows_nothing_inline_evaluated_or_foreign(dist: Path) -> None:
    headers = json.loads((dist / "security_headers.json").read_text())
    policy = headers["Content-Security-Policy"]
    directives = {part.split()[0]: part.split()[1:] for part in policy.split("; ")}
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy
    assert directives["default-src"] == ["'none'"]
    assert directives["script-src"] == ["'self'"]
    assert directives["style-src"] == ["'self'"]
    assert directives["connect-src"] == ["'self'", "BUCKET_ORIGIN"]
    assert directives["trusted-types"] == ["lit-html"]


def test_every_icon_a_source_file_asks_for_is_in_the_sprite() -> None:
    known = set(json.loads((build.HERE / "static/icons.json").read_text()))
    sources = [*(build.HERE / "static/js").rglob("*.js"), *(build.HERE / "templates").rglob("*.html")]
    text = "\n".join(path.read_text() for path in sources)
    asked = set(re.findall(r"icon\('([a-z-]+)'", text)) | set(re.findall(r"icon: '([a-z-]+)'", text))
    assert asked <= known


def test_two_builds_of_the_same_sources_are_identical(dist: Path, tmp_path: Path) -> None:
    again = build.build(dist=tmp_path / "again")
    files = sorted(path.relative_to(dist) for path in dist.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((dist / name).read_bytes() == (again / name).read_bytes() for name in files)


def test_a_broken_route_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "routes.json").write_text('[{"pattern": "/gone", "page": "gone.html"}]')
    with pytest.raises(build.BuildError, match=r"/gone to gone\.html"):
        build.check_routes(tmp_path, ["jobs.html"])


def test_an_unknown_icon_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static/icons.json").write_text('["no-such-icon"]')
    with pytest.raises(build.BuildError, match="no-such-icon"):
        build.icon_sprite(tmp_path)


def test_source_modules_stay_short_and_free_of_raw_markup() -> None:
    for path in (build.HERE / "static").rglob("*.js"):
        text = path.read_text()
        assert len(text.splitlines()) <= 300, path
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|unsafeHTML|eval\(", text), path


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (build.HERE / "package-lock.json").read_text()


def test_modules_pass_their_unit_tests(dist: Path) -> None:
    tests = sorted(str(path) for path in UNIT_TESTS.glob("*.test.mjs"))
    command = [build._tool("node"), "--import", str(UNIT_TESTS / "setup.mjs"), "--test", *tests]
    environment = {**os.environ, "TZ": "UTC"}
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    assert int(re.search(r"pass (\d+)", result.stdout)[1]) >= 50  # type: ignore[index]


def test_another_version_of_the_chart_library_stops_the_build() -> None:
    source = (build.HERE / "node_modules/uplot/dist/uPlot.esm.js").read_text()
    lean = build.lean_uplot(source)
    assert len(lean) < len(source)
    with pytest.raises(build.BuildError, match="uPlot has changed"):
        build.lean_uplot(lean)
