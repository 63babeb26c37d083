"""Pods are real processes: started, restarted, signalled, and billed by the second."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

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
from tests.runpod_standin.process import STUBBORN, StandInProcess
from tests.runpod_standin.waiting import wait_until

PRINT_ENVIRONMENT = f"{sys.executable} -c 'import os, json; print(json.dumps(dict(os.environ)))'"


def test_a_pod_passes_through_every_phase_and_is_billed_from_the_first(start_standin: StartStandIn) -> None:
    standin = start_standin("--phase-seconds", "0.4")
    pod_id = create(standin)
    seen: list[tuple[str, bool, bool]] = []

    def is_up() -> bool:
        pod = show(standin, pod_id)
        phase = (pod["status"], pod["startedAt"] is not None, pod["runtime"] is not None)
        if phase not in seen:
            seen.append(phase)
        assert pod["cost"] == 0.86
        return pod["runtime"] is not None

    wait_until(is_up, "the container is up")
    assert seen == [
        ("PROVISIONING", False, False),
        ("STARTING", False, False),
        ("RUNNING", True, False),
        ("RUNNING", True, True),
    ]
    assert standin.book(pod_id)["billed_seconds"] >= 1.2


def test_the_process_gets_the_request_s_environment_and_runpod_s(
    start_standin: StartStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for pods")
    standin = start_standin("--threads", "3", command=PRINT_ENVIRONMENT)
    given = {"JOB": 'a "quoted"\nvalue', "RUNPOD_POD_ID": "forged", "LORA_PIPELINE_WORK_DIR": "/etc"}
    pod_id = create(standin, env=given, gpu={"id": "NVIDIA L40S", "count": 2})
    wait_until(lambda: standin.container_log(pod_id), "the environment is printed")
    env = json.loads(standin.container_log(pod_id).splitlines()[0])
    home = standin.state_dir
    assert env["JOB"] == 'a "quoted"\nvalue'
    assert env["RUNPOD_POD_ID"] == pod_id
    assert env["RUNPOD_API_BASE_URL"] == standin.url
    assert (env["RUNPOD_GPU_COUNT"], env["RUNPOD_PUBLIC_IP"]) == ("2", "127.0.0.1")
    assert env["RUNPOD_DC_ID"] == show(standin, pod_id)["dataCenterId"]
    assert env["RUNPOD_TCP_PORT_22"].isdigit()
    assert env["LORA_PIPELINE_WORK_DIR"] == str(home / "pods" / pod_id / "work")
    assert env["LORA_PIPELINE_MODELS_DIR"] == str(home / "models")
    assert Path(env["PYTHONPATH"].split(":")[0]).name == "trainer"
    assert env["OMP_NUM_THREADS"] == "3"
    assert "AWS_SECRET_ACCESS_KEY" not in env
    assert "RUNPOD_API_KEY" not in show(standin, pod_id)["env"]


def test_the_pod_s_own_key_deletes_that_pod_and_nothing_else(start_standin: StartStandIn) -> None:
    standin = start_standin(command=PRINT_ENVIRONMENT)
    mine, other = create(standin), create(standin)
    wait_until(lambda: standin.container_log(mine), "the environment is printed")
    key = json.loads(standin.container_log(mine).splitlines()[0])["RUNPOD_API_KEY"]
    assert standin.call("DELETE", f"/v2/pods/{other}", key=key).status_code == 403
    assert standin.call("GET", "/v2/pods", key=key).status_code == 403
    assert standin.call("POST", "/v2/pods", {}, key=key).status_code == 403
    assert standin.call("DELETE", f"/v2/pods/{mine}", key=key).status_code == 204
    assert show(standin, other)["id"] == other


def test_a_container_whose_process_exits_is_restarted_and_billed_on(standin: StandInProcess) -> None:
    pod_id = create(standin)
    first = wait_until_up(standin, pod_id)
    wait_until(lambda: show(standin, pod_id)["runtime"]["uptime"] >= 1, "the uptime has grown")
    kill(first, signal.SIGTERM)
    wait_until(lambda: standin.book(pod_id)["pid"] not in (first, None), "a new process runs")
    book = standin.book(pod_id)
    assert (book["status"], book["restarts"], book["price_usd_per_hour"]) == ("RUNNING", 1, 0.86)
    assert show(standin, pod_id)["runtime"]["uptime"] == 0
    assert standin.container_log(pod_id).count("got TERM") == 1


def test_a_crash_loop_is_restarted_at_a_bounded_rate(start_standin: StartStandIn) -> None:
    standin = start_standin(command="false")
    pod_id = create(standin)
    wait_until(lambda: standin.book(pod_id)["restarts"] >= 3, "three restarts")
    book = standin.book(pod_id)
    # Pauses of 0.1, 0.2 and 0.4 s lie before the fourth start: the third restart cannot come sooner.
    assert book["billed_seconds"] >= 0.15 + 0.1 + 0.2
    assert book["status"] == "RUNNING"


def test_a_command_that_cannot_be_executed_leaves_the_pod_running_and_says_so(
    start_standin: StartStandIn,
) -> None:
    standin = start_standin(command="/no/such/program")
    pod_id = create(standin)
    wait_until(lambda: standin.book(pod_id)["restarts"] >= 1, "a start was tried")
    log = (standin.state_dir / "pods" / pod_id / "system.log").read_text()
    assert "OCI runtime create failed" in log
    assert standin.book(pod_id)["status"] == "RUNNING"


def test_deletion_sends_term_and_lets_an_obedient_process_finish(standin: StandInProcess) -> None:
    pod_id = create(standin)
    pid = wait_until_up(standin, pod_id)
    standin.call("DELETE", f"/v2/pods/{pod_id}")
    wait_until_dead(pid)
    assert standin.container_log(pod_id).splitlines() == ["up", "got TERM"]


def test_a_process_that_ignores_term_is_killed_after_the_grace(start_standin: StartStandIn) -> None:
    standin = start_standin(command=STUBBORN)
    pod_id = create(standin)
    pid = wait_until_up(standin, pod_id)
    standin.call("DELETE", f"/v2/pods/{pod_id}")
    wait_until(lambda: "never mind" in standin.container_log(pod_id), "it heard the signal")
    assert is_alive(pid)
    wait_until_dead(pid)
    assert standin.book(pod_id)["status"] == "TERMINATED"


def test_children_of_a_pod_die_with_it_even_in_sessions_of_their_own(start_standin: StartStandIn) -> None:
    standin = start_standin(command="sh -c 'setsid sleep 600 & echo $! >&2; echo up; wait'")
    pod_id = create(standin)
    wait_until_up(standin, pod_id)
    grandchild = int(next(line for line in standin.container_log(pod_id).splitlines() if line.isdigit()))
    assert is_alive(grandchild)
    standin.call("DELETE", f"/v2/pods/{pod_id}")
    wait_until_dead(grandchild)


@pytest.mark.parametrize(("name", "says_goodbye"), [("TERM", True), ("KILL", False)])
def test_a_spot_kill_ends_in_exited_and_is_not_restarted(
    standin: StandInProcess, name: str, says_goodbye: bool
) -> None:
    pod_id = create(standin)
    pid = wait_until_up(standin, pod_id)
    standin.call("POST", f"/_pods/{pod_id}/kill", {"signal": name})
    book = wait_for_status(standin, pod_id, "EXITED")
    assert not is_alive(pid)
    assert (book["restarts"], book["price_usd_per_hour"]) == (0, 0.0)
    assert ("got TERM" in standin.container_log(pod_id)) == says_goodbye
    again = standin.book(pod_id)
    assert again["cost_usd"] == book["cost_usd"] > 0


def test_a_container_kill_without_exit_only_restarts_it(standin: StandInProcess) -> None:
    pod_id = create(standin)
    first = wait_until_up(standin, pod_id)
    standin.call("POST", f"/_pods/{pod_id}/kill", {"signal": "KILL", "exit": False})
    wait_until(lambda: standin.book(pod_id)["pid"] not in (first, None), "a new process runs")
    assert standin.book(pod_id)["status"] == "RUNNING"


@pytest.mark.parametrize("request_body", [{"signal": "HUP"}, {"exit": "yes"}, ["TERM"]])
def test_a_kill_that_makes_no_sense_is_refused(standin: StandInProcess, request_body: object) -> None:
    pod_id = create(standin)
    assert standin.call("POST", f"/_pods/{pod_id}/kill", request_body).status_code == 422
    assert standin.call("POST", "/_pods/nobody/kill", {}).status_code == 404


def test_a_stopped_pod_costs_nothing_and_can_be_started_again(standin: StandInProcess) -> None:
    pod_id = create(standin)
    first = wait_until_up(standin, pod_id)
    standin.call("POST", f"/v2/pods/{pod_id}/action", {"action": "stop"})
    stopped = standin.book(pod_id)
    wait_until_dead(first)
    assert standin.book(pod_id)["cost_usd"] == stopped["cost_usd"]
    standin.call("POST", f"/v2/pods/{pod_id}/action", {"action": "start"})
    wait_until(lambda: standin.book(pod_id)["pid"] not in (first, None), "a new process runs")
    assert standin.book(pod_id)["cost_usd"] > stopped["cost_usd"]


def test_a_price_change_reaches_running_pods_and_the_catalogue(start_standin: StartStandIn) -> None:
    standin = start_standin()
    pod_id = create(standin)
    wait_until(lambda: standin.book(pod_id)["billed_seconds"] >= 0.5, "half a second was billed")
    reply = standin.call("POST", "/_prices", {"gpu_id": "NVIDIA L40S", "factor": 1000})
    assert reply.json() == {"factors": {"NVIDIA L40S": 1000.0}}
    assert show(standin, pod_id)["cost"] == 860.0
    before = standin.book(pod_id)
    enough = before["billed_seconds"] + 0.5
    wait_until(lambda: standin.book(pod_id)["billed_seconds"] > enough, "half a second more")
    after = standin.book(pod_id)
    seconds = after["billed_seconds"] - before["billed_seconds"]
    assert after["cost_usd"] - before["cost_usd"] == pytest.approx(seconds * 860 / 3600, abs=1e-6)
    assert before["cost_usd"] < 1000 * after["billed_seconds"] * 0.86 / 3600
    prices = {gpu["id"]: gpu["price"] for gpu in standin.call("GET", "/v2/catalog/gpus").json()["gpus"]}
    assert prices["NVIDIA L40S"]["secure"] == 860.0
    assert prices["NVIDIA L4"]["secure"] == 0.39
    for wrong in ({"factor": 0}, {"factor": "x"}, {"factor": "NaN"}, {}, {"gpu_id": "nope", "factor": 2}):
        assert standin.call("POST", "/_prices", wrong).status_code == 422


def test_an_own_catalogue_replaces_the_built_in_one(start_standin: StartStandIn, tmp_path: Path) -> None:
    own = {
        "id": "Toy",
        "name": "Toy",
        "memory": 8,
        "secure": True,
        "community": False,
        "price": {"secure": 1.5, "community": 1.5},
        "maxCount": {"secure": 1, "community": 0},
        "availability": {"SECURE": "LOW", "COMMUNITY": "NONE"},
        "dataCenters": [{"id": "HERE-1", "name": "Here", "availability": "LOW"}],
    }
    file = tmp_path / "catalogue.json"
    file.write_text(json.dumps({"gpus": [own]}))
    standin = start_standin("--catalogue", str(file))
    assert show(standin, create(standin, gpu={"id": "Toy"}))["cost"] == 1.5
