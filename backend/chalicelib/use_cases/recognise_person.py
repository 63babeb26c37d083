"""Claims of a verified sign-in -> the person's row, made at the first sign-in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain import people
from chalicelib.domain.errors import NotSignedIn, StaleWrite
from chalicelib.domain.identity import User
from chalicelib.ports import UserStore

DEACTIVATED = "This account is deactivated. Ask an administrator of your organisation to activate it."


def recognise_person(claims: Mapping[str, Any], *, users: UserStore, now: datetime, owner_email: str) -> User:
    """claims: `sub`, `email`, and if known `name` and `email_verified`. NotSignedIn when deactivated.

    The role comes from the row alone, so that a change of role acts at once and a claim cannot raise it.
    """
    subject = str(claims["sub"])
    user = users.get(people.user_id_of(subject)) or _row_of_email(claims, users)
    if user is None:
        user = _first_sign_in(subject, claims, users, now, owner_email)
    if not user.active:
        raise NotSignedIn(DEACTIVATED)
    return user


def _trusts_email(claims: Mapping[str, Any]) -> bool:
    """A person may change an e-mail in the pool; the pool then marks it unverified until proven."""
    return str(claims.get("email_verified", "true")).lower() != "false"


def _row_of_email(claims: Mapping[str, Any], users: UserStore) -> User | None:
    """A person invited before the first sign-in, or whose pool entry was made anew."""
    email = str(claims.get("email", ""))
    return users.by_email(people.normal_email(email)) if email and _trusts_email(claims) else None


def _first_sign_in(
    subject: str, claims: Mapping[str, Any], users: UserStore, now: datetime, owner_email: str
) -> User:
    email = str(claims.get("email", ""))
    if not email:
        raise NotSignedIn("The user pool gives no e-mail for this account. Ask an administrator to set one.")
    row = people.first_row(
        subject,
        email,
        str(claims.get("name", "")),
        email_trusted=_trusts_email(claims),
        owner_email=owner_email,
        now=now,
    )
    try:
        return users.save(row, expected=None)
    except StaleWrite:
        return users.get(row.id) or row
