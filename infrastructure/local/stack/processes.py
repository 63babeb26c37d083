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
    """When a process started, and in which boot; None when it does not run (a zombie does not run).

    Its command line is no part of it: for a moment after the start that reads as the parent's, or as nothing.
    """
    if not Path("/proc/self/stat").exists():
        return _identity_by_ps(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {fields[19]}"


def _identity_by_ps(pid: int) -> str | None:
    listed = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    line = listed.stdout.strip()
    if not line or line.startswith("Z"):
        return None
    return line.partition(" ")[2].strip()


def descendants(pid: int) -> list[int]:
    """Every process below one, in no particular order; zombies are left out."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
    children: dict[int, list[int]] = {}
    for line in listed.stdout.splitlines():
        child, parent, state = line.split()[:3]
        if not state.startswith("Z"):
            children.setdefault(int(parent), []).append(int(child))
    found: list[int] = []
    open_ends = [pid]
    while open_ends:
        below = children.get(open_ends.pop(), [])
        found += below
        open_ends += below
    return found


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
