"""Signing in and out: e-mail and password in, tokens out."""

from __future__ import annotations

from typing import Annotated, Any

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import ConfigDict, Field

from chalicelib import bootstrap, views_people
from chalicelib.routes.http import Body, Call, endpoint
from chalicelib.settings import settings
from chalicelib.use_cases.choose_new_password import choose_new_password
from chalicelib.use_cases.refresh_session import refresh_session
from chalicelib.use_cases.sign_in_person import sign_in_person

bp = Blueprint(__name__)

Email = Annotated[str, Field(min_length=3, max_length=254, pattern=r"^[^\s@\x00-\x1f]+@[^\s@\x00-\x1f]+$")]
# Kept as typed: spaces at the ends of a password belong to it.
Password = Annotated[str, Field(min_length=1, max_length=256)]
Opaque = Annotated[str, Field(min_length=1, max_length=8192, pattern=r"^[\x21-\x7e]+$")]


class Credentials(Body):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)

    email: Email
    password: Password


class RefreshToken(Body):
    refresh_token: Opaque


class ForgottenPassword(Body):
    email: Email


class NewPassword(Body):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)

    email: Email
    new_password: Password
    session: Opaque | None = None
    code: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")] | None = None


def _ports(call: Call) -> dict[str, Any]:
    return {
        "sign_in": bootstrap.sign_in(),
        "users": bootstrap.users(),
        "now": call.now,
        "owner_email": settings().owner_email,
    }


@endpoint(bp, "POST", "/api/session", role=None, body=Credentials, summary="Sign in with e-mail and password")
def sign_in(call: Call) -> dict[str, Any]:
    answer, user = sign_in_person(call.body.email, call.body.password, **_ports(call))
    return views_people.challenge(answer) if user is None else views_people.session(answer, user)


@endpoint(bp, "POST", "/api/session/refresh", role=None, body=RefreshToken, summary="A fresh access token")
def refresh(call: Call) -> dict[str, Any]:
    answer, user = refresh_session(call.body.refresh_token, **_ports(call))
    return views_people.session(answer, user)


@endpoint(
    bp, "POST", "/api/session/sign-out", role=None, body=RefreshToken, summary="End the session of a token"
)
def sign_out(call: Call) -> dict[str, Any]:
    bootstrap.sign_in().sign_out(call.body.refresh_token)
    return {"signed_out": True}


@endpoint(
    bp,
    "POST",
    "/api/session/forgot-password",
    role=None,
    body=ForgottenPassword,
    summary="Mail a code for a new password, if the e-mail is known",
)
def forgot_password(call: Call) -> dict[str, Any]:
    bootstrap.sign_in().forgot_password(call.body.email)
    return {"message": "If this e-mail belongs to an account, a code is on its way to it."}


@endpoint(
    bp,
    "POST",
    "/api/session/new-password",
    role=None,
    body=NewPassword,
    summary="Choose a new password, with the challenge of the first sign-in or a mailed code",
)
def new_password(call: Call) -> dict[str, Any]:
    answer, user = choose_new_password(
        call.body.email,
        call.body.new_password,
        session=call.body.session,
        code=call.body.code,
        **_ports(call),
    )
    return views_people.session(answer, user)
