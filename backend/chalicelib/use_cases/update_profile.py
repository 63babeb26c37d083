"""A person changes their own name, time zone or preferences; a role is never among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from chalicelib.domain.errors import NotFound, StaleWrite
from chalicelib.domain.identity import User
from chalicelib.ports import UserStore

_TRIES = 4


def update_profile(
    user_id: str,
    *,
    users: UserStore,
    name: str | None = None,
    time_zone: str | None = None,
    preferences: Mapping[str, str] | None = None,
) -> User:
    """What is None stays. Preferences are merged by key, so that two open tabs do not undo each other."""
    for _ in range(_TRIES):
        user = users.get(user_id)
        if user is None:
            raise NotFound("Your account no longer exists.")
        after = replace(
            user,
            name=user.name if name is None else name,
            time_zone=user.time_zone if time_zone is None else time_zone,
            preferences={**user.preferences, **(preferences or {})},
        )
        if after == user:
            return user
        try:
            return users.save(after, expected=user)
        except StaleWrite:
            continue
    raise StaleWrite("Your profile is being changed elsewhere right now. Try again.")
