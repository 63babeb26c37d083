"""Processes of a stack: started apart from the terminal, recorded by identity, ended without touching
strangers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from stack.files import read_json, write_json

POLL_SECONDS = 0.05
KILL_WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Recorded:
    """A process by its number and by what proves that the number still means the same process."""

    pid: int
    identity: str


def identity(pid: int) -> str | None:
    """Start time and command line of a process, or None when it does not run (a zombie does not run)."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        if Path("/proc/self/stat").exists():
            fields = stat.read_text().rpartition(")")[2].split()
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            return None if fields[0] in "ZX" else f"{fields[19]} {command.strip()}"
        return _identity_by_ps(pid)
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None


def _identity_by_ps(pid: int) -> str | None:
    listed = subprocess.run(
        ["ps", "-o", "stat=,lstart=,command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    line = listed.stdout.strip()
    if not line or line.startswith("Z"):
        return None
    return line.partition(" ")[2].strip()


def record_of(pid: int) -> Recorded:
    """Record a process of ours that was just started."""
    return Recorded(pid, identity(pid) or "")


def is_running(process: Recorded) -> bool:
    """Whether the recorded process still runs, and is not another one under its number."""
    return bool(process.identity) and identity(process.pid) == process.identity


def send(process: Recorded, number: int) -> None:
    """Signal the process if it is still the recorded one."""
    if is_running(process):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def wait_gone(process: Recorded, timeout_seconds: float) -> bool:
    """Wait until the process is gone; False when the time passed first."""
    deadline = time.monotonic() + timeout_seconds
    while is_running(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def end(process: Recorded, grace_seconds: float) -> None:
    """Ask a process to stop, kill it when it has not after `grace_seconds`, return when it is gone."""
    send(process, signal.SIGTERM)
    if not wait_gone(process, grace_seconds):
        kill(process)


def kill(process: Recorded) -> None:
    """Kill a process and return when it is gone."""
    send(process, signal.SIGKILL)
    wait_gone(process, KILL_WAIT_SECONDS)


class ProcessBook:
    """The file that names a stack's processes, written after each start so that a kill hides none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> dict[str, Recorded]:
        """Every recorded process by name, running or not."""
        return {name: Recorded(**entry) for name, entry in read_json(self._path).items()}

    def add(self, name: str, process: Recorded) -> None:
        """Record a process under a name, replacing what the name meant before."""
        write_json(self._path, {**read_json(self._path), name: asdict(process)})

    def clear(self) -> None:
        """Forget all."""
        self._path.unlink(missing_ok=True)


def start(
    command: list[str], environment: dict[str, str], log: Path, folder: Path
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own (Ctrl-C reaches only us), its output appended to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
