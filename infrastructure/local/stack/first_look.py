"""What a schedule would do within a minute or an hour, asked for at once when a stack has come up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.deployment import client

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# Live prices first; then the sweeper, which picks up the jobs of a stack that was killed.
AT_START = ("RefreshCatalog", "SweepPods")


def request(aws_url: str, deployment: str) -> list[str]:
    """Invoke the functions without waiting for them; the names of those the deployment has."""
    functions: LambdaClient = client("lambda", aws_url)
    wanted = [f"{deployment}-{name}" for name in AT_START]
    pages = functions.get_paginator("list_functions").paginate()
    deployed = {entry["FunctionName"] for page in pages for entry in page["Functions"]}
    present = [name for name in wanted if name in deployed]
    for name in present:
        functions.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    return present
