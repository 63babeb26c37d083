"""The client's requests and the stand-in's replies, held against RunPod's own OpenAPI document.

The document is RunPod's and not part of this repository: RUNPOD_OPENAPI names a copy.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from chalicelib.adapters.runpod import RunpodCloud
from chalicelib.domain.errors import ProviderError
from chalicelib.domain.gpu import PodRequest, Tier

from tests.runpod_standin.openapi import OpenApiDocument
from tests.runpod_standin.pods import L40S, body, create, wait_until_up
from tests.runpod_standin.process import API_KEY, StandInProcess
from tests.runpod_standin.waiting import wait_until

_DOCUMENT = os.environ.get("RUNPOD_OPENAPI")
pytestmark = pytest.mark.skipif(
    not _DOCUMENT, reason="RUNPOD_OPENAPI is not set: no copy of RunPod's OpenAPI document to hold against"
)


@pytest.fixture(scope="module")
def document() -> OpenApiDocument:
    assert _DOCUMENT
    return OpenApiDocument(Path(_DOCUMENT))


@dataclass
class Wiretap(httpx.BaseTransport):
    """Passes calls on to the stand-in and checks both directions on the way."""

    document: OpenApiDocument
    checked: set[tuple[str, str, int]] = field(default_factory=set)
    _line: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        template = template_of(request.url.path)
        if request.content:
            self.document.check_request(request.method, template, json.loads(request.content))
        # Cursor and page size came after this copy of the document was made.
        names = set(request.url.params) - {"limit", "cursor"}
        self.document.check_query(request.method, template, names)
        reply = self._line.handle_request(request)
        content_type = reply.headers.get("content-type", "")
        if content_type.startswith("text/event-stream"):
            return reply
        parsed = json.loads(reply.read()) if reply.read() else None
        self.document.check_reply(request.method, template, reply.status_code, content_type, parsed)
        self.checked.add((request.method, template, reply.status_code))
        return httpx.Response(
            reply.status_code, headers=reply.headers, content=reply.content, request=request
        )

    def close(self) -> None:
        self._line.close()


def template_of(path: str) -> str:
    return re.sub(r"(?<=/v2/pods/)[^/]+", "{id}", path)


@pytest.fixture
def wiretap(document: OpenApiDocument) -> Iterator[Wiretap]:
    tap = Wiretap(document)
    yield tap
    tap.close()


def request_for(**changes: Any) -> PodRequest:
    return PodRequest(
        **{
            "name": "conforming",
            "image": "i",
            "gpu_id": L40S,
            "gpu_count": 1,
            "tier": Tier.SPOT,
            "env": {"A": "1"},
            **changes,
        }
    )


REQUESTS = {
    "plain": request_for(),
    "on demand, two GPUs": request_for(tier=Tier.ON_DEMAND, gpu_count=2),
    "every wish": request_for(
        data_center_ids=("EU-RO-1",), network_volume_id="vol1", args="python -m trainer"
    ),
    "no CUDA floor, no environment": request_for(min_cuda_version=None, env={}),
}


@pytest.mark.parametrize("request_name", REQUESTS)
def test_what_the_client_sends_and_gets_over_a_pod_s_life_conforms(
    standin: StandInProcess, wiretap: Wiretap, request_name: str
) -> None:
    with httpx.Client(transport=wiretap) as http:
        cloud = RunpodCloud(standin.url, API_KEY, http=http, log_idle_seconds=0.3)
        pod = cloud.create(REQUESTS[request_name])
        assert cloud.get(pod.id)
        wait_until_up(standin, pod.id)
        assert cloud.get(pod.id)
        assert cloud.list("conforming")
        assert cloud.catalogue()
        assert cloud.billing(pod.id)
        assert cloud.logs(pod.id)
        cloud.delete(pod.id)
        cloud.delete(pod.id)
        assert cloud.get(pod.id) is None
    assert wiretap.checked == {
        ("POST", "/v2/pods", 201),
        ("GET", "/v2/pods/{id}", 200),
        ("GET", "/v2/pods", 200),
        ("GET", "/v2/catalog/gpus", 200),
        ("GET", "/v2/billing/pods", 200),
        ("DELETE", "/v2/pods/{id}", 204),
        ("DELETE", "/v2/pods/{id}", 404),
        ("GET", "/v2/pods/{id}", 404),
    }


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("no_capacity", 400),
        ("balance_402", 402),
        ("key_401", 401),
        ("access_denied_403", 403),
        ("unprocessable_422", 422),
        ("throttle_429", 429),
        ("error_500_after", 500),
    ],
)
def test_every_refusal_conforms(standin: StandInProcess, wiretap: Wiretap, fault: str, status: int) -> None:
    standin.arm(fault, 1)
    with httpx.Client(transport=wiretap) as http, pytest.raises(ProviderError):
        RunpodCloud(standin.url, API_KEY, http=http).create(request_for())
    assert wiretap.checked == {("POST", "/v2/pods", status)}


@pytest.mark.parametrize(
    ("strike", "status"),
    [("spot_kill_no_term", "EXITED"), ("error_status", "ERROR"), ("stuck_provisioning", "PROVISIONING")],
)
def test_pods_in_every_condition_conform(
    standin: StandInProcess, document: OpenApiDocument, strike: str, status: str
) -> None:
    standin.arm(strike, 1)
    wanted = body(ports=["22/tcp", "8000/http"], mounts={"network": [{"volumeId": "v", "path": "/w"}]})
    pod_id = create(standin, **wanted)
    path = f"/v2/pods/{pod_id}"

    def is_struck() -> bool:
        reply = standin.call("GET", path)
        document.check_reply("GET", "/v2/pods/{id}", 200, reply.headers["content-type"], reply.json())
        return standin.fired(strike) == 1 and reply.json()["status"] == status

    wait_until(is_struck, f"the pod is {status}")


def test_actions_conform(standin: StandInProcess, document: OpenApiDocument) -> None:
    pod_id = create(standin)
    wait_until_up(standin, pod_id)
    for action, status in (("restart", 200), ("stop", 200), ("stop", 409), ("hop", 422), ("terminate", 204)):
        reply = standin.call("POST", f"/v2/pods/{pod_id}/action", {"action": action})
        parsed = reply.json() if reply.content else None
        media = reply.headers.get("content-type", "")
        assert reply.status_code == status
        document.check_reply("POST", "/v2/pods/{id}/action", status, media, parsed)


def test_the_judge_notices_what_does_not_conform(document: OpenApiDocument) -> None:
    with pytest.raises(jsonschema.ValidationError):
        document.check_request("POST", "/v2/pods", {"name": "n", "image": "i", "interruptible": True})
    with pytest.raises(jsonschema.ValidationError):
        document.check_reply("GET", "/v2/pods/{id}", 200, "application/json", {"id": "x"})
    with pytest.raises(AssertionError):
        document.check_query("GET", "/v2/pods", {"bogus"})
    with pytest.raises(AssertionError):
        document.check_reply("GET", "/v2/pods", 200, "text/html", {})
