"""The OpenAPI 3.1 document, made from the very declarations that routes are parsed and checked by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_REFERENCE = "#/components/schemas/{model}"
# What an id looks like; other path parameters are any text without a slash.
_PATH_PATTERNS: Mapping[str, str] = {
    "export_id": r"^exp_[0-9a-z]{16}$",
    "dataset_id": r"^ds_[0-9a-z]{16}$",
    "job_id": r"^job_[0-9a-z]{16}$",
    "model_id": r"^mdl_[0-9a-z]{16}$",
    "token_id": r"^tok_[0-9a-z]{16}$",
    "notification_id": r"^[A-Za-z0-9_-]{1,80}$",
    "approval_id": r"^apr_[0-9a-z]{16}$",
    "step": r"^[0-9]{1,9}$",
}
_ERRORS: Mapping[int, str] = {
    400: "The request cannot be read: not JSON, not UTF-8, not an object.",
    401: "Not signed in, or the token has expired or was revoked.",
    403: "The role, or the API token's scope, does not allow this.",
    404: "There is no such thing, or not for this caller.",
    409: "The present state does not allow this, or someone else changed it meanwhile.",
    413: "The body is larger than this route takes.",
    422: "Some fields fail validation; `details` maps each to its messages.",
    429: "Too many attempts; wait before the next one.",
    503: "Something this depends on does not answer; try again later.",
}


class Route(Protocol):
    """What `routes.http.RouteSpec` says of a route."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str | None: ...
    @property
    def scope(self) -> str: ...
    @property
    def body(self) -> type[BaseModel] | None: ...
    @property
    def query(self) -> type[BaseModel] | None: ...
    @property
    def status(self) -> int: ...
    @property
    def summary(self) -> str: ...
    @property
    def tag(self) -> str: ...
    @property
    def raw(self) -> bool: ...
    @property
    def path_parameters(self) -> tuple[str, ...]: ...


def document(routes: Sequence[Route], *, version: str, server_url: str) -> dict[str, Any]:
    """The whole document. server_url: where the paths below it are served."""
    models = _Models(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in sorted(routes, key=lambda each: (each.path, each.method)):
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, models)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LoRA Pipeline",
            "version": version,
            "description": "Fine-tune language models on rented GPUs. Times are ISO-8601 in UTC, money is a "
            "decimal string in USD.",
        },
        "servers": [{"url": server_url}],
        "tags": [{"name": tag} for tag in sorted({route.tag for route in routes})],
        "paths": paths,
        "components": {
            "schemas": {**models.schemas, "Success": _success(), "Error": _error()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token of POST /api/session, or an API token (`lp_…`).",
                }
            },
        },
    }


class _Models:
    """Request models as named schemas. Models of one name in two modules get longer names."""

    def __init__(self, routes: Sequence[Route]) -> None:
        used = {model for route in routes for model in (route.body, route.query) if model is not None}
        ordered = sorted(used, key=lambda model: (model.__module__, model.__name__))
        references, schemas = models_json_schema(
            [(model, "validation") for model in ordered], ref_template=_REFERENCE
        )
        self._references = {model: reference for (model, _), reference in references.items()}
        self.schemas: dict[str, Any] = schemas.get("$defs", {})

    def reference(self, model: type[BaseModel]) -> dict[str, Any]:
        return self._references[model]

    def schema(self, model: type[BaseModel]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.schemas[str(self._references[model]["$ref"]).rsplit("/", 1)[-1]]
        return found


def _operation(route: Route, models: _Models) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{route.name}",
        "summary": route.summary,
        "tags": [route.tag],
        "security": [] if route.role is None else [{"bearer": []}],
        "parameters": [_path_parameter(name) for name in route.path_parameters]
        + _query_parameters(route, models),
        "responses": _responses(route),
    }
    if route.role is not None:
        operation["description"] = f"Needs the role {route.role} or above; API tokens: scope `{route.scope}`."
    body = _request_body(route, models)
    if body is not None:
        operation["requestBody"] = body
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": _PATH_PATTERNS.get(name, r"^[^/]{1,200}$")}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: Route, models: _Models) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = models.schema(route.query)
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": _without_null(each),
        }
        for name, each in schema.get("properties", {}).items()
    ]


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A query parameter is absent or has a value; it is never null."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "title", "default")}
    if len(options) == 1:
        rest.update(options[0])
    elif options:
        rest["anyOf"] = options
    if schema.get("default") is not None:
        rest["default"] = schema["default"]
    return rest


def _request_body(route: Route, models: _Models) -> dict[str, Any] | None:
    if route.body is not None:
        schema = models.reference(route.body)
        return {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.raw and route.method != "GET":
        return {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    return None


def _responses(route: Route) -> dict[str, Any]:
    success: dict[str, Any] = (
        {"type": "object"} if route.raw else {"$ref": _REFERENCE.format(model="Success")}
    )
    answers: dict[str, Any] = {
        str(route.status): {"description": "Done.", "content": {"application/json": {"schema": success}}}
    }
    error = {"application/json": {"schema": {"$ref": _REFERENCE.format(model="Error")}}}
    for status, description in _ERRORS.items():
        if not (route.role is None and status == 403 and not route.raw):
            answers[str(status)] = {"description": description, "content": error}
    return answers


def _success() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["success", "data"],
        "properties": {"success": {"const": True}, "data": {}},
        "additionalProperties": False,
    }


def _error() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["error", "details", "code", "request_id"],
        "properties": {
            "error": {"type": "string", "description": "A sentence: what is wrong and what to do."},
            "details": {"description": "Further facts; for 422 a map of field to messages."},
            "code": {"type": "string", "pattern": r"^[a-z_]+$"},
            "request_id": {"type": "string"},
        },
        "additionalProperties": False,
    }
