"""HTTP in, JSON out: one way to declare a route, one error shape, one place that maps errors to statuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalice import Blueprint, Response  # type: ignore[attr-defined]
from pydantic import BaseModel, ConfigDict, ValidationError

from chalicelib import bootstrap
from chalicelib.domain import errors
from chalicelib.domain.identity import Role, User
from chalicelib.routes import access

MAX_BODY_BYTES = 1_000_000
# Longer than any id of ours, and far below what the database takes as a key.
MAX_PATH_VALUE_CHARACTERS = 200

STATUS_OF_ERROR: Mapping[type[errors.AppError], int] = {
    errors.MalformedRequest: 400,
    errors.NotSignedIn: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.WrongStatus: 409,
    errors.StaleWrite: 409,
    errors.StaleAttempt: 409,
    errors.PayloadTooLarge: 413,
    errors.ValidationFailed: 422,
    errors.TooManyRequests: 429,
    errors.ServiceUnavailable: 503,
    errors.ProviderError: 503,
}


class Body(BaseModel):
    """Base of request models: unknown fields are refused by name."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, defer_build=True)


class Query(BaseModel):
    """Base of query models: unknown parameters are ignored, as HTTP clients expect."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True, defer_build=True)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, parsed. `user` is None only on routes that need no sign-in."""

    path: Mapping[str, str]
    query: Any
    body: Any
    headers: Mapping[str, str]
    raw_body: bytes
    now: datetime
    request_id: str
    user: User | None = None

    @property
    def person(self) -> User:
        if self.user is None:
            raise errors.NotSignedIn("Sign in first.")
        return self.user


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """What the OpenAPI document and the role test read."""

    method: str
    path: str
    name: str
    role: Role | None
    scope: str
    body: type[Body] | None
    query: type[Query] | None
    status: int
    summary: str
    tag: str
    raw: bool
    path_parameters: tuple[str, ...] = field(default_factory=tuple)


ROUTES: list[RouteSpec] = []


def endpoint(
    blueprint: Blueprint,
    method: str,
    path: str,
    *,
    summary: str,
    role: Role | None = Role.MEMBER,
    scope: str | None = None,
    body: type[Body] | None = None,
    query: type[Query] | None = None,
    status: int = 200,
    raw: bool = False,
    idempotent_key: bool = False,
) -> Callable[[Callable[[Call], Any]], Callable[..., Response]]:
    """Declares one route.

    role: the least role; None: no sign-in (health, session, webhooks).
    scope: what an API token must carry besides the role, e.g. `jobs:write`; default from method and path.
    raw: the handler gets `raw_body` unparsed and may return a Response itself (webhooks, openapi.json).
    idempotent_key: an `Idempotency-Key` header replays the first reply.
    """
    names = tuple(part[1:-1] for part in path.split("/") if part.startswith("{"))
    tag = path.strip("/").split("/")[1] if path.startswith("/api/") else "webhooks"
    wanted_scope = scope or f"{tag}:{'read' if method == 'GET' else 'write'}"

    def declare(handler: Callable[[Call], Any]) -> Callable[..., Response]:
        spec = RouteSpec(
            method, path, handler.__name__, role, wanted_scope, body, query, status, summary, tag, raw, names
        )
        ROUTES.append(spec)

        def view(**path_values: str) -> Response:
            request = blueprint.current_request
            return answer(lambda: _handle(spec, handler, request, path_values, idempotent_key), request)

        view.__name__ = handler.__name__
        blueprint.route(
            path, methods=[method], name=f"{method.lower()}_{handler.__name__}", content_types=ANY
        )(view)
        return view

    return declare


_JSON = {"Content-Type": "application/json"}
# Chalice refuses other content types before our code runs, with an error shape of its own.
ANY = ["*/*"]


def _handle(
    spec: RouteSpec,
    handler: Callable[[Call], Any],
    request: Any,
    path_values: Mapping[str, str],
    idempotent_key: bool,
) -> Response:
    headers = {str(key).lower(): str(value) for key, value in (request.headers or {}).items()}
    user = None if spec.role is None else access.signed_in_user(headers, spec.role, spec.scope)
    if any(len(value) > MAX_PATH_VALUE_CHARACTERS for value in path_values.values()):
        raise errors.NotFound("There is nothing at this address.")
    raw_body = _raw_body(request)
    call = Call(
        path=path_values,
        query=None if spec.query is None else parse_query(spec.query, request.query_params or {}),
        body=None if spec.body is None else parse_body(spec.body, raw_body),
        headers=headers,
        raw_body=raw_body,
        now=bootstrap.clock()(),
        request_id=request_id(request),
        user=user,
    )
    if idempotent_key and "idempotency-key" in headers:
        data = access.once(
            call.person.id,
            f"{spec.method} {request.context.get('path', spec.path)}",
            call.headers["idempotency-key"],
            raw_body,
            lambda: handler(call),
        )
        return _reply(spec, data)
    return _reply(spec, handler(call))


def _reply(spec: RouteSpec, result: Any) -> Response:
    if isinstance(result, Response):
        return result
    return Response(body={"success": True, "data": result}, status_code=spec.status, headers=dict(_JSON))


def answer(produce: Callable[[], Response], request: Any) -> Response:
    """The response, or the error envelope with the right status. Nothing else leaves a route."""
    try:
        return produce()
    except errors.AppError as error:
        return error_response(error, request_id(request))
    except Exception:
        bootstrap.logger().exception("unexpected error")
        return _envelope(
            500,
            "Something went wrong on our side. Try again; if it stays, tell us the request id.",
            None,
            "internal_error",
            request_id(request),
        )


def error_response(error: errors.AppError, request: str) -> Response:
    status = next((STATUS_OF_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_OF_ERROR), 500)
    if status == 500:
        bootstrap.logger().exception("unmapped application error")
    return _envelope(status, error.message, error.details, error.code, request)


def _envelope(status: int, sentence: str, details: Any, code: str, request: str) -> Response:
    return Response(
        body={"error": sentence, "details": details, "code": code, "request_id": request},
        status_code=status,
        headers=dict(_JSON),
    )


def request_id(request: Any) -> str:
    context = getattr(request, "context", None) or {}
    return str(context.get("requestId", ""))


def _raw_body(request: Any) -> bytes:
    raw = request.raw_body
    data = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else bytes(raw or b"")
    if len(data) > MAX_BODY_BYTES:
        raise errors.PayloadTooLarge(f"The request body is larger than {MAX_BODY_BYTES:,} bytes.")
    return data


def parse_json(raw: bytes) -> Any:
    """The JSON value of a body. MalformedRequest says where reading stopped."""
    try:
        text = raw.decode("utf-8")
        return json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise errors.MalformedRequest(f"The body is not UTF-8 (byte {error.start}).") from error
    except RecursionError as error:
        raise errors.MalformedRequest("The body is nested too deeply.") from error
    except ValueError as error:
        raise errors.MalformedRequest(f"The body is not JSON: {error}.") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def parse_body(model: type[Body], raw: bytes) -> Any:
    value = parse_json(raw or b"{}")
    if not isinstance(value, dict):
        raise errors.MalformedRequest("The body must be a JSON object.")
    return _validated(model, value)


def parse_query(model: type[Query], values: Mapping[str, Any]) -> Any:
    return _validated(model, dict(values))


def _validated(model: Any, value: Any) -> Any:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise errors.ValidationFailed(_by_field(error)) from error


def _by_field(error: ValidationError) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"]) or "body"
        fields.setdefault(name, []).append(problem["msg"].removeprefix("Value error, "))
    return fields
