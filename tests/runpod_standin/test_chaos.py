"""Killed at any moment, the stand-in neither loses a process nor starts one twice."""

from __future__ import annotations

import random
import threading

import httpx
import pytest
from runpod_standin.processes import Processes, leads_session

from tests.runpod_standin.conftest import StartStandIn
from tests.runpod_standin.pods import create
from tests.runpod_standin.process import StandInProcess
from tests.runpod_standin.waiting import wait_until


def leaders(standin: StandInProcess) -> dict[str, list[int]]:
    """Pids of the processes that were started as PID 1 of a pod, by pod id, from the machine's own books."""
    processes = Processes()
    found: dict[str, list[int]] = {}
    for folder in (standin.state_dir / "pods").glob("*"):
        marker = f"LORA_PIPELINE_WORK_DIR={folder / 'work'}"
        found[folder.name] = [pid for pid in processes.marked(marker) if leads_session(pid)]
    return found


def churn(standin: StandInProcess, dice: random.Random, over: threading.Event) -> None:
    """Creates, deletes and kills pods until the stand-in is gone."""
    mine: list[str] = []
    while not over.is_set():
        try:
            if len(mine) < 4:
                mine.append(create(standin, name="churn"))
            elif dice.random() < 0.5:
                standin.call("DELETE", f"/v2/pods/{mine.pop(dice.randrange(len(mine)))}")
            else:
                standin.call("POST", f"/_pods/{dice.choice(mine)}/kill", {"signal": "KILL", "exit": False})
        except httpx.TransportError:
            return


@pytest.mark.parametrize("seed", range(4))
def test_after_a_kill_at_any_moment_every_live_pod_has_one_process_and_no_other_has_any(
    start_standin: StartStandIn, seed: int
) -> None:
    dice = random.Random(seed)
    standin = start_standin("--phase-seconds", "0.02")
    for _ in range(2):
        over = threading.Event()
        busy = threading.Thread(target=churn, args=(standin, dice, over))
        busy.start()
        over.wait(0.3 + dice.random())
        standin.kill()
        over.set()
        busy.join()
        standin.start_again()

    def is_settled() -> bool:
        books = {book["id"]: book for book in standin.books()}
        found = leaders(standin)
        return all(
            found[pod_id] == ([book["pid"]] if book["status"] == "RUNNING" else [])
            and (book["price_usd_per_hour"] > 0) == (book["status"] == "RUNNING")
            for pod_id, book in books.items()
        ) and any(book["status"] == "RUNNING" for book in books.values())

    wait_until(is_settled, "each live pod has exactly the process the books name, and no other pod has one")
    assert set(leaders(standin)) >= {book["id"] for book in standin.books()}
