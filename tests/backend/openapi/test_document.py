from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.test import Client
from chalicelib.domain.identity import Role
from chalicelib.routes.http import ROUTES, RouteSpec
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.backend.identity.pool import Caller, Reply
from tests.backend.openapi.everything import Everything, everything

ERROR_KEYS = {"error", "details", "code", "request_id"}
EXAMPLE_VALUES = {"job_id": "job_7h2k9d01ms83xq4t", "dataset_id": "ds_7h2k9d01ms83xq4t", "step": "100"}


@pytest.fixture(scope="module")
def world() -> Iterator[Everything]:
    with everything() as made:
        yield made


@pytest.fixture(scope="module")
def document(world: Everything) -> Any:
    with Client(world.app) as client:
        reply = client.http.request("GET", "/api/openapi.json")
    assert reply.status_code == 200
    return json.loads(reply.body)


def test_the_document_is_valid_openapi(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_of_the_application_is_in_the_document_and_no_other(
    world: Everything, document: Any
) -> None:
    served = {(path, method) for path, methods in world.app.routes.items() for method in methods}
    described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    assert described == served


def test_operation_ids_are_unique(document: Any) -> None:
    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))


def test_request_bodies_refuse_unknown_fields(document: Any) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            reference = content.get("schema", {}).get("$ref")
            if reference:
                schema = document["components"]["schemas"][reference.rsplit("/", 1)[-1]]
                assert schema["additionalProperties"] is False, f"{method} {path}"


def test_only_the_doors_and_the_pods_need_no_sign_in(document: Any) -> None:
    opened = {
        path
        for path, operations in document["paths"].items()
        for each in operations.values()
        if not each["security"]
    }
    # Both take the token of a mailed link; a decision asks for a manager without one (test_decisions.py).
    allowed = re.compile(
        r"/api/(health|openapi\.json|session(/[a-z-]+)?|approvals/{approval_id}/(decision|preview))|/webhooks/.+"
    )
    assert [path for path in opened if not allowed.fullmatch(path)] == []


def _call(world: Everything, spec: RouteSpec, token: str | None) -> Reply:
    path = re.sub(r"\{(\w+)\}", lambda found: EXAMPLE_VALUES.get(found[1], "unknown"), spec.path)
    with Client(world.app) as client:
        return Caller(client, token).call(spec.method, path, {})


def _closed() -> list[RouteSpec]:
    return [spec for spec in ROUTES if spec.role is not None]


def test_every_closed_route_asks_for_a_sign_in_before_anything_else(world: Everything) -> None:
    assert len(_closed()) > 10
    for spec in _closed():
        for token in (None, "nonsense", "lp_unknown"):
            reply = _call(world, spec, token)
            assert reply.status == 401, f"{spec.method} {spec.path} with {token}: {reply}"
            assert set(reply.body) == ERROR_KEYS


def test_every_route_refuses_roles_below_its_own_and_lets_its_own_pass(world: Everything) -> None:
    for spec in _closed():
        for role in Role:
            reply = _call(world, spec, world.token(role))
            allowed = spec.role is not None and role.covers(spec.role)
            assert (reply.status != 403) if allowed else (reply.status == 403), (
                f"{spec.method} {spec.path} as {role}: {reply}"
            )
            assert reply.status != 500, f"{spec.method} {spec.path} as {role}: {reply}"
            if reply.status >= 400:
                assert set(reply.body) == ERROR_KEYS


def test_every_route_refuses_an_api_token_without_its_scope(world: Everything) -> None:
    with Client(world.app) as client:
        owner = Caller(client, world.token(Role.OWNER))
        for spec in _closed():
            other = next(each.scope for each in _closed() if each.scope not in (spec.scope, "*"))
            secret = owner.call("POST", "/api/tokens", {"name": "n", "scopes": [other]}).data["token"]
            reply = _call(world, spec, secret)
            assert reply.status == 403, f"{spec.method} {spec.path} with {other}: {reply}"
            for token in owner.call("GET", "/api/tokens").data["tokens"]:
                owner.call("DELETE", f"/api/tokens/{token['id']}")
