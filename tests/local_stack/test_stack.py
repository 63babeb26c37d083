"""A whole stack: up, used, stopped, killed and up again, with nothing left behind and nothing lost."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from stack import pods, processes
from stack.control import Stack
from stack.deployment import client
from stack.files import read_json
from stack.places import REPOSITORY, child_environment
from stack.waiting import StartFailedError, free_port

from tests.local_stack.sample_package import write_package
from tests.local_stack.stand_in import wait_until

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What makes a stack run the sample application and an empty site."""
    folder = tmp_path_factory.mktemp("sample")
    (folder / "frontend" / "dist").mkdir(parents=True)
    (folder / "frontend" / "dist" / "index.html").write_text("sample site")
    package = write_package(folder / "package")
    return {"LORA_PIPELINE_PACKAGE": str(package), "LORA_PIPELINE_FRONTEND": str(folder / "frontend")}


@pytest.fixture
def stack(tmp_path: Path, environment: dict[str, str]) -> Iterator[Stack]:
    """A stack of this test alone."""
    made = Stack(tmp_path / "home", environment=environment)
    yield made
    made.stop()


def _command(stack: Stack, environment: dict[str, str], command: str) -> subprocess.CompletedProcess[str]:
    variables = {
        **child_environment(),
        **environment,
        "LORA_PIPELINE_HOME": str(stack.home.path),
        "PORT": "0",
    }
    return subprocess.run(
        [sys.executable, "-m", "stack", command],
        env=variables,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _processes(outputs: dict[str, Any]) -> list[processes.Recorded]:
    """The stack's processes and everything below them."""
    below = processes.descendants(outputs["pids"]["stack"])
    return [processes.record_of(pid) for pid in [outputs["pids"]["stack"], *below]]


def _api(outputs: dict[str, Any], path: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {outputs['token']}"}
    return httpx.get(f"{outputs['api_url']}{path}", headers=headers, timeout=30)


def test_a_stack_comes_up_serves_and_leaves_nothing_behind(stack: Stack, environment: dict[str, str]) -> None:
    outputs = stack.start().outputs
    assert _api(outputs, "/me").status_code == 200
    assert httpx.get(outputs["site_url"]).text == "sample site"
    parameter = client("ssm", outputs["aws_endpoint_url"]).get_parameter(
        Name="/lora-pipeline/runpod-api-key", WithDecryption=True
    )
    assert parameter["Parameter"]["Value"] == outputs["runpod_api_key"]
    second = _command(stack, environment, "run")
    assert second.returncode == 0
    assert f"{outputs['site_url']}/sign-in#access_token={outputs['token']}" in second.stdout
    running = _processes(outputs)
    assert len(running) >= 5
    stack.stop()
    assert not [process for process in running if processes.is_running(process)]
    assert stack.outputs == {}


def test_the_owner_can_sign_in_with_the_printed_password(stack: Stack) -> None:
    outputs = stack.start().outputs
    cognito = client("cognito-idp", outputs["aws_endpoint_url"])
    reply = cognito.initiate_auth(
        ClientId=outputs["user_pool_client_id"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": outputs["owner_email"], "PASSWORD": outputs["owner_password"]},
    )
    assert reply["AuthenticationResult"]["AccessToken"]


def test_a_killed_stack_comes_back_with_its_data_urls_and_token(stack: Stack) -> None:
    before = stack.start().outputs
    table = client("dynamodb", before["aws_endpoint_url"])
    table.put_item(TableName="sample-jobs", Item={"id": {"S": "acknowledged"}})
    assert _api(before, "/health").status_code == 200
    running = _processes(before)
    stack.kill9()
    assert not [p for p in running if p.pid in before["pids"].values() and processes.is_running(p)]
    after = stack.start().outputs
    assert {k: v for k, v in after.items() if k != "pids"} == {k: v for k, v in before.items() if k != "pids"}
    assert table.get_item(TableName="sample-jobs", Key={"id": {"S": "acknowledged"}})["Item"]
    assert _api(after, "/me").status_code == 200


def test_servers_that_outlived_their_stack_are_cleared_at_the_next_start(stack: Stack) -> None:
    before = stack.start().outputs
    orphans = [processes.record_of(pid) for name, pid in before["pids"].items() if name != "stack"]
    os.kill(before["pids"]["stack"], 9)
    assert all(processes.is_running(orphan) for orphan in orphans)
    stack.start()
    assert not [orphan for orphan in orphans if processes.is_running(orphan)]


def test_stop_ends_a_stack_and_is_harmless_without_one(stack: Stack, environment: dict[str, str]) -> None:
    running = _processes(stack.start().outputs)
    stopped = _command(stack, environment, "stop")
    assert (stopped.returncode, "is stopped" in stopped.stdout) == (0, True)
    assert not [process for process in running if processes.is_running(process)]
    again = _command(stack, environment, "stop")
    assert (again.returncode, "No stack runs" in again.stdout) == (0, True)


def test_stop_spares_a_stranger_under_a_recorded_number(stack: Stack, environment: dict[str, str]) -> None:
    stack.home.path.mkdir(parents=True)
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        entry = {"pid": stranger.pid, "identity": "1 another process"}
        stack.home.processes.write_text(json.dumps({"aws": entry}))
        assert _command(stack, environment, "stop").returncode == 0
        assert stranger.poll() is None
    finally:
        stranger.communicate(b"\n")


def test_two_stacks_run_side_by_side(stack: Stack, tmp_path: Path, environment: dict[str, str]) -> None:
    first = stack.start().outputs
    with Stack(tmp_path / "other", environment=environment) as other:
        second = other.outputs
        client("dynamodb", first["aws_endpoint_url"]).put_item(
            TableName="sample-jobs", Item={"id": {"S": "one"}}
        )
        items = client("dynamodb", second["aws_endpoint_url"]).scan(TableName="sample-jobs")["Items"]
        assert items == []
        assert not {first[k] for k in ("site_url", "aws_endpoint_url", "runpod_url")} & {
            second[k] for k in ("site_url", "aws_endpoint_url", "runpod_url")
        }
    assert _api(first, "/me").status_code == 200


def test_a_first_deployment_cut_short_does_not_stand_in_the_way(stack: Stack) -> None:
    first = stack.start().outputs
    stack.kill9()
    # As if killed a moment earlier: the resources exist, and nobody knows that all of them do.
    stack.home.deployed.unlink()
    assert stack.start().outputs["bucket"] == first["bucket"]
    assert stack.home.deployed.exists()


def _broken_package(folder: Path) -> Path:
    """A package that CloudFormation refuses."""
    write_package(folder)
    document = json.loads((folder / "sam.json").read_text())
    document["Resources"]["Wrong"] = {"Type": "AWS::No::SuchThing"}
    (folder / "sam.json").write_text(json.dumps(document))
    return folder


def test_a_package_that_cannot_be_deployed_ends_the_start_with_the_reason(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    broken = _broken_package(tmp_path / "broken")
    failing = Stack(tmp_path / "home", environment={**environment, "LORA_PIPELINE_PACKAGE": str(broken)})
    with pytest.raises(StartFailedError, match="AWS::No::SuchThing"):
        failing.start()
    assert failing.outputs == {}


def test_a_used_port_is_named_with_what_to_do(tmp_path: Path, environment: dict[str, str]) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        occupied = Stack(tmp_path / "home", port=port, environment=environment)
        with pytest.raises(StartFailedError, match=f"Port {port} on 127.0.0.1 is in use"):
            occupied.start()


def test_a_part_that_ends_by_itself_ends_the_stack_with_its_name(stack: Stack) -> None:
    outputs = stack.start().outputs
    running = _processes(outputs)
    os.kill(outputs["pids"]["site"], 9)
    processes.wait_gone(processes.record_of(outputs["pids"]["stack"]), 60)
    assert not [process for process in running if processes.is_running(process)]
    assert "The site ended by itself" in stack.home.log("stack").read_text()


def _pod(stack: Stack) -> processes.Recorded:
    """The process of a pod that an earlier, killed stand-in of this state folder started."""
    folder = stack.home.runpod
    command = [
        sys.executable,
        "-m",
        "runpod_standin",
        "--port",
        "0",
        "--api-key",
        "key",
        "--phase-seconds",
        "0.05",
    ]
    started = subprocess.Popen(
        [*command, "--state-dir", str(folder), "--command", "sleep 300"],
        env=child_environment(),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
    )
    url = wait_until(lambda: read_json(folder / "standin.json").get("url"), "the stand-in says where it is")
    request = {"name": "n", "image": "i", "cloud": "SECURE", "gpu": {"id": "NVIDIA L40S", "count": 1}}
    made = httpx.post(f"{url}/v2/pods", json=request, headers={"Authorization": "Bearer key"})
    assert made.status_code == 201, made.text
    pod = wait_until(lambda: pods.living(str(url)), "the pod's process runs")[0]
    started.kill()
    started.wait()
    return pod


def test_pods_outlive_a_killed_stack_and_end_with_a_stopped_one(stack: Stack) -> None:
    pod = _pod(stack)
    stack.start()
    assert [found.pid for found in pods.living(stack.outputs["runpod_url"])] == [pod.pid]
    stack.kill9()
    assert processes.is_running(pod)
    stack.start()
    assert processes.is_running(pod)
    stack.stop()
    assert not processes.is_running(pod)


def test_stop_ends_the_pods_of_a_killed_stack(stack: Stack, environment: dict[str, str]) -> None:
    pod = _pod(stack)
    stack.start()
    stack.kill9()
    assert processes.is_running(pod)
    assert "is stopped" in _command(stack, environment, "stop").stdout
    assert not processes.is_running(pod)


def test_a_kill_may_include_the_pods(stack: Stack) -> None:
    pod = _pod(stack)
    stack.start()
    stack.kill9(include_pods=True)
    assert not processes.is_running(pod)


def test_a_start_that_fails_leaves_the_pods_alone(
    stack: Stack, tmp_path: Path, environment: dict[str, str]
) -> None:
    pod = _pod(stack)
    broken = {**environment, "LORA_PIPELINE_PACKAGE": str(_broken_package(tmp_path / "broken"))}
    with pytest.raises(StartFailedError, match="AWS::No::SuchThing"):
        Stack(stack.home.path, environment=broken).start()
    assert processes.is_running(pod)
    assert _command(stack, environment, "stop").returncode == 0
    assert not processes.is_running(pod)
