"""The switchboard: every fault of the table does what the table says, as often as it was told to."""

from __future__ import annotations

import json
import sys

import httpx
import pytest
from runpod_standin.faults import KNOWN_FAULTS

from tests.runpod_standin.conftest import StartStandIn
from tests.runpod_standin.pods import (
    L40S,
    body,
    create,
    is_alive,
    show,
    wait_for_status,
    wait_until_up,
)
from tests.runpod_standin.process import API_KEY, REPOSITORY, StandInProcess
from tests.runpod_standin.waiting import wait_until


def names(standin: StandInProcess) -> list[str]:
    return [pod["name"] for pod in standin.call("GET", "/v2/pods").json()["pods"]]


def creating(standin: StandInProcess, **changes: object) -> httpx.Response:
    return standin.call("POST", "/v2/pods", body(**changes))


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        (
            "no_capacity",
            400,
            "There are no longer any instances available with the requested specifications.",
        ),
        ("balance_402", 402, "Your account balance is too low to rent a pod."),
        ("key_401", 401, "bearer token"),
        ("access_denied_403", 403, "access denied"),
        ("edge_403_1010", 403, "error code: 1010"),
        ("unprocessable_422", 422, "not found in the registry"),
        ("throttle_429", 429, "rate limit"),
        ("error_500_before", 500, "<html>"),
    ],
)
def test_a_refused_create_rents_nothing_and_the_next_one_works(
    standin: StandInProcess, fault: str, status: int, text: str
) -> None:
    standin.arm(fault, 1)
    before = len(standin.books())
    reply = creating(standin)
    assert (reply.status_code, text in reply.text) == (status, True), reply.text
    assert len(standin.books()) == before
    assert creating(standin).status_code == 201
    assert standin.fired(fault) == 1


def test_a_count_is_how_often_and_none_is_until_cleared(standin: StandInProcess) -> None:
    standin.arm("balance_402", 2)
    assert [creating(standin).status_code for _ in range(3)] == [402, 402, 201]
    standin.arm("balance_402")
    assert [creating(standin).status_code for _ in range(4)] == [402] * 4
    standin.clear_faults()
    assert creating(standin).status_code == 201
    assert standin.call("GET", "/_faults").json() == {"faults": []}


def test_one_kind_of_fault_can_be_cleared_alone(standin: StandInProcess) -> None:
    standin.arm("balance_402")
    standin.arm("list_500")
    standin.call("DELETE", "/_faults?fault=balance_402")
    assert creating(standin).status_code == 201
    assert standin.call("GET", "/v2/pods").status_code == 500


@pytest.mark.parametrize(
    "request_body",
    [
        {"fault": "no_such_fault"},
        {},
        {"fault": "no_capacity", "colour": "red"},
        {"fault": "no_capacity", "count": 0},
        {"fault": "no_capacity", "count": "many"},
        {"fault": "spot_kill_term", "after_seconds": "soon"},
    ],
)
def test_a_fault_that_means_nothing_is_refused_and_not_armed(
    standin: StandInProcess, request_body: dict[str, object]
) -> None:
    reply = standin.call("POST", "/_faults", request_body)
    assert reply.status_code == 422
    assert standin.call("GET", "/_faults").json() == {"faults": []}


def test_the_switchboard_does_not_answer_to_web_pages(standin: StandInProcess) -> None:
    headers = {"Origin": "https://evil.example"}
    for method, path in (("POST", "/_faults"), ("GET", "/_pods"), ("POST", "/_prices")):
        reply = httpx.request(method, standin.url + path, headers=headers, trust_env=False)
        assert reply.status_code == 403


def test_capacity_can_be_taken_from_one_gpu_or_one_tier(standin: StandInProcess) -> None:
    standin.arm("no_capacity", gpu_id=L40S, tier="spot")
    assert creating(standin, cloud="COMMUNITY").status_code == 400
    assert creating(standin, cloud="SECURE").status_code == 201
    assert creating(standin, cloud="COMMUNITY", gpu={"id": "NVIDIA RTX A6000"}).status_code == 201


def test_throttling_says_how_long_and_can_be_meant_for_one_operation(standin: StandInProcess) -> None:
    standin.arm("throttle_429", retry_after_seconds=7, operation="list")
    reply = standin.call("GET", "/v2/pods")
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")
    assert creating(standin).status_code == 201


def test_a_reply_dropped_after_the_commit_leaves_a_billing_pod(standin: StandInProcess) -> None:
    standin.arm("drop_reply", 1)
    with pytest.raises(httpx.RemoteProtocolError):
        creating(standin, name="lost")
    assert names(standin) == ["lost"]


def test_a_connection_dropped_before_leaves_none(standin: StandInProcess) -> None:
    standin.arm("drop_before", 1)
    with pytest.raises(httpx.RemoteProtocolError):
        creating(standin)
    assert names(standin) == []


def test_a_500_after_the_commit_leaves_a_billing_pod(standin: StandInProcess) -> None:
    standin.arm("error_500_after", 1)
    reply = creating(standin, name="lost")
    assert (reply.status_code, "Something went wrong" in reply.text) == (500, True)
    assert names(standin) == ["lost"]


def test_a_hanging_call_says_nothing_until_it_is_cut(standin: StandInProcess) -> None:
    standin.arm("timeout_hang", 1, seconds=0.5)
    with pytest.raises(httpx.RemoteProtocolError):
        creating(standin)
    standin.arm("timeout_hang", 1, operation="list")
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(
            standin.url + "/v2/pods",
            headers={"Authorization": f"Bearer {API_KEY}"},
            timeout=0.3,
            trust_env=False,
        )
    assert names(standin) == []


def test_reads_and_deletes_can_fail_alone(standin: StandInProcess) -> None:
    pod_id = create(standin)
    for fault, method, path in (
        ("list_500", "GET", "/v2/pods"),
        ("get_500", "GET", f"/v2/pods/{pod_id}"),
        ("delete_500", "DELETE", f"/v2/pods/{pod_id}"),
    ):
        standin.arm(fault, 1)
        assert standin.call(method, path).status_code == 500
        assert standin.call(method, path).status_code in (200, 204)


def test_a_delete_can_be_accepted_and_ignored(standin: StandInProcess) -> None:
    pod_id = create(standin)
    pid = wait_until_up(standin, pod_id)
    standin.arm("delete_ignored", 1)
    assert standin.call("DELETE", f"/v2/pods/{pod_id}").status_code == 204
    assert show(standin, pod_id)["status"] == "RUNNING"
    assert is_alive(pid)


def test_a_deleted_pod_can_stay_listed_as_it_was_but_costs_nothing(standin: StandInProcess) -> None:
    pod_id = create(standin)
    wait_until_up(standin, pod_id)
    standin.arm("list_lag_deleted", 1, calls=2)
    standin.call("DELETE", f"/v2/pods/{pod_id}")
    assert standin.call("GET", f"/v2/pods/{pod_id}").status_code == 404
    listed = [standin.call("GET", "/v2/pods").json()["pods"] for _ in range(3)]
    assert [[pod["status"] for pod in pods] for pods in listed] == [["RUNNING"], ["RUNNING"], []]
    assert standin.book(pod_id)["price_usd_per_hour"] == 0.0


def test_a_new_pod_can_be_missing_from_lists_while_it_is_billed(standin: StandInProcess) -> None:
    standin.arm("list_lag_new", 1, calls=2)
    pod_id = create(standin)
    assert [len(names(standin)) for _ in range(3)] == [0, 0, 1]
    assert show(standin, pod_id)["cost"] > 0


@pytest.mark.parametrize(
    ("fault", "status"), [("stuck_provisioning", "PROVISIONING"), ("running_without_runtime", "RUNNING")]
)
def test_a_pod_can_get_stuck_before_its_container_and_bills_on(
    standin: StandInProcess, fault: str, status: str
) -> None:
    standin.arm(fault, 1)
    stuck = create(standin)
    wait_until(lambda: standin.fired(fault) == 1, "the fault fired")
    healthy = create(standin)
    wait_until_up(standin, healthy)
    pod = show(standin, stuck)
    assert (pod["status"], pod["runtime"]) == (status, None)
    assert pod["cost"] > 0
    assert standin.book(stuck)["pid"] is None


@pytest.mark.parametrize(
    ("fault", "status", "says_goodbye"),
    [
        ("spot_kill_term", "EXITED", True),
        ("spot_kill_no_term", "EXITED", False),
        ("exit_seconds", "EXITED", False),
        ("error_status", "ERROR", False),
        ("disappear", "TERMINATED", False),
    ],
)
def test_a_running_pod_can_be_struck(
    standin: StandInProcess, fault: str, status: str, says_goodbye: bool
) -> None:
    struck, spared = create(standin), create(standin)
    pid = wait_until_up(standin, struck)
    wait_until_up(standin, spared)
    parameter = "seconds" if fault == "exit_seconds" else "after_seconds"
    standin.arm(fault, None, **{"pod_id": struck, parameter: 0.1})
    book = wait_for_status(standin, struck, status)
    wait_until(lambda: not is_alive(pid), "the process is gone")
    assert ("got TERM" in standin.container_log(struck)) == says_goodbye
    assert (book["price_usd_per_hour"], book["restarts"]) == (0.0, 0)
    assert (standin.call("GET", f"/v2/pods/{struck}").status_code == 404) == (fault == "disappear")
    assert standin.book(spared)["status"] == "RUNNING"


def test_a_misfortune_waits_for_its_hour(standin: StandInProcess) -> None:
    standin.arm("spot_kill_no_term", 1, after_seconds=0.8)
    pod_id = create(standin)
    book = wait_for_status(standin, pod_id, "EXITED")
    assert book["billed_seconds"] >= 0.8


def test_a_restart_loop_restarts_as_often_as_it_was_told(standin: StandInProcess) -> None:
    standin.arm("restart_loop", 2, after_seconds=0.1)
    pod_id = create(standin)
    wait_until(lambda: standin.book(pod_id)["restarts"] == 2, "two restarts")
    wait_until(lambda: standin.container_log(pod_id).count("up") == 3, "a third container")
    assert standin.book(pod_id)["status"] == "RUNNING"
    assert standin.book(pod_id)["price_usd_per_hour"] > 0


def test_self_deletion_can_be_refused(start_standin: StartStandIn) -> None:
    code = "import json, os; print(json.dumps(os.environ['RUNPOD_API_KEY']))"
    standin = start_standin(command=f'{sys.executable} -c "{code}"')
    pod_id = create(standin)
    wait_until(lambda: standin.container_log(pod_id), "the pod has printed its key")
    key = json.loads(standin.container_log(pod_id).splitlines()[0])
    standin.arm("self_delete_refused", 1)
    assert standin.call("DELETE", f"/v2/pods/{pod_id}", key=key).status_code == 403
    assert standin.call("DELETE", f"/v2/pods/{pod_id}", key=key).status_code == 204


def test_the_readme_s_table_names_every_fault() -> None:
    readme = (REPOSITORY / "infrastructure" / "local" / "runpod_standin" / "README.md").read_text()
    listed = {line.split("`")[1] for line in readme.splitlines() if line.startswith("| `")}
    assert set(KNOWN_FAULTS) <= listed


def test_a_fault_can_be_meant_for_the_pods_of_one_job(standin: StandInProcess) -> None:
    standin.arm("error_500_before", name_contains="-job_a-")
    standin.arm("no_capacity", name_contains="-job_b-")
    standin.arm("balance_402", name_contains="-job_c-")
    standin.arm("delete_500", name_contains="-job_d-")
    wanted = {name: creating(standin, name=f"lora-job_{name}-1").status_code for name in "abcd"}
    assert wanted == {"a": 500, "b": 400, "c": 402, "d": 201}
    (pod,) = standin.call("GET", "/v2/pods").json()["pods"]
    assert standin.call("DELETE", f"/v2/pods/{pod['id']}").status_code == 500
    standin.call("DELETE", "/_faults?name_contains=-job_d-")
    assert standin.call("DELETE", f"/v2/pods/{pod['id']}").status_code == 204
    assert creating(standin, name="lora-job_a-2").status_code == 500
    armed = standin.call("GET", "/_faults").json()["faults"]
    assert sorted(fault["fault"] for fault in armed) == ["balance_402", "error_500_before", "no_capacity"]
