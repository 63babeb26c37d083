"""E-mail and password -> a session, or the challenge to choose a password first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.identity import User
from chalicelib.ports import SignIn, UserStore
from chalicelib.use_cases.recognise_person import recognise_person


def sign_in_person(
    email: str,
    password: str,
    *,
    sign_in: SignIn,
    users: UserStore,
    now: datetime,
    owner_email: str,
) -> tuple[Mapping[str, Any], User | None]:
    """The pool's answer and the person; no person while a challenge is open. NotSignedIn when refused."""
    answer = sign_in.sign_in(email, password)
    if "challenge" in answer:
        return answer, None
    claims = sign_in.verify(str(answer["access_token"]))
    return answer, recognise_person(claims, users=users, now=now, owner_email=owner_email)
