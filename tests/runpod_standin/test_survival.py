"""What happens to pods and their bill when the stand-in itself ends, orderly or not."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import httpx

from tests.runpod_standin.conftest import StartStandIn
from tests.runpod_standin.pods import (
    create,
    is_alive,
    kill,
    show,
    wait_for_status,
    wait_until_dead,
    wait_until_up,
)
from tests.runpod_standin.process import API_KEY, REPOSITORY, STUBBORN, StandInProcess
from tests.runpod_standin.waiting import wait_until


def test_a_pod_outlives_a_killed_stand_in_and_is_billed_through(start_standin: StartStandIn) -> None:
    standin = start_standin()
    pod_id = create(standin, name="survivor", env={"A": "1"})
    pid = wait_until_up(standin, pod_id)
    before = standin.book(pod_id)
    standin.kill()
    assert is_alive(pid)
    standin.start_again()
    after = standin.book(pod_id)
    assert (after["pid"], after["status"], after["restarts"]) == (pid, "RUNNING", 0)
    assert after["created_at"] == before["created_at"]
    assert after["billed_seconds"] > before["billed_seconds"]
    assert show(standin, pod_id)["env"] == {"A": "1"}
    assert show(standin, pod_id)["runtime"] is not None
    # It is followed as if it were a child: its exit is noticed, and the container started again.
    kill(pid, signal.SIGTERM)
    wait_until(lambda: standin.book(pod_id)["pid"] not in (pid, None), "a new process runs")
    assert standin.book(pod_id)["restarts"] == 1


def test_a_pod_can_be_deleted_by_the_next_stand_in(start_standin: StartStandIn) -> None:
    standin = start_standin(command=STUBBORN)
    pod_id = create(standin)
    pid = wait_until_up(standin, pod_id)
    standin.kill()
    standin.start_again()
    assert standin.call("DELETE", f"/v2/pods/{pod_id}").status_code == 204
    wait_until_dead(pid)
    assert standin.call("GET", f"/v2/pods/{pod_id}").status_code == 404


def test_a_pod_being_killed_when_the_stand_in_dies_is_still_finished_off(start_standin: StartStandIn) -> None:
    standin = start_standin("--grace-seconds", "2", command=STUBBORN)
    pod_id = create(standin)
    pid = wait_until_up(standin, pod_id)
    standin.call("DELETE", f"/v2/pods/{pod_id}")
    standin.kill()
    assert is_alive(pid)
    standin.start_again()
    wait_until_dead(pid)


def test_a_pod_whose_process_vanished_meanwhile_is_exited_and_not_billed_for_the_gap(
    start_standin: StartStandIn,
) -> None:
    standin = start_standin()
    pod_id = create(standin)
    pid = wait_until_up(standin, pod_id)
    standin.kill()
    kill(pid, signal.SIGKILL)
    wait_until_dead(pid)
    standin.start_again()
    book = standin.book(pod_id)
    assert (book["status"], book["pid"], book["price_usd_per_hour"]) == ("EXITED", None, 0.0)
    assert standin.book(pod_id)["cost_usd"] == book["cost_usd"] > 0


def test_a_pod_that_was_still_starting_goes_on_from_there(start_standin: StartStandIn) -> None:
    standin = start_standin("--phase-seconds", "0.5")
    pod_id = create(standin)
    standin.kill()
    standin.start_again()
    wait_until_up(standin, pod_id)
    assert standin.book(pod_id)["restarts"] == 0


def test_a_process_the_ledger_does_not_know_is_adopted(start_standin: StartStandIn) -> None:
    """The stand-in may die between starting a process and writing that down."""
    standin = start_standin()
    pod_id = create(standin)
    pid = wait_until_up(standin, pod_id)
    standin.kill()
    forget_process(standin, pod_id)
    standin.start_again()
    assert standin.book(pod_id)["pid"] == pid
    assert standin.container_log(pod_id).count("up") == 1


def forget_process(standin: StandInProcess, pod_id: str) -> None:
    """Puts the ledger into the state just before the process was written down."""
    with closing(sqlite3.connect(standin.state_dir / "ledger.sqlite")) as ledger:
        (text,) = ledger.execute("SELECT record FROM pods WHERE id = ?", (pod_id,)).fetchone()
        record = {**json.loads(text), "pid": None, "process_identity": None, "runtime_ready": False}
        ledger.execute("UPDATE pods SET record = ? WHERE id = ?", (json.dumps(record), pod_id))
        ledger.commit()


def test_an_orderly_stop_terminates_every_pod_and_leaves_no_process(start_standin: StartStandIn) -> None:
    standin = start_standin()
    pods = [create(standin, name=f"p{number}") for number in range(3)]
    pids = [wait_until_up(standin, pod_id) for pod_id in pods]
    assert standin.stop() == 0
    assert not any(is_alive(pid) for pid in pids)
    standin.start_again()
    assert {book["status"] for book in standin.books()} == {"TERMINATED"}
    assert all(book["price_usd_per_hour"] == 0.0 for book in standin.books())


def test_an_orderly_stop_ends_open_log_streams_too(start_standin: StartStandIn) -> None:
    standin = start_standin()
    pod_id = create(standin)
    wait_until_up(standin, pod_id)
    url = f"{standin.url}/v2/pods/{pod_id}/logs"
    headers = {"Authorization": f"Bearer {API_KEY}"}
    with httpx.stream("GET", url, headers=headers, timeout=10, trust_env=False) as reply:
        next(reply.iter_lines())
        assert standin.stop() == 0


def test_with_keep_pods_an_orderly_stop_leaves_them_running(start_standin: StartStandIn) -> None:
    standin = start_standin("--keep-pods")
    pod_id = create(standin)
    pid = wait_until_up(standin, pod_id)
    assert standin.stop() == 0
    assert is_alive(pid)
    standin.start_again()
    assert standin.book(pod_id)["pid"] == pid
    standin.call("DELETE", f"/v2/pods/{pod_id}")
    wait_until_dead(pid)


def test_a_second_stand_in_on_the_same_folder_is_refused(start_standin: StartStandIn) -> None:
    standin = start_standin()
    second = subprocess.run(
        [sys.executable, "-m", "runpod_standin", "--port", "0", "--api-key", "k", "--state-dir",
         str(standin.state_dir)],
        env={"PYTHONPATH": str(REPOSITORY / "infrastructure" / "local")},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert "another stand-in uses" in second.stderr
    assert standin.call("GET", "/v2/pods").status_code == 200


def test_changed_prices_and_ended_pods_survive(start_standin: StartStandIn) -> None:
    standin = start_standin()
    pod_id = create(standin)
    wait_for_status(standin, pod_id, "RUNNING")
    standin.call("POST", "/_prices", {"factor": 2})
    standin.call("DELETE", f"/v2/pods/{pod_id}")
    book = standin.book(pod_id)
    standin.kill()
    standin.start_again()
    assert standin.book(pod_id)["cost_usd"] == book["cost_usd"]
    assert show(standin, create(standin))["cost"] == 1.72
