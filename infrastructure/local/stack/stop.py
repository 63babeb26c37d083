"""`python -m stack stop`: stops the stack of a state folder and returns when it is gone."""

from __future__ import annotations

from collections.abc import Callable

from stack import parts, pods, processes
from stack.places import Home
from stack.run import LOCK_NAME

# The whole orderly stop: the sum of what each part may take, and a little more.
RUN_GRACE_SECONDS = sum(parts.STOP_GRACE_SECONDS.values()) + 5.0


def stop(home: Home, say: Callable[[str], None]) -> None:
    """Ask the running process to stop everything; stop what a killed one left behind, pods included."""
    book = processes.ProcessBook(home.processes)
    recorded = book.all()
    running = {name: process for name, process in recorded.items() if processes.is_running(process)}
    if recorded and parts.RUNPOD not in running:
        # Killed, not stopped: its pods live on, and only a stand-in can end them.
        pods.stop_left_over(home)
    if not recorded:
        say(f"No stack runs in {home.path}.")
        return
    if LOCK_NAME in running:
        processes.end(running.pop(LOCK_NAME), RUN_GRACE_SECONDS)
    for name in parts.STOP_ORDER:
        if name in running:
            processes.end(running[name], parts.STOP_GRACE_SECONDS[name])
    book.clear()
    home.outputs.unlink(missing_ok=True)
    say(f"The stack in {home.path} is stopped.")
