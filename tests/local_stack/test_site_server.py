"""The one origin: files as a static host serves them, the API passed through untouched."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from stack import site_proxy
from stack.site_server import site_application

from tests.local_stack.stand_in import wait_until

POLICY = "default-src 'none'; connect-src 'self' BUCKET_ORIGIN"
SCRIPT = "export const answer = 42;\n" * 100


class Upstream(BaseHTTPRequestHandler):
    """An API that answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        if self.path.endswith("/silent"):
            self.server.silent.wait(20)  # type: ignore[attr-defined]
        length = int(self.headers.get("Content-Length") or 0)
        seen = {
            "method": self.command,
            "target": self.path,
            "headers": self.headers.items(),
            "body": self.rfile.read(length).hex(),
        }
        body = gzip.compress(json.dumps(seen).encode())
        self.send_response(418)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """The stage URL of the API behind."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.silent = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/_aws/execute-api/abc/api/"
    server.silent.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def frontend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built site."""
    root = tmp_path_factory.mktemp("frontend")
    pages = {
        "404": "not here",
        "jobs": "jobs",
        "job": "one job",
        "new_job": "new",
        "about": "x",
    }
    (root / "dist" / "assets").mkdir(parents=True)
    for name, text in pages.items():
        (root / "dist" / f"{name}.html").write_text(text)
    (root / "dist" / "assets" / "app-1a2b.js").write_text(SCRIPT)
    (root / "dist" / "assets" / "font.woff2").write_bytes(b"w" * 5000)
    routes = [
        {"pattern": "/", "page": "jobs.html"},
        {"pattern": "/training-jobs/new", "page": "new_job.html"},
        {"pattern": "/training-jobs/{job_id}", "page": "job.html"},
    ]
    (root / "routes.json").write_text(json.dumps(routes))
    (root / "security_headers.json").write_text(json.dumps({"Content-Security-Policy": POLICY}))
    (root / "secret.txt").write_text("outside")
    return root


def _serve(frontend: Path, stage_url: str) -> tuple[uvicorn.Server, threading.Thread, str]:
    application = site_application(frontend, stage_url, "http://127.0.0.1:7")
    server = uvicorn.Server(uvicorn.Config(application, log_level="critical", access_log=False))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the site serves")
    return server, thread, f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def site(frontend: Path, upstream: str) -> Iterator[httpx.Client]:
    """A client of the running site."""
    server, thread, url = _serve(frontend, upstream)
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "jobs"),
        ("/training-jobs/new", "new"),
        ("/training-jobs/j-123", "one job"),
        ("/training-jobs/j-123/", "one job"),
        ("/job.html", "one job"),
        ("/about", "x"),
    ],
)
def test_paths_lead_to_their_pages(site: httpx.Client, path: str, text: str) -> None:
    page = site.get(path)
    assert (page.status_code, page.text) == (200, text)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    assert (
        page.headers["Content-Security-Policy"] == "default-src 'none'; connect-src 'self' http://127.0.0.1:7"
    )


@pytest.mark.parametrize(
    "path", ["/nothing", "/training-jobs/a/b", "/assets/none.js", "/..%2fsecret.txt", "/assets"]
)
def test_what_is_not_there_is_the_sites_404_page(site: httpx.Client, path: str) -> None:
    page = site.get(path)
    assert (page.status_code, page.text) == (404, "not here")
    assert "Content-Security-Policy" in page.headers


def test_assets_are_immutable_zipped_and_revalidated(site: httpx.Client) -> None:
    script = site.get("/assets/app-1a2b.js")
    assert script.text == SCRIPT
    assert script.headers["Content-Encoding"] == "gzip"
    assert int(script.headers["Content-Length"]) < len(SCRIPT)
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    plain = site.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.text == SCRIPT
    again = site.get("/assets/app-1a2b.js", headers={"If-None-Match": script.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    font = site.get("/assets/font.woff2")
    assert font.headers["Content-Type"] == "font/woff2"
    assert "Content-Encoding" not in font.headers


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_an_api_request_passes_untouched(site: httpx.Client, method: str) -> None:
    reply = site.request(
        method, "/api/jobs/a%2Fb?x=1&x=2&y=%20", content=b"\x00\xff", headers={"Authorization": "Bearer t"}
    )
    assert reply.status_code == 418
    seen = reply.json()
    assert (seen["method"], seen["body"]) == (method, "00ff")
    assert seen["target"] == "/_aws/execute-api/abc/api/api/jobs/a%2Fb?x=1&x=2&y=%20"
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert headers["authorization"] == "Bearer t"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert reply.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert reply.headers["Content-Encoding"] == "gzip"
    assert "Content-Security-Policy" not in reply.headers


def test_webhooks_pass_too_and_bodies_past_the_limit_do_not(site: httpx.Client) -> None:
    assert site.post("/webhooks/pods/j/hello", content=b"x" * 1_000_000).status_code == 418
    refused = site.post("/webhooks/pods/j/hello", content=b"x" * (site_proxy.MAX_BODY_BYTES + 1))
    assert (refused.status_code, refused.json()["code"]) == (413, "request_too_large")


def test_an_api_that_is_down_gives_the_error_envelope(frontend: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    server, thread, url = _serve(frontend, f"http://127.0.0.1:{port}/api")
    reply = httpx.get(f"{url}/api/health", timeout=30)
    server.should_exit = True
    thread.join()
    assert reply.status_code == 502
    assert set(reply.json()) == {"error", "details", "code", "request_id"}
    assert reply.json()["code"] == "api_unavailable"


def test_an_api_that_is_silent_past_its_limit_gives_504(
    frontend: Path, upstream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_proxy, "TIMEOUT_SECONDS", 0.3)
    server, thread, url = _serve(frontend, upstream)
    reply = httpx.get(f"{url}/api/silent", timeout=30)
    server.should_exit = True
    thread.join()
    assert (reply.status_code, reply.json()["code"]) == (504, "api_timeout")


def test_a_site_that_is_not_built_says_how_to_build_it(tmp_path: Path, upstream: str) -> None:
    server, thread, url = _serve(tmp_path, upstream)
    reply = httpx.get(f"{url}/", timeout=30)
    server.should_exit = True
    thread.join()
    assert reply.status_code == 404
    assert "make site" in reply.text
