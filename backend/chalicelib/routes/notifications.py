"""The in-app feed of the signed-in person."""

from __future__ import annotations

import re
from typing import Annotated, Any

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import Field, StrictBool

from chalicelib import bootstrap, views_notifications
from chalicelib.domain.errors import NotFound
from chalicelib.routes.http import Body, Call, Query, endpoint
from chalicelib.use_cases.choose_notifications import choose_notifications

bp = Blueprint(__name__)

ID_PATTERN = r"^[A-Za-z0-9_-]{1,80}$"
Word = Annotated[str, Field(min_length=1, max_length=40)]


class FeedQuery(Query):
    unread: bool = False
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, Field(pattern=ID_PATTERN)] | None = None


class Choices(Body):
    preferences: Annotated[
        dict[Word, Annotated[dict[Word, StrictBool], Field(max_length=10)]], Field(max_length=20)
    ]


@endpoint(bp, "GET", "/api/notifications", query=FeedQuery, summary="Your notifications, newest first")
def list_notifications(call: Call) -> dict[str, Any]:
    store = bootstrap.notifications()
    user_id = call.person.id
    # One more than asked tells whether there is a next page.
    rows = store.of_user(
        user_id, unread=call.query.unread, limit=call.query.limit + 1, before=call.query.cursor
    )
    page = rows[: call.query.limit]
    cursor = page[-1].id if len(rows) > len(page) else None
    return views_notifications.feed(page, store.unread_count(user_id), cursor)


@endpoint(bp, "PATCH", "/api/notifications/{notification_id}/read", summary="Mark one as read")
def read_notification(call: Call) -> dict[str, Any]:
    store = bootstrap.notifications()
    notification_id = call.path["notification_id"]
    known = re.match(ID_PATTERN, notification_id) is not None
    if not known or not store.mark_read(call.person.id, notification_id):
        raise NotFound("You have no notification with this id.")
    return {"unread_count": store.unread_count(call.person.id)}


@endpoint(bp, "POST", "/api/notifications/read-all", summary="Mark all as read")
def read_all_notifications(call: Call) -> dict[str, Any]:
    store = bootstrap.notifications()
    marked = store.mark_all_read(call.person.id)
    return {"marked": marked, "unread_count": store.unread_count(call.person.id)}


@endpoint(bp, "GET", "/api/notifications/preferences", summary="What you are told, and where")
def get_preferences(call: Call) -> dict[str, Any]:
    return views_notifications.preferences(call.person)


@endpoint(
    bp, "PUT", "/api/notifications/preferences", body=Choices, summary="Choose what you are told, and where"
)
def put_preferences(call: Call) -> dict[str, Any]:
    user = choose_notifications(call.person, call.body.preferences, users=bootstrap.users())
    return views_notifications.preferences(user)
