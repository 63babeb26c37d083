"""Waits for servers, and says why one did not come up."""

from __future__ import annotations

import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

POLL_SECONDS = 0.05
LOG_TAIL_BYTES = 2000
# Below the ports of outgoing connections on Linux (32768) and macOS (49152).
LASTING_PORTS = (20_000, 32_000)


class StartFailedError(RuntimeError):
    """A part of the stack did not start; the message names it, its log and the end of that log."""


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lasting_port() -> int:
    """A free port outside the range systems hand to outgoing connections, so that it stays free for years."""
    while True:
        port = random.randint(*LASTING_PORTS)
        if port_is_free(port):
            return port


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def becomes_free(port: int, timeout_seconds: float) -> bool:
    """Wait for a port; a killed server may hold it a moment longer than it runs."""
    deadline = time.monotonic() + timeout_seconds
    while not port_is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def answers(url: str) -> bool:
    """Whether a GET of this local URL is answered with any status below 500."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own http URL on 127.0.0.1
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def log_tail(log: Path) -> str:
    """The last lines of a log file."""
    try:
        return log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
    except FileNotFoundError:
        return ""


def wait_until_answers(
    name: str, url: str, process: subprocess.Popen[bytes], log: Path, timeout_seconds: float
) -> None:
    """Return when `url` answers. Raises StartFailedError when the process ends or the time passes first."""
    deadline = time.monotonic() + timeout_seconds
    while not answers(url):
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            what = (
                f"ended with code {process.returncode}"
                if ended
                else f"gave no answer in {timeout_seconds:g} s"
            )
            raise StartFailedError(f"The {name} {what} (log: {log}). Its last words:\n{log_tail(log)}")
        time.sleep(POLL_SECONDS)
