"""A refresh token -> a fresh access token for a person who is still welcome."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.identity import User
from chalicelib.ports import SignIn, UserStore
from chalicelib.use_cases.recognise_person import recognise_person


def refresh_session(
    refresh_token: str, *, sign_in: SignIn, users: UserStore, now: datetime, owner_email: str
) -> tuple[Mapping[str, Any], User]:
    """NotSignedIn when the session has ended or the person was deactivated since."""
    answer = sign_in.refresh(refresh_token)
    claims = sign_in.verify(str(answer["access_token"]))
    return answer, recognise_person(claims, users=users, now=now, owner_email=owner_email)
