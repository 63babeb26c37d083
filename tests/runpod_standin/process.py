"""A stand-in in a process of its own, as it is run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
API_KEY = "account-key-of-the-tests"

# Answers SIGTERM with a line and an orderly exit; sleeps in the background so that the trap runs at once.
OBEDIENT = "sh -c 'trap \"echo got TERM; exit 0\" TERM; echo up; while :; do sleep 5 & wait $!; done'"
STUBBORN = "sh -c 'trap \"echo never mind\" TERM; echo up; while :; do sleep 5 & wait $!; done'"


class StandInProcess:
    """Starts in the constructor and is reachable when it returns."""

    def __init__(self, state_dir: Path, *options: str, command: str | None = OBEDIENT) -> None:
        self.state_dir = state_dir
        # One client for all calls: setting up TLS, which loopback never uses, would cost more than the call.
        self._http = httpx.Client(timeout=10, trust_env=False)
        self._options = [*options, *(["--command", command] if command else [])]
        self.process, self.url = self._start()

    def _start(self) -> tuple[subprocess.Popen[str], str]:
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "infrastructure" / "local")}
        base = [sys.executable, "-m", "runpod_standin", "--port", "0", "--api-key", API_KEY]
        defaults = ["--phase-seconds", "0.05", "--grace-seconds", "0.6", "--restart-seconds", "0.1"]
        process = subprocess.Popen(
            [*base, "--state-dir", str(self.state_dir), *defaults, *self._options],
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the stand-in ended with {process.wait()} instead of starting"
        return process, line.split()[-1]

    def start_again(self) -> None:
        """A new process on the same state folder (and another port)."""
        self.process, self.url = self._start()

    def kill(self) -> None:
        """`kill -9`: no chance to say goodbye."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def close(self) -> None:
        """Stops it if it still runs, and lets go of everything."""
        self.stop()
        self._http.close()

    def _end(self, number: signal.Signals) -> int:
        assert self.process.stdout is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        return code

    def call(self, method: str, path: str, body: Any = None, key: str | None = API_KEY) -> httpx.Response:
        """A raw call, as a client that is not ours would make it. `key` None: without one."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self._http.request(method, self.url + path, json=body, headers=headers)

    def arm(self, fault: str, count: int | None = None, **params: Any) -> None:
        reply = self.call("POST", "/_faults", {"fault": fault, "count": count, **params})
        assert reply.status_code == 201, reply.text

    def fired(self, fault: str) -> int:
        faults = self.call("GET", "/_faults").json()["faults"]
        return sum(entry["fired"] for entry in faults if entry["fault"] == fault)

    def clear_faults(self) -> None:
        self.call("DELETE", "/_faults")

    def books(self) -> list[dict[str, Any]]:
        pods: list[dict[str, Any]] = self.call("GET", "/_pods").json()["pods"]
        return pods

    def book(self, pod_id: str) -> dict[str, Any]:
        return next(entry for entry in self.books() if entry["id"] == pod_id)

    def container_log(self, pod_id: str) -> str:
        log = self.state_dir / "pods" / pod_id / "container.log"
        return log.read_text() if log.exists() else ""
