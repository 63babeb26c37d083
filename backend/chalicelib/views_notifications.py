"""The in-app feed and what a person wants to hear, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.domain import news
from chalicelib.domain.identity import User
from chalicelib.domain.notification import Notification
from chalicelib.views_people import instant


def notification(one: Notification) -> dict[str, Any]:
    return {
        "id": one.id,
        "type": one.type,
        "title": one.title,
        "message": one.message,
        "priority": one.priority.value,
        "at": instant(one.at),
        "read": one.read,
        "link": one.link,
    }


def feed(page: Sequence[Notification], unread_count: int, cursor: str | None) -> dict[str, Any]:
    """contracts/examples/notifications.json"""
    return {
        "notifications": [notification(one) for one in page],
        "unread_count": unread_count,
        "cursor": cursor,
    }


def preferences(user: User) -> dict[str, Any]:
    """{channels, preferences: {kind: {channel: wanted}}, titles: {kind: words}}"""
    return {
        "channels": list(news.CHANNELS),
        "preferences": {
            kind: {channel: news.wants(user.preferences, kind, channel) for channel in news.CHANNELS}
            for kind in news.KINDS
        },
        "titles": {kind: words.title for kind, words in news.KINDS.items()},
    }
