"""The CloudFormation fragments of this folder as one document that `chalice package` merges into its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FRAGMENTS = (
    "parameters",
    "tables",
    "storage",
    "auth",
    "state_machine",
    "functions",
    "schedules",
    "api",
    "alarms",
)
PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9]+)\}")


class PackagingError(Exception):
    """The package cannot be built; the message says which file is wrong and what to do."""


def read_json(path: Path) -> Any:
    """The JSON document of a file. PackagingError names the file and line when it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PackagingError(f"{path} is missing, and the package needs it.") from error
    except ValueError as error:
        raise PackagingError(f"{path} is not JSON: {error}.") from error


def merge(first: Mapping[str, Any], second: Mapping[str, Any], at: str = "template") -> dict[str, Any]:
    """Both documents as one. PackagingError when both give a value for the same place."""
    merged = dict(first)
    for key, value in second.items():
        place = f"{at}.{key}"
        if key not in merged:
            merged[key] = value
        elif isinstance(merged[key], Mapping) and isinstance(value, Mapping):
            merged[key] = merge(merged[key], value, place)
        else:
            raise PackagingError(f"Two template fragments both set {place}.")
    return merged


def merge_template(infrastructure: Path, state_machine: Path, version: str) -> dict[str, Any]:
    """All fragments with the state machine's definition and the version filled in."""
    template: dict[str, Any] = {}
    for name in FRAGMENTS:
        template = merge(template, read_json(infrastructure / f"{name}.json"))
    template["Globals"]["Function"]["Environment"]["Variables"]["VERSION"] = version
    properties = template["Resources"]["TrainingJob"]["Properties"]
    definition = read_json(state_machine)
    properties["DefinitionString"] = json.dumps(definition, separators=(",", ":"), ensure_ascii=True)
    properties["DefinitionSubstitutions"] = {
        name: _value_of(name, template["Resources"], state_machine)
        for name in sorted(set(PLACEHOLDER.findall(properties["DefinitionString"])))
    }
    return template


def _value_of(name: str, resources: Mapping[str, Any], state_machine: Path) -> dict[str, Any]:
    """What a `${Name}` of the definition stands for: a function's ARN, or a reference to another resource."""
    resource = resources.get(name)
    if resource is None:
        raise PackagingError(
            f"{state_machine} names ${{{name}}}, and no template fragment has such a resource."
        )
    # Fragments only add to functions; their type comes from Chalice.
    if "Type" not in resource:
        return {"Fn::GetAtt": [name, "Arn"]}
    return {"Ref": name}


def check(template: Mapping[str, Any]) -> None:
    """PackagingError when fragments and application disagree about which functions exist."""
    resources: Mapping[str, Any] = template["Resources"]
    untyped = sorted(name for name, resource in resources.items() if "Type" not in resource)
    if untyped:
        raise PackagingError(
            "infrastructure/functions.json names functions that the application does not declare: "
            f"{', '.join(untyped)}. Declare each with `bp.lambda_function(name=...)`."
        )
    nameless = sorted(
        name
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function" and "FunctionName" not in resource["Properties"]
    )
    if nameless:
        raise PackagingError(
            "The application declares functions that infrastructure/functions.json lacks: "
            f"{', '.join(nameless)}."
        )


def tidy(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template without empty sections and with keys in a stable order."""
    return {key: _ordered(value) for key, value in sorted(template.items()) if value != {}}


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value)}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_ordered(item) for item in value]
    return value
