"""The packaged template on the stand-in: created, left alone, updated, refused; and what its import must
keep.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from stack.deployment import DeploymentError, Package, deploy
from stack.run import local_stage_url

from tests.local_stack.sample_package import template, write_package
from tests.local_stack.stand_in import StandIn

pytestmark = pytest.mark.stack

PARAMETERS = {"OwnerEmail": "owner@example.com", "PublicUrl": "http://127.0.0.1:1", "NotDeclared": "left out"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The sample, packaged once."""
    return Package(write_package(tmp_path_factory.mktemp("package")))


@pytest.fixture(scope="module")
def deployed(corrected: StandIn, package: Package) -> dict[str, str]:
    """The sample's outputs on the corrected stand-in."""
    return deploy(corrected.url, "sample", package, PARAMETERS)


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """A client for the sample's routes."""
    with httpx.Client(timeout=30) as client:
        yield client


def _statuses(server: StandIn) -> list[str]:
    events = server.client("cloudformation").describe_stack_events(StackName="sample")["StackEvents"]
    return [event["ResourceStatus"] for event in events if event["LogicalResourceId"] == "sample"]


def test_an_unchanged_package_is_left_alone(
    corrected: StandIn, package: Package, deployed: dict[str, str]
) -> None:
    before = _statuses(corrected)
    assert deploy(corrected.url, "sample", package, PARAMETERS) == deployed
    assert _statuses(corrected) == before


def test_a_changed_package_updates_in_place(
    corrected: StandIn, package: Package, deployed: dict[str, str], tmp_path: Path
) -> None:
    dynamodb = corrected.client("dynamodb")
    dynamodb.put_item(TableName="sample-jobs", Item={"id": {"S": "kept"}})
    changed = write_package(tmp_path / "changed")
    document = json.loads((changed / "sam.json").read_text())
    document["Resources"]["StepFunction"]["Properties"]["Timeout"] = 11
    (changed / "sam.json").write_text(json.dumps(document))
    assert deploy(corrected.url, "sample", Package(changed), PARAMETERS) == deployed
    assert _statuses(corrected)[0] == "UPDATE_COMPLETE"
    assert dynamodb.get_item(TableName="sample-jobs", Key={"id": {"S": "kept"}})["Item"]
    function = corrected.client("lambda").get_function(FunctionName=deployed["StepFunctionName"])
    assert function["Configuration"]["Timeout"] == 11
    assert deploy(corrected.url, "sample", package, PARAMETERS) == deployed


def test_a_template_with_an_unknown_resource_is_refused_by_name(corrected: StandIn, tmp_path: Path) -> None:
    folder = write_package(tmp_path / "faulty")
    document = template()
    document["Resources"]["Wrong"] = {"Type": "AWS::No::SuchThing"}
    (folder / "sam.json").write_text(json.dumps(document))
    with pytest.raises(DeploymentError, match=r"AWS::No::SuchThing"):
        deploy(corrected.url, "faulty", Package(folder), PARAMETERS)


def test_a_resource_that_fails_is_named_with_its_reason(
    corrected: StandIn, package: Package, deployed: dict[str, str]
) -> None:
    for _ in range(2):
        with pytest.raises(DeploymentError, match=r"Files \(AWS::S3::Bucket\): .*already exists"):
            deploy(corrected.url, "second-of-the-same-names", package, PARAMETERS)


def test_a_missing_package_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make package"):
        Package(tmp_path).require()


def _preflight(http: httpx.Client, stage_url: str) -> httpx.Headers:
    asked = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    return http.options(f"{stage_url}/api/echo", headers=asked).headers


def _echoed(http: httpx.Client, stage_url: str, body: bytes) -> bytes:
    sent = {"Content-Type": "application/octet-stream", "Accept": "application/octet-stream"}
    return http.post(f"{stage_url}/api/echo", content=body, headers=sent).content


def test_a_preflight_has_the_headers_of_the_document(
    corrected: StandIn, deployed: dict[str, str], http: httpx.Client
) -> None:
    headers = _preflight(http, local_stage_url(deployed["ApiUrl"], corrected.url))
    assert headers["Access-Control-Allow-Origin"] == "https://example.com"
    assert headers["Access-Control-Allow-Methods"] == "GET,POST,OPTIONS"


def test_a_binary_body_arrives_and_returns_unharmed(
    corrected: StandIn, deployed: dict[str, str], http: httpx.Client
) -> None:
    body = bytes(range(256))
    assert _echoed(http, local_stage_url(deployed["ApiUrl"], corrected.url), body) == body


def test_stock_import_loses_preflight_headers_and_binary_bodies(
    stock: StandIn, package: Package, http: httpx.Client
) -> None:
    stage_url = local_stage_url(deploy(stock.url, "sample", package, PARAMETERS)["ApiUrl"], stock.url)
    assert _preflight(http, stage_url).get("Access-Control-Allow-Methods") != "GET,POST,OPTIONS"
    assert _echoed(http, stage_url, bytes(range(256))) != bytes(range(256))
