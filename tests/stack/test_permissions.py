"""What each function really asked of AWS, held against the policy it is deployed with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from ministack_launcher.call_recorder import MARK
from stack.places import REPOSITORY

from tests.stack.world import World

pytestmark = [pytest.mark.stack, pytest.mark.slow]

POLICIES = REPOSITORY / "backend" / ".chalice"
ACCOUNT = "000000000000"
# These are called by anybody who knows the client's id; IAM is not asked.
PUBLIC = {"InitiateAuth", "RespondToAuthChallenge", "GetUser", "RevokeToken", "GlobalSignOut"}
S3_ACTION = {
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
    "CopyObject": "PutObject",
    "UploadPartCopy": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListParts": "ListMultipartUploadParts",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "DeleteObjects": "DeleteObject",
}
PREFIX_OF_SERVICE = {"stepfunctions": "states", "sesv2": "ses"}
DURING_A_JOB = {
    "APIHandler",
    "ValidateDataset",
    "RefreshCatalog",
    "SettleBills",
    "SweepPods",
    "DispatchQueue",
    "ProvisionPod",
    "AwaitStage",
    "TerminatePod",
    "CollectArtifacts",
    "SettleJob",
}

Call = tuple[str, str, str]


def _filled(value: Any, outputs: dict[str, Any]) -> str:
    """A resource of a policy as the deployment fills it."""
    if isinstance(value, dict) and "Ref" in value:
        return f"arn:aws:sns:us-east-1:{ACCOUNT}:*" if value["Ref"] == "AlertsTopic" else str(value)
    text = value["Fn::Sub"] if isinstance(value, dict) else str(value)
    known = {
        "AWS::Partition": "aws",
        "AWS::Region": "us-east-1",
        "AWS::AccountId": ACCOUNT,
        "DeploymentName": outputs["deployment"],
    }
    for name, filled in known.items():
        text = text.replace(f"${{{name}}}", filled)
    return text


def _statements(function: str, outputs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(action, resource pattern) of everything a function may do."""
    config = json.loads((POLICIES / "config.json").read_text())
    functions = config["stages"]["live"]["lambda_functions"]
    file = functions["api_handler" if function == "APIHandler" else function]["iam_policy_file"]
    for statement in json.loads((POLICIES / file).read_text())["Statement"]:
        assert statement["Effect"] == "Allow"
        resources = statement["Resource"]
        for resource in resources if isinstance(resources, list) else [resources]:
            for action in statement["Action"]:
                yield action, _filled(resource, outputs)


def _resource(service: str, named: dict[str, str], outputs: dict[str, Any]) -> str:
    here = f"us-east-1:{ACCOUNT}"
    if service == "dynamodb":
        index = f"/index/{named['IndexName']}" if "IndexName" in named else ""
        return f"arn:aws:dynamodb:{here}:table/{named['TableName']}{index}"
    if service == "s3":
        return f"arn:aws:s3:::{named['Bucket']}" + (f"/{named['Key']}" if "Key" in named else "")
    if service == "ssm":
        return f"arn:aws:ssm:{here}:parameter{named['Name']}"
    if service == "states":
        return named.get("executionArn") or str(outputs["state_machine_arn"])
    return named.get("TopicArn") or f"arn:aws:{service}:{here}:identity/any"


def _calls(world: World) -> set[Call]:
    """(function, action, resource) of every call in the logs."""
    found: set[Call] = set()
    for line in world.log_lines():
        group, _, text = line.partition(": ")
        if not text.startswith(MARK):
            continue
        call = json.loads(text.removeprefix(MARK))
        service = PREFIX_OF_SERVICE.get(call["service"], call["service"])
        operation = call["operation"]
        if operation in PUBLIC:
            continue
        action = f"{service}:{S3_ACTION.get(operation, operation) if service == 's3' else operation}"
        resource = _resource(service, call["resource"], world.outputs)
        found.add((group.rpartition("-")[2], action, resource))
    return found


@pytest.fixture(scope="module")
def calls(running: World, dataset: dict[str, Any]) -> set[Call]:
    """Everything that was asked so far; at least a whole job, and each schedule once."""
    if "CollectArtifacts" not in {function for function, _, _ in _calls(running)}:
        job_id = running.api.start(dataset["id"], running.gpu(), "Permissions", epochs=1)
        job = running.api.until_completed(job_id)
        running.until_execution_ended(f"{job_id}-r{job['run']}")
    for schedule in (
        "DispatchQueue",
        "SweepPods",
        "RefreshCatalog",
        "SettleBills",
        "RebuildJobsIndex",
        "ExpireUploads",
    ):
        running.invoke(schedule)
    running.api.get("/jobs")
    return _calls(running)


def test_every_function_of_a_job_was_seen_calling_aws(calls: set[Call]) -> None:
    assert {function for function, _, _ in calls} >= DURING_A_JOB


def test_no_function_asked_for_more_than_its_policy_allows(world: World, calls: set[Call]) -> None:
    refused = []
    for function, action, resource in sorted(calls):
        allowed = list(_statements(function, world.outputs))
        if not any(a == action and fnmatchcase(resource, pattern) for a, pattern in allowed):
            refused.append((function, action, resource))
    assert refused == []
