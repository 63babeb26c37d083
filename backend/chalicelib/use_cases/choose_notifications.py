"""A person chooses, per kind of news and channel, what reaches them."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.domain import news
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.identity import User
from chalicelib.ports import UserStore
from chalicelib.use_cases.update_profile import update_profile


def choose_notifications(user: User, choices: Mapping[str, Mapping[str, bool]], *, users: UserStore) -> User:
    """choices: kind -> channel -> wanted; what is left out stays. ValidationFailed names what is unknown."""
    problems: dict[str, list[str]] = {}
    for kind, channels in choices.items():
        if kind not in news.KINDS:
            problems[f"preferences.{kind}"] = [f"Unknown. Known: {', '.join(news.KINDS)}."]
        for channel in channels:
            if channel not in news.CHANNELS:
                problems[f"preferences.{kind}.{channel}"] = [f"Unknown. Known: {', '.join(news.CHANNELS)}."]
    if problems:
        raise ValidationFailed(problems)
    stored = {
        news.preference_name(kind, channel): "on" if wanted else "off"
        for kind, channels in choices.items()
        for channel, wanted in channels.items()
    }
    return update_profile(user.id, users=users, preferences=stored)
