"""A new password, proven by an open first-sign-in challenge or by a mailed code, and a session at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.identity import User
from chalicelib.ports import SignIn, UserStore
from chalicelib.use_cases.recognise_person import recognise_person


def choose_new_password(
    email: str,
    new_password: str,
    *,
    session: str | None,
    code: str | None,
    sign_in: SignIn,
    users: UserStore,
    now: datetime,
    owner_email: str,
) -> tuple[Mapping[str, Any], User]:
    """ValidationFailed unless exactly one of `session` (the challenge) and `code` (the mail) is given."""
    if (session is None) == (code is None):
        problem = "Give the session of the sign-in challenge or the code from the mail, not both."
        raise ValidationFailed({"session": [problem], "code": [problem]})
    if session is not None:
        answer = sign_in.answer_new_password(email, session, new_password)
    else:
        sign_in.confirm_forgot_password(email, str(code), new_password)
        answer = sign_in.sign_in(email, new_password)
    claims = sign_in.verify(str(answer["access_token"]))
    return answer, recognise_person(claims, users=users, now=now, owner_email=owner_email)
