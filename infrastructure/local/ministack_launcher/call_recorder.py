"""Runs inside a Lambda worker when RECORD_AWS_CALLS is set: one log line for each AWS call, to be held against
the function's permissions. A link that is signed counts as the call it allows.

Loaded by path from `worker_main.py`; it imports nothing of this project, only the function's own botocore.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from typing import Any

MARK = "AWS_CALL "
# What names a resource; values of items and secrets never reach the log.
NAMING = (
    "TableName",
    "IndexName",
    "Bucket",
    "Key",
    "Prefix",
    "Name",
    "stateMachineArn",
    "executionArn",
    "TopicArn",
    "UserPoolId",
)


def _named(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {name: parameters[name] for name in NAMING if isinstance(parameters.get(name), str)}


def _tell(service: str, operation: str, parameters: Mapping[str, Any]) -> None:
    calls = [(operation, _named(parameters))]
    if operation == "TransactWriteItems":
        # A transaction needs the permission of each write in it.
        calls = [
            (kind if kind.endswith("Item") else f"{kind}Item", _named(write))
            for item in parameters["TransactItems"]
            for kind, write in item.items()
        ]
    if operation == "BatchWriteItem":
        calls = [(operation, {"TableName": table}) for table in parameters["RequestItems"]]
    if operation == "DeleteObjects":
        calls = [
            (operation, {"Bucket": parameters["Bucket"], "Key": item["Key"]})
            for item in parameters["Delete"]["Objects"]
        ]
    for name, resource in calls:
        line = json.dumps({"service": service, "operation": name, "resource": resource})
        sys.stderr.write(f"{MARK}{line}\n")


def install() -> None:
    """Let botocore tell of every call and of every presigned link."""
    client: Any = importlib.import_module("botocore.client").BaseClient
    signers: Any = importlib.import_module("botocore.signers")
    call, presign = client._make_api_call, signers.generate_presigned_url

    def make_api_call(self: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
        _tell(self.meta.service_model.service_name, operation, parameters)
        return call(self, operation, parameters)

    def generate_presigned_url(self: Any, ClientMethod: str, Params: Any = None, **rest: Any) -> Any:  # noqa: N803
        operation = self.meta.method_to_api_mapping[ClientMethod]
        _tell(self.meta.service_model.service_name, operation, Params or {})
        return presign(self, ClientMethod, Params, **rest)

    client._make_api_call = make_api_call
    signers.generate_presigned_url = generate_presigned_url
