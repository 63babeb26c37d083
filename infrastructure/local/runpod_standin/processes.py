"""Pods as processes: start, recognise after a restart of the stand-in, signal, sweep. Linux only (/proc)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_PROC = Path("/proc")


def _stat_fields(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third (state) on; None when there is no such process."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The second field is the command in parentheses and may contain spaces and parentheses itself.
    return text.rpartition(")")[2].split()


def identity(pid: int) -> str | None:
    """A name for the process behind a pid, which no later process gets: boot id and start time (proc(5))."""
    stat = _stat_fields(pid)
    if stat is None:
        return None
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{stat[19]}"


def is_alive(pid: int, expected_identity: str | None) -> bool:
    """Whether that very process still runs. A zombie does not: nothing is left of it but its exit code."""
    stat = _stat_fields(pid)
    return stat is not None and stat[0] not in "ZX" and identity(pid) == expected_identity


class Processes:
    """Starts process groups and follows them, also those an earlier stand-in started."""

    def __init__(self) -> None:
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(
        self, command: Sequence[str], env: Mapping[str, str], folder: Path, log: Path
    ) -> tuple[int, str]:
        """Runs `command` as leader of its own session, output appended to `log`. Returns pid and identity.

        The process writes into the file itself, so its output goes on when the stand-in is killed.
        Raises OSError when the command cannot be executed.
        """
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                env=dict(env),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[child.pid] = child
        # Not reaped yet, so /proc has an entry even when it is dead already.
        return child.pid, identity(child.pid) or ""

    def reap(self, pid: int) -> int | None:
        """Exit code of a finished child, negative for a signal; None when it was not our child."""
        child = self._children.pop(pid, None)
        return child.wait() if child else None

    def send(self, pid: int, expected_identity: str | None, number: signal.Signals) -> None:
        """SIGKILL for the whole group, any other signal for the leader alone, as container engines do.

        Nothing happens when the leader is gone or another process has its pid.
        """
        if is_alive(pid, expected_identity):
            try:
                (os.killpg if number == signal.SIGKILL else os.kill)(pid, number)
            except ProcessLookupError:
                return

    def marked(self, marker: str) -> list[int]:
        """Pids of living processes whose environment at start holds `marker` ("NAME=value")."""
        wanted = marker.encode()
        return [pid for pid in _pids() if wanted in _environ(pid) and _is_running(pid)]

    def kill_marked(self, marker: str) -> None:
        """SIGKILL for whatever a pod left behind, its own sessions included."""
        for pid in self.marked(marker):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def leads_session(pid: int) -> bool:
    """Whether the process is what we start: leader of its own session."""
    stat = _stat_fields(pid)
    return stat is not None and stat[3] == str(pid)


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _environ(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _is_running(pid: int) -> bool:
    stat = _stat_fields(pid)
    return stat is not None and stat[0] not in "ZX"
