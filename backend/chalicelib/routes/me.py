"""The signed-in person's own profile."""

from __future__ import annotations

from typing import Annotated, Any

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import AfterValidator, Field

from chalicelib import bootstrap, views_people
from chalicelib.routes.http import Body, Call, endpoint
from chalicelib.use_cases.update_profile import update_profile

bp = Blueprint(__name__)


def _known_zone(value: str) -> str:
    """Where the runtime carries no time-zone data, the form of the name is all that can be checked."""
    # Here, not above: only this route needs it.
    import zoneinfo

    known = zoneinfo.available_timezones()
    if known and value not in known:
        raise ValueError("Must be a time zone name such as Europe/Lisbon.")
    return value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("Must not contain control characters.")
    return value


def _own(name: str) -> str:
    if name.startswith(views_people.HIDDEN_PREFERENCE_PREFIX):
        raise ValueError("Is set with PUT /api/notifications/preferences.")
    return name


TimeZone = Annotated[
    str,
    Field(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+\-]*(/[A-Za-z0-9_+\-]+){0,2}$"),
    AfterValidator(_known_zone),
]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
PreferenceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,39}$"), AfterValidator(_own)]
PreferenceValue = Annotated[str, Field(max_length=200), AfterValidator(_printable)]


def _theme_known(values: dict[str, str]) -> dict[str, str]:
    if values.get("theme", "system") not in ("system", "light", "dark"):
        raise ValueError("theme must be system, light or dark.")
    return values


class Profile(Body):
    """What is left out stays as it is. E-mail and role are not the person's to change here."""

    name: Name | None = None
    time_zone: TimeZone | None = None
    preferences: (
        Annotated[dict[PreferenceName, PreferenceValue], Field(max_length=40), AfterValidator(_theme_known)]
        | None
    ) = None


@endpoint(bp, "GET", "/api/me", summary="Who is signed in")
def get_me(call: Call) -> dict[str, Any]:
    return views_people.me(call.person)


@endpoint(bp, "PUT", "/api/me", body=Profile, summary="Change name, time zone or preferences")
def put_me(call: Call) -> dict[str, Any]:
    user = update_profile(
        call.person.id,
        users=bootstrap.users(),
        name=call.body.name,
        time_zone=call.body.time_zone,
        preferences=call.body.preferences,
    )
    return views_people.me(user)
