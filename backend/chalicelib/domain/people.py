"""How a person of the user pool becomes a row of ours."""

from __future__ import annotations

import hashlib
from datetime import datetime

from chalicelib.domain.identity import Role, User
from chalicelib.domain.ids import new_id

_ID_CHARACTERS = 12
NAME_CHARACTERS = 100


def user_id_of(subject: str) -> str:
    """The same id for the same pool subject, so that two first requests at once make one row, not two."""
    return new_id("usr", hashlib.sha256(subject.encode("utf-8", "surrogatepass")).digest(), _ID_CHARACTERS)


def normal_email(email: str) -> str:
    return email.strip().casefold()


def name_from(name: str, email: str) -> str:
    """The pool's name for a person, else one made from the e-mail: `dana.reyes@…` reads "Dana Reyes"."""
    given = " ".join(name.split())
    if given:
        return given[:NAME_CHARACTERS]
    words = email.partition("@")[0].replace(".", " ").replace("_", " ").replace("-", " ").split()
    return " ".join(word.capitalize() for word in words)[:NAME_CHARACTERS] or email[:NAME_CHARACTERS]


def first_row(
    subject: str, email: str, name: str, *, email_trusted: bool, owner_email: str, now: datetime
) -> User:
    """The row of someone who signs in for the first time: the deployment's owner, or a member.

    email_trusted: False when the pool says that the e-mail is unverified; it then proves nothing.
    """
    is_owner = email_trusted and normal_email(email) == normal_email(owner_email)
    return User(
        id=user_id_of(subject),
        email=normal_email(email),
        name=name_from(name, email),
        role=Role.OWNER if is_owner else Role.MEMBER,
        created_at=now,
    )
