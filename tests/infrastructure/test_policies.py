"""The hand-written IAM policies: each function family may do what its code does, on its own resources, and no more."""

from __future__ import annotations

import ast
import json
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "backend" / "chalicelib"
POLICIES = ROOT / "backend" / ".chalice"

ENTRIES = {
    "api": ("routes/*.py",),
    "steps": ("steps/*.py",),
    "schedules": ("schedules.py",),
    "datasets": ("storage_events.py",),
}

NAMES = {
    "${AWS::Partition}": "aws",
    "${AWS::Region}": "us-east-1",
    "${AWS::AccountId}": "1",
    "${DeploymentName}": "d",
}
DYNAMO = "arn:aws:dynamodb:us-east-1:1:table/d-"
BUCKET = "arn:aws:s3:::d-data-1"
MACHINE = "arn:aws:states:us-east-1:1:stateMachine:d-training-job"
EXECUTION = "arn:aws:states:us-east-1:1:execution:d-training-job:job_1-r1"

Need = tuple[str, str]


def table(name: str, *actions: str, indexes: tuple[str, ...] = ()) -> set[Need]:
    found = {(f"dynamodb:{action}", DYNAMO + name) for action in actions}
    return found | {("dynamodb:Query", f"{DYNAMO}{name}/index/{index}") for index in indexes}


def on(resource: str, *actions: str) -> set[Need]:
    return {(action, resource) for action in actions}


# What each port of bootstrap.py may ask of AWS. A transaction needs the permission of each write in it.
PORTS: dict[str, set[Need]] = {
    "jobs": table("jobs", "GetItem", "PutItem", indexes=("by_status", "by_changed_at", "by_dataset"))
    | table("settings", "GetItem", "PutItem"),
    "progress": table("progress", "GetItem", "PutItem", "DeleteItem")
    | table("events", "PutItem", "Query", "BatchWriteItem")
    | table("metrics", "PutItem", "Query", "BatchWriteItem"),
    "attempts": table("attempts", "GetItem", "PutItem", "Query"),
    "datasets": table("datasets", "GetItem", "PutItem", indexes=("by_created",)),
    "models": table("models", "GetItem", "PutItem", indexes=("by_created",)),
    "users": table("users", "GetItem", "PutItem", "Scan", indexes=("by_email",)),
    "tokens": table("tokens", "GetItem", "PutItem", "DeleteItem", indexes=("by_user",)),
    "notifications": table("notifications", "GetItem", "PutItem", "Query", indexes=("unread",)),
    "terminations": table("terminations", "PutItem", "Query", "DeleteItem"),
    "costs": table("cost_records", "PutItem", "Query"),
    "budgets": table("settings", "GetItem", "PutItem"),
    "audit": table("audit_log", "PutItem"),
    "queue_events": table("queue_events", "PutItem", "Query"),
    "approvals": table("approvals", "GetItem", "PutItem", indexes=("by_subject", "by_shelf")),
    "documents": table("settings", "GetItem", "PutItem"),
    "replies": table("idempotency", "GetItem", "PutItem", "UpdateItem", "DeleteItem"),
    "cloud": on("arn:aws:ssm:us-east-1:1:parameter/d/runpod-api-key", "ssm:GetParameter"),
    "secret": on("arn:aws:ssm:us-east-1:1:parameter/d/webhook-secret", "ssm:GetParameter"),
    "workflow": on(MACHINE, "states:StartExecution")
    | on(MACHINE, "states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat")
    | on(EXECUTION, "states:DescribeExecution"),
    "notifier": on("arn:aws:ses:us-east-1:1:identity/example.com", "ses:SendEmail")
    | on("AlertsTopic", "sns:Publish"),
    # Signing in needs no permission: these operations of Cognito are for anyone who knows the client's id.
    "sign_in": set(),
    "clock": set(),
    "logger": set(),
}
# What a family does with objects, by key: `files` alone does not say which.
ALL_OBJECT_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
OBJECTS: dict[str, set[Need]] = {
    "api": on(f"{BUCKET}/datasets/ds_1/source.jsonl", *ALL_OBJECT_ACTIONS)
    | on(f"{BUCKET}/jobs/job_1/attempts/1/artifacts/x", *ALL_OBJECT_ACTIONS)
    | on(f"{BUCKET}/read-models/jobs-1.sqlite", "s3:GetObject")
    | on(f"{BUCKET}/exports/usr_1/exp_1.csv", "s3:GetObject", "s3:PutObject")
    | on(BUCKET, "s3:ListBucket"),
    "steps": on(
        f"{BUCKET}/jobs/job_1/attempts/1/artifacts/x", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"
    )
    | on(f"{BUCKET}/datasets/ds_1/source.jsonl", "s3:GetObject")
    | on(BUCKET, "s3:ListBucket"),
    "schedules": on(f"{BUCKET}/read-models/jobs-1.sqlite", "s3:GetObject", "s3:PutObject", "s3:DeleteObject")
    | on(f"{BUCKET}/datasets/ds_1/source.jsonl", *ALL_OBJECT_ACTIONS)
    | on(BUCKET, "s3:ListBucket"),
    # The file of a dataset that was deleted meanwhile is removed by whoever sees it land.
    "datasets": on(f"{BUCKET}/datasets/ds_1/source.jsonl", "s3:GetObject", "s3:DeleteObject")
    | on(BUCKET, "s3:ListBucket"),
}
S3_ACTIONS = {
    "head_object": "s3:GetObject",
    "get_object": "s3:GetObject",
    "put_object": "s3:PutObject",
    # It reads what it copies too; every family that may write may read.
    "copy": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "delete_objects": "s3:DeleteObject",
    "list_objects_v2": "s3:ListBucket",
    "upload_part": "s3:PutObject",
}
NO_REQUEST = {"generate_presigned_url", "get_paginator"}
OTHER_CALLS = {
    "step_functions.py": {
        "start_execution",
        "describe_execution",
        "send_task_success",
        "send_task_failure",
        "send_task_heartbeat",
    },
    "notifications.py": {"send_email", "publish"},
    "cognito.py": {
        "initiate_auth",
        "respond_to_auth_challenge",
        "revoke_token",
        "forgot_password",
        "confirm_forgot_password",
        "get_user",
    },
}
# Operations that IAM does not decide on, and two that only "*" can name.
UNSCOPED = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}


@cache
def statements(family: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((POLICIES / f"policy-{family}.json").read_text())["Statement"]
    return found


def resolved(resource: Any) -> str:
    if isinstance(resource, dict):
        text = str(resource.get("Fn::Sub") or resource["Ref"])
        for name, value in NAMES.items():
            text = text.replace(name, value)
        return text
    return str(resource)


def is_allowed(policy: list[dict[str, Any]], need: Need) -> bool:
    action, resource = need
    return any(
        any(fnmatchcase(action, pattern) for pattern in statement["Action"])
        and any(fnmatchcase(resource, resolved(entry)) for entry in statement["Resource"])
        for statement in policy
        if statement["Effect"] == "Allow"
    )


@cache
def imports_and_ports(path: Path) -> tuple[frozenset[Path], frozenset[str]]:
    """(modules of ours that this one imports, names it takes from bootstrap)."""
    modules: set[Path] = set()
    ports: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chalicelib"):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            modules |= {LIBRARY.parent / f"{name.replace('.', '/')}.py" for name in names}
        is_attribute = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if is_attribute and node.value.id == "bootstrap":  # type: ignore[attr-defined]
            ports.add(node.attr)  # type: ignore[attr-defined]
    return frozenset(module for module in modules if module.exists()), frozenset(ports)


def ports_of(family: str) -> set[str]:
    """Every port that the family's entry modules, and what they import, take from bootstrap."""
    waiting = [path for pattern in ENTRIES[family] for path in LIBRARY.glob(pattern)]
    assert waiting, f"{family} has entry modules"
    seen: set[Path] = set()
    ports: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen or path.name == "bootstrap.py":
            continue
        seen.add(path)
        modules, taken = imports_and_ports(path)
        ports |= taken
        waiting.extend(modules)
    return ports


def needs_of(family: str) -> set[Need]:
    needs: set[Need] = set()
    for port in ports_of(family):
        if port == "files":
            needs |= OBJECTS[family]
        elif port == "jobs_index":
            needs |= PORTS["jobs"] | OBJECTS[family]
        else:
            assert port in PORTS, f"say in PORTS what bootstrap.{port} asks of AWS"
            needs |= PORTS[port]
    return needs


@pytest.mark.parametrize("family", ENTRIES)
def test_each_family_may_do_what_its_code_does(family: str) -> None:
    policy = statements(family)
    needs = {need for need in needs_of(family) if need != ("dynamodb:Scan", DYNAMO + "users")}
    assert needs, "the family talks to AWS"
    refused = sorted(need for need in needs if not is_allowed(policy, need))
    assert refused == []


def test_only_the_api_and_the_schedules_may_scan_and_only_the_people() -> None:
    for family in ENTRIES:
        may_scan = {
            name for name in table_names() if is_allowed(statements(family), ("dynamodb:Scan", DYNAMO + name))
        }
        assert may_scan == ({"users"} if family in {"api", "schedules"} else set())


def table_names() -> set[str]:
    resources = json.loads((ROOT / "infrastructure" / "tables.json").read_text())["Resources"].values()
    return {
        entry["Properties"]["TableName"]["Fn::Sub"].removeprefix("${DeploymentName}-") for entry in resources
    }


@pytest.mark.parametrize("family", ENTRIES)
def test_a_policy_never_reaches_beyond_the_deployment(family: str) -> None:
    for statement in statements(family):
        actions = set(statement["Action"])
        assert not [action for action in actions if "*" in action], "actions are named one by one"
        for resource in map(resolved, statement["Resource"]):
            if resource == "*":
                assert actions <= UNSCOPED
            elif resource.endswith(":identity/*"):
                assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "MailFrom"}}}
            else:
                assert resource == "AlertsTopic" or re.search(r"[:/]d[-/]", resource), resource


def test_the_evaluator_refuses_what_a_policy_leaves_out() -> None:
    policy = statements("datasets")
    assert is_allowed(policy, ("dynamodb:PutItem", DYNAMO + "datasets"))
    assert not is_allowed(policy, ("dynamodb:PutItem", DYNAMO + "jobs"))
    assert not is_allowed(policy, ("s3:DeleteObject", f"{BUCKET}/jobs/job_1/x"))
    assert not is_allowed(policy, ("ssm:GetParameter", "arn:aws:ssm:us-east-1:1:parameter/d/runpod-api-key"))


def test_every_call_of_the_adapters_is_one_the_tables_here_know() -> None:
    """A new call to AWS must be entered here, and so be held against the policies."""
    adapters = LIBRARY / "adapters"
    calls = re.compile(r"(?:client|_client|_ses|_sns|_sfn)\.([a-z][a-z0-9_]+)\(")
    for path in adapters.glob("*.py"):
        made = set(calls.findall(path.read_text())) - NO_REQUEST
        if path.name == "s3_files.py":
            assert made <= set(S3_ACTIONS), path.name
        elif not path.name.startswith("runpod"):
            assert made <= OTHER_CALLS.get(path.name, set()), path.name
    for action in S3_ACTIONS.values():
        assert any(action == need[0] for need in OBJECTS["api"]), action


def test_every_port_of_bootstrap_is_accounted_for() -> None:
    tree = ast.parse((LIBRARY / "bootstrap.py").read_text())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert functions - set(PORTS) <= {"files", "jobs_index"}
