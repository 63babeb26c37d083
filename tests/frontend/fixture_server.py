"""A real HTTP server for the built site: pages under the site's own security headers, the fixture API, and a bucket.

The bucket answers on a second origin with CORS, as storage does, so the policy's ``connect-src`` is really tested.
``python -m tests.frontend.fixture_server`` serves a demonstration until Ctrl-C or ``--seconds``.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from tests.frontend import fixture_api, fixture_approvals, fixture_library, fixture_queue
from tests.frontend.fixture_world import World

DIST = Path(__file__).resolve().parents[2] / "frontend_static" / "dist"
START_SECONDS = 20.0


def site_app(world: World, dist: Path = DIST) -> Starlette:
    """Pages, assets and the API on one origin."""
    headers = json.loads((dist / "security_headers.json").read_text())
    headers = {name: value.replace("BUCKET_ORIGIN", world.bucket_origin) for name, value in headers.items()}
    tables = (fixture_api.TABLE, fixture_library.TABLE, fixture_queue.TABLE, fixture_approvals.TABLE)
    routes = fixture_api.routes(world, [row for table in tables for row in table])
    routes += [Route(entry["pattern"], _page(dist, headers, entry["page"])) for entry in _entries(dist)]
    routes += [
        Route("/assets/{name}", _file(dist / "assets", headers, immutable=True)),
        Route("/{name}", _file(dist, headers)),
        Route("/{rest:path}", _page(dist, headers, "404.html", status=404)),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(GZipMiddleware, minimum_size=500)
    return app


def _entries(dist: Path) -> list[dict[str, str]]:
    entries: list[dict[str, str]] = json.loads((dist / "routes.json").read_text())
    return entries


Endpoint = Callable[[Request], Awaitable[Response]]


def _page(dist: Path, headers: dict[str, str], name: str, status: int = 200) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return FileResponse(dist / name, status, {**headers, "cache-control": "no-cache"})

    return endpoint


def _file(folder: Path, headers: dict[str, str], *, immutable: bool = False) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        path = folder / request.path_params["name"]
        if not re.fullmatch(r"[\w.-]+", path.name) or not path.is_file():
            return Response("Not found", 404, headers)
        cache = "public, max-age=31536000, immutable" if immutable else "no-cache"
        return FileResponse(path, 200, {**headers, "cache-control": cache})

    return endpoint


def bucket_app(world: World) -> Starlette:
    """Storage: takes a PUT, gives a file back as a download."""

    async def put(request: Request) -> Response:
        key = request.path_params["key"]
        body = await request.body()
        if key in world.rejecting:
            return Response("<Error/>", 403)
        world.uploads[key] = body
        return Response(status_code=200)

    async def get(request: Request) -> Response:
        disposition = f'attachment; filename="{request.path_params["key"]}"'
        return Response(b"adapter bytes", headers={"content-disposition": disposition})

    app = Starlette(routes=[Route("/bucket/{key}", put, methods=["PUT"]), Route("/bucket/{key}", get)])
    app.add_middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "PUT"], allow_headers=["content-type"]
    )
    return app


@contextmanager
def serving(app: Starlette, port: int = 0) -> Iterator[str]:
    """Serve an app on 127.0.0.1 in a thread; yields its origin and stops it in the end."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started, START_SECONDS)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Return once the condition holds; the time is only a limit."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The condition did not hold within {seconds} s.")
        time.sleep(0.02)


@contextmanager
def fixture_site(world: World, dist: Path = DIST, port: int = 0) -> Iterator[str]:
    """The whole fixture: bucket and site; yields the site's origin."""
    with serving(bucket_app(world)) as bucket:
        world.bucket_origin = bucket
        with serving(site_app(world, dist), port) as site:
            yield site


def fill(world: World) -> World:
    """A workspace with something of everything."""
    world.add_dataset()
    world.add_dataset("dataset_rejected")
    world.add_model(name="Support tickets - 2026-11-20")
    world.add_job(
        "job_failed",
        name="Refund policy - Aggressive - 2026-11-20",
        tags=["experiment", "poc", "baseline", "test"],
    )
    world.add_job("job_cancelled", name="Onboarding tone - Conservative - 2026-11-21")
    finished = world.add_job(name="Support tickets - Balanced - 2026-11-20")
    world.complete(finished["id"])
    world.add_job(name="Elena Morales Financial - Balanced - 2026-11-22")
    return world


def main() -> None:
    """Serve a demonstration workspace."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600.0)
    arguments = parser.parse_args()
    with fixture_site(fill(World(steps_per_poll=3)), port=arguments.port) as origin:
        print(f"{origin}/sign-in#access_token=lp_fixture-token", flush=True)  # noqa: T201
        threading.Event().wait(arguments.seconds)


if __name__ == "__main__":
    main()
