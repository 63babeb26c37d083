"""What RunPod accepts in a create request, and where such a pod fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError
from starlette.responses import Response

from runpod_standin.catalogue import CUDA_VERSION, SECURE, TIER_OF_CLOUD, GpuKind
from runpod_standin.faults import Switchboard
from runpod_standin.replies import BALANCE_TOO_LOW, NO_INSTANCES, problem

MAX_BODY_BYTES = 102_400

_TEXT = {"type": "string"}
_TEXT_LIST = {"type": "array", "items": _TEXT}
_CUDA = {"type": "string", "pattern": r"^\d+\.\d+$"}


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


_GPU = _object(
    {
        "id": _TEXT,
        "count": {"type": "integer", "minimum": 1},
        "allowedCudaVersions": {"type": "array", "items": _CUDA},
        "minCudaVersion": _CUDA,
    },
    "id",
)
_CPU = _object({"id": _TEXT, "vcpuCount": {"type": "integer", "minimum": 2}}, "id")
_MOUNTS = _object(
    {
        "persistent": _object({"size": {"type": "integer", "minimum": 10}, "path": _TEXT}, "size", "path"),
        "network": {
            "type": "array",
            "maxItems": 1,
            "items": _object({"volumeId": _TEXT, "path": _TEXT}, "volumeId", "path"),
        },
    }
)
_CREATE = Draft202012Validator(
    _object(
        {
            "name": {"type": "string", "minLength": 1},
            "image": _TEXT,
            "templateId": {"type": "string", "minLength": 1},
            "cloud": {"enum": ["SECURE", "COMMUNITY"]},
            "gpu": _GPU,
            "cpu": _CPU,
            "disk": {"type": "integer", "minimum": 1},
            "dataCenterIds": _TEXT_LIST,
            "ports": {"type": "array", "items": {"type": "string", "pattern": r"^\d+/(tcp|http|udp)$"}},
            "env": {"type": "object", "additionalProperties": _TEXT},
            "mounts": _MOUNTS,
            "args": _TEXT,
            "registry": {"type": ["string", "null"]},
            "startSsh": {"type": "boolean"},
            "startJupyter": {"type": "boolean"},
            "globalNetworking": {"type": "boolean"},
        },
        "name",
    )
)


def _wording(error: ValidationError) -> list[str]:
    place = ".".join(str(step) for step in error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema["properties"] if isinstance(error.schema, Mapping) else {}
        extra = sorted(set(cast(dict[str, Any], error.instance)) - set(known))
        return [f"additional properties '{name}' not allowed" for name in extra]
    return [f"{place}: {error.message}" if place else error.message]


def broken_rule(body: Any, size_bytes: int) -> Response | None:
    """The refusal of a request that no machine could fix; None when the request is in order."""
    if size_bytes > MAX_BODY_BYTES:
        return problem(413, f"request body exceeds {MAX_BODY_BYTES} bytes")
    if not isinstance(body, dict):
        return problem(400, "request body is not a JSON object")
    errors = [text for error in _CREATE.iter_errors(body) for text in _wording(error)]
    if not body.get("image") and not body.get("templateId"):
        errors.append("image: required unless templateId is set")
    if errors:
        return problem(422, "Request validation failed.", errors)
    return _conflict(body)


def _conflict(body: Mapping[str, Any]) -> Response | None:
    gpu = body.get("gpu", {})
    mounts = body.get("mounts", {})
    if ("gpu" in body) == ("cpu" in body):
        return problem(400, "exactly one of gpu or cpu must be set")
    if gpu.get("allowedCudaVersions") and "minCudaVersion" in gpu:
        return problem(400, "allowedCudaVersions and minCudaVersion are mutually exclusive")
    if "persistent" in mounts and "network" in mounts:
        return problem(400, "persistent and network mounts are mutually exclusive")
    return None


def place(body: Mapping[str, Any], kinds: Mapping[str, GpuKind], faults: Switchboard) -> str | Response:
    """The data centre for a request in order, or the refusal: no capacity, no funds, no access."""
    gpu = body.get("gpu")
    if gpu is None:
        # A pod without a GPU would not be refused for good by RunPod; there is just none here to rent.
        return problem(400, NO_INSTANCES)
    cloud = body.get("cloud", SECURE)
    facts = {"gpu_id": gpu["id"], "tier": TIER_OF_CLOUD[cloud], "name": body["name"]}
    refusal = _armed_refusal(faults, facts)
    if refusal is not None:
        return refusal
    kind = kinds.get(gpu["id"])
    if kind is None:
        return problem(400, f"unknown GPU type {gpu['id']!r}")
    center = kind.place(cloud, gpu.get("count", 1), body.get("dataCenterIds", []))
    if center is None or not _cuda_fits(gpu):
        return problem(400, NO_INSTANCES)
    return center


def _armed_refusal(faults: Switchboard, facts: dict[str, str]) -> Response | None:
    if faults.take("unprocessable_422", facts):
        return problem(422, "Request validation failed.", ["image: not found in the registry"])
    if faults.take("balance_402", facts):
        return problem(402, BALANCE_TOO_LOW)
    if faults.take("access_denied_403", facts):
        return problem(403, "access denied")
    if faults.take("no_capacity", facts):
        return problem(400, NO_INSTANCES)
    return None


def _cuda_fits(gpu: Mapping[str, Any]) -> bool:
    allowed = gpu.get("allowedCudaVersions")
    if allowed:
        return CUDA_VERSION in allowed
    return _version(gpu.get("minCudaVersion", "0.0")) <= _version(CUDA_VERSION)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
