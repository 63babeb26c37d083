"""The HTTP server: routes, a way to cut connections, orderly start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from runpod_standin import admin_api, catalogue, pods_api, reading_api
from runpod_standin.faults import Switchboard
from runpod_standin.guard import Handler, StandIn, guarded
from runpod_standin.keeper import Keeper
from runpod_standin.ledger import Ledger
from runpod_standin.pods import Pods
from runpod_standin.settings import Settings

_PUBLIC: tuple[tuple[str, str, str, Handler], ...] = (
    ("POST", "/v2/pods", "create", pods_api.create_pod),
    ("GET", "/v2/pods", "list", pods_api.list_pods),
    ("GET", "/v2/pods/{id}", "get", pods_api.get_pod),
    ("DELETE", "/v2/pods/{id}", "delete", pods_api.delete_pod),
    ("POST", "/v2/pods/{id}/action", "action", pods_api.act_on_pod),
    ("GET", "/v2/pods/{id}/logs", "logs", reading_api.stream_logs),
    ("GET", "/v2/catalog/gpus", "catalogue", reading_api.list_gpus),
    ("GET", "/v2/billing/pods", "billing", reading_api.list_pod_billing),
)
_ADMIN: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/_faults", admin_api.arm_fault),
    ("GET", "/_faults", admin_api.list_faults),
    ("DELETE", "/_faults", admin_api.clear_faults),
    ("GET", "/_pods", admin_api.list_books),
    ("POST", "/_pods/{id}/kill", admin_api.kill_pod),
    ("POST", "/_prices", admin_api.change_prices),
)


class AlreadyRunningError(Exception):
    """Another stand-in uses this state folder."""


class _Line:
    """Lets a reply cut its own connection."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class _CuttableProtocol(H11Protocol):
    """Uvicorn's HTTP/1.1 protocol, which also hands requests the line they came on."""

    def __init__(
        self, config: uvicorn.Config, server_state: Any, app_state: dict[str, Any], _loop: Any = None
    ) -> None:
        self._line = _Line()
        super().__init__(config, server_state, {**app_state, "connection": self._line}, _loop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._line.transport = transport
        super().connection_made(transport)


class _Server(uvicorn.Server):
    """Leaves signals to `_serve`: uvicorn would raise them again before the pods are ended."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def application(standin: StandIn) -> Starlette:
    """The ASGI application over a stand-in's parts."""
    public = [
        Route(path, guarded(standin, operation, handler), methods=[method])
        for method, path, operation, handler in _PUBLIC
    ]
    admin = [
        Route(path, admin_api.open_to_local_tools(standin, handler), methods=[method])
        for method, path, handler in _ADMIN
    ]
    return Starlette(routes=public + admin)


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then ends all pods unless told to keep them.

    Raises AlreadyRunningError, and OSError when the port is taken.
    """
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    settings.models_dir.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(_locked(settings)), contextlib.closing(_bound(settings.port)) as listener:
        ledger = Ledger(settings.state_dir / "ledger.sqlite")
        pods = Pods(settings, ledger, catalogue.load(settings.catalogue_path))
        port = listener.getsockname()[1]
        pods.base_url = f"http://127.0.0.1:{port}"
        faults = Switchboard()
        standin = StandIn(settings, pods, Keeper(settings, pods, faults), faults)
        standin.keeper.recover()
        try:
            asyncio.run(_serve(standin, listener))
        finally:
            if not settings.keep_pods:
                standin.keeper.end_all()
            ledger.close()


async def _serve(standin: StandIn, listener: socket.socket) -> None:
    config = uvicorn.Config(
        application(standin),
        http=_CuttableProtocol,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)

    def stop() -> None:
        standin.stopping = True
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    keeping = asyncio.create_task(standin.keeper.run())
    # Pods that can no longer be looked after must not go on as if they were.
    keeping.add_done_callback(lambda _: stop())
    _announce(standin)
    await server.serve(sockets=[listener])
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping


def _announce(standin: StandIn) -> None:
    """Says where the stand-in listens, on stdout and in `standin.json`."""
    facts = {"url": standin.pods.base_url, "pid": os.getpid()}
    target = standin.settings.state_dir / "standin.json"
    fresh = target.with_suffix(".tmp")
    fresh.write_text(json.dumps(facts))
    fresh.replace(target)
    print(f"RunPod stand-in at {facts['url']}", flush=True)


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    # Listening before it is announced: whoever reads the address can connect at once.
    listener.listen(128)
    return listener


def _locked(settings: Settings) -> TextIO:
    """The state folder's lock, which the kernel gives back when the process dies."""
    lock = (settings.state_dir / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise AlreadyRunningError(
            f"another stand-in uses {settings.state_dir}; stop it, or choose another --state-dir"
        ) from error
    return lock
