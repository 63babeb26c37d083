"""Deploys the packaged CloudFormation template to the AWS stand-in, unchanged but for where the code lies."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from stack.places import ACCESS_KEY, REGION

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

CODE_BUCKET = "lora-pipeline-deployments"
FINGERPRINT_TAG = "fingerprint"
# CloudFormation's limit for a template in the request; a longer one goes through S3.
INLINE_TEMPLATE_BYTES = 51_200
POLL_SECONDS = 0.1
TIMEOUT_SECONDS = 180.0
USABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
# A stack whose creation never finished holds nothing of a user's yet.
NEVER_CREATED = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")


class DeploymentError(RuntimeError):
    """The template could not be deployed; the message holds what CloudFormation said of each resource."""


def client(service: Any, endpoint_url: str) -> Any:
    """A boto3 client of the stand-in."""
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=ACCESS_KEY,
        config=Config(retries={"max_attempts": 2}, s3={"addressing_style": "path"}),
    )


@dataclass(frozen=True)
class Package:
    """A packaged application: `sam.json` and `deployment.zip` in one folder."""

    folder: Path

    def require(self) -> None:
        """Raise FileNotFoundError, saying what to do, when there is no package yet."""
        for path in (self.folder / "sam.json", self.folder / "deployment.zip"):
            if not path.exists():
                raise FileNotFoundError(f"There is no package at {path}. Make it with: make package")

    def template(self, code_uri: str) -> dict[str, Any]:
        """The template with every local CodeUri replaced."""
        template: dict[str, Any] = json.loads((self.folder / "sam.json").read_text(encoding="utf-8"))
        for resource in template["Resources"].values():
            uri = resource.get("Properties", {}).get("CodeUri")
            if isinstance(uri, str) and not uri.startswith("s3://"):
                resource["Properties"]["CodeUri"] = code_uri
        return template

    def code(self) -> bytes:
        """The zip of the functions."""
        return (self.folder / "deployment.zip").read_bytes()


def deploy(endpoint_url: str, name: str, package: Package, parameters: Mapping[str, str]) -> dict[str, str]:
    """Bring the stack to the package and parameters, and return its outputs; quick when it is there already.

    Parameters the template does not declare are left out. Raises DeploymentError.
    """
    code = package.code()
    code_key = f"{hashlib.sha256(code).hexdigest()}.zip"
    template = package.template(f"s3://{CODE_BUCKET}/{code_key}")
    declared = template.get("Parameters", {})
    given = {key: value for key, value in sorted(parameters.items()) if key in declared}
    fingerprint = hashlib.sha256(json.dumps([template, given], sort_keys=True).encode()).hexdigest()
    cloudformation: CloudFormationClient = client("cloudformation", endpoint_url)
    stack = _find(cloudformation, name)
    if stack is not None and _is_current(stack, fingerprint):
        return _outputs(stack)
    if stack is not None and stack["StackStatus"] in NEVER_CREATED:
        cloudformation.delete_stack(StackName=name)
        _wait_settled(cloudformation, name)
        stack = None
    body = _upload(endpoint_url, template, code, code_key)
    _change(cloudformation, name, stack, {**body, **_request(given, fingerprint)})
    changed = _wait_settled(cloudformation, name)
    if changed is None or changed["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise DeploymentError(_failures(cloudformation, name, changed))
    return _outputs(changed)


def _find(cloudformation: CloudFormationClient, name: str) -> StackTypeDef | None:
    try:
        stacks = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return stacks[0] if stacks and stacks[0]["StackStatus"] != "DELETE_COMPLETE" else None


def _is_current(stack: StackTypeDef, fingerprint: str) -> bool:
    tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
    return stack["StackStatus"] in USABLE[:2] and tags.get(FINGERPRINT_TAG) == fingerprint


def _outputs(stack: StackTypeDef) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _upload(endpoint_url: str, template: dict[str, Any], code: bytes, code_key: str) -> dict[str, str]:
    s3 = client("s3", endpoint_url)
    s3.create_bucket(Bucket=CODE_BUCKET)
    for old in s3.list_objects_v2(Bucket=CODE_BUCKET).get("Contents", []):
        s3.delete_object(Bucket=CODE_BUCKET, Key=old["Key"])
    s3.put_object(Bucket=CODE_BUCKET, Key=code_key, Body=code)
    body = json.dumps(template)
    if len(body.encode()) <= INLINE_TEMPLATE_BYTES:
        return {"TemplateBody": body}
    s3.put_object(Bucket=CODE_BUCKET, Key="template.json", Body=body.encode())
    return {"TemplateURL": f"{endpoint_url}/{CODE_BUCKET}/template.json"}


def _request(parameters: Mapping[str, str], fingerprint: str) -> dict[str, Any]:
    return {
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        "Tags": [{"Key": FINGERPRINT_TAG, "Value": fingerprint}],
    }


def _change(
    cloudformation: CloudFormationClient, name: str, stack: StackTypeDef | None, request: dict[str, Any]
) -> None:
    is_new = stack is None or stack["StackStatus"] == "REVIEW_IN_PROGRESS"
    change_set = f"deploy-{time.time_ns()}"
    try:
        cloudformation.create_change_set(
            StackName=name,
            ChangeSetName=change_set,
            ChangeSetType="CREATE" if is_new else "UPDATE",
            **request,
        )
    except ClientError as error:
        raise DeploymentError(f"CloudFormation refused the template of '{name}': {error}") from error
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        described = cloudformation.describe_change_set(StackName=name, ChangeSetName=change_set)
        if described["Status"] == "CREATE_COMPLETE":
            break
        if described["Status"] == "FAILED" or time.monotonic() > deadline:
            reason = described.get("StatusReason", "no reason given")
            raise DeploymentError(f"CloudFormation refused the template of '{name}': {reason}")
        time.sleep(POLL_SECONDS)
    cloudformation.execute_change_set(StackName=name, ChangeSetName=change_set)


def _wait_settled(cloudformation: CloudFormationClient, name: str) -> StackTypeDef | None:
    """The stack when nothing is in progress any more; None when it is gone."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        stack = _find(cloudformation, name)
        if stack is None or not stack["StackStatus"].endswith("IN_PROGRESS"):
            return stack
        if time.monotonic() > deadline:
            raise DeploymentError(
                f"The stack '{name}' is still {stack['StackStatus']} after {TIMEOUT_SECONDS:g} s."
            )
        time.sleep(POLL_SECONDS)


def _failures(cloudformation: CloudFormationClient, name: str, stack: StackTypeDef | None) -> str:
    status = stack["StackStatus"] if stack else "gone"
    lines = [f"The deployment of '{name}' ended as {status}."]
    if stack is not None:
        for event in cloudformation.describe_events(StackName=stack["StackId"])["OperationEvents"]:
            reason = event.get("ValidationStatusReason") or event.get("ResourceStatusReason")
            failed = "FAILED" in (event.get("ResourceStatus", ""), event.get("ValidationStatus", ""))
            if reason and (failed or event.get("ResourceStatus", "").endswith("_FAILED")):
                lines.append(f"  {event['LogicalResourceId']} ({event.get('ResourceType', '?')}): {reason}")
    return "\n".join(lines)
