"""API tokens: made, listed and revoked by the person they speak for."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import AfterValidator, AwareDatetime, Field

from chalicelib import bootstrap, views_people
from chalicelib.domain.api_tokens import EVERYTHING
from chalicelib.routes.http import ROUTES, Body, Call, endpoint
from chalicelib.use_cases.create_token import create_token
from chalicelib.use_cases.revoke_token import revoke_token

bp = Blueprint(__name__)


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("Must not contain control characters.")
    return value


class NewToken(Body):
    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
    scopes: Annotated[
        list[Annotated[str, Field(max_length=64, pattern=r"^(\*|[a-z_-]+:(read|write))$")]],
        Field(min_length=1, max_length=32),
    ] = Field(default_factory=lambda: [EVERYTHING])
    expires_at: AwareDatetime | None = None


def known_scopes() -> set[str]:
    """Every scope that a route asks for; new routes bring theirs along."""
    return {spec.scope for spec in ROUTES if spec.role is not None and spec.scope != EVERYTHING}


@endpoint(bp, "GET", "/api/tokens", summary="Your API tokens, without their secrets")
def list_tokens(call: Call) -> dict[str, Any]:
    return views_people.tokens(bootstrap.tokens().of_user(call.person.id))


# The scope `*` on purpose: a limited token must not be able to make itself a stronger one.
@endpoint(
    bp,
    "POST",
    "/api/tokens",
    scope=EVERYTHING,
    body=NewToken,
    status=201,
    summary="A new API token; its secret is shown in this reply only",
)
def post_token(call: Call) -> dict[str, Any]:
    made, secret = create_token(
        call.person,
        name=call.body.name,
        scopes=call.body.scopes,
        expires_at=call.body.expires_at,
        known_scopes=known_scopes(),
        tokens=bootstrap.tokens(),
        now=call.now,
        random_bytes=secrets.token_bytes(48),
    )
    return views_people.token_created(made, secret)


@endpoint(bp, "DELETE", "/api/tokens/{token_id}", scope=EVERYTHING, summary="Revoke an API token at once")
def delete_token(call: Call) -> dict[str, Any]:
    revoke_token(call.person, call.path["token_id"], tokens=bootstrap.tokens())
    return {"revoked": True}
