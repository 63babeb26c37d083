"""Tell the person whose job it is what happened to it: once, on the channels they chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from chalicelib.domain import news
from chalicelib.ports import NotificationStore, Notifier, UserStore


def tell(
    kind: str,
    *,
    job: news.Subject,
    now: datetime,
    notifications: NotificationStore,
    notifier: Notifier,
    public_url: str,
    detail: str = "",
    users: UserStore | None = None,
) -> bool:
    """False when this was told before, and then nothing is sent.

    kind: a key of `news.KINDS`. detail: the reason of a failure, or the quality score of `artifact_ready`.
    users: where the person's preferences are read; without it the defaults hold.
    """
    person = job.created_by
    user = users.get(person.id) if users is not None else None
    preferences: Mapping[str, str] = {} if user is None else user.preferences
    told = news.about(kind, job, now, detail)
    # The row comes first, wanted or not: it is what makes a second telling silent. Unwanted is born read.
    row = replace(told, read=not news.wants(preferences, kind, "in_app"))
    if not notifications.add(row):
        return False
    email = person.email if user is None else user.email
    may_mail = user is None or user.active
    if email and may_mail and news.wants(preferences, kind, "email"):
        notifier.mail(
            to=email,
            subject=f"{told.title}: {job.name}",
            text=f"{told.message}\n\n{job.name}\n{public_url}{told.link}\n\n"
            f"Choose what you are mailed about: {public_url}/notifications\n",
        )
    return True
