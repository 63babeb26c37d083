"""Tell a person what happened to a job, once, on the channels they chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from chalicelib.domain import news
from chalicelib.domain.notification import Notification
from chalicelib.domain.person import Person
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

    kind: a key of `news.KINDS`. detail: the reason of a failure or cancellation, or the quality score of `artifact_ready`.
    users: where the person's preferences are read; without it the defaults hold.
    """
    told = news.about(kind, job, now, detail)
    return deliver(
        told,
        to=job.created_by,
        subject=f"{told.title}: {job.name}",
        text=f"{told.message}\n\n{job.name}\n{news.mailed_facts(kind, job, detail)}{public_url}{told.link}\n\n"
        f"Choose what you are mailed about: {public_url}/notifications\n",
        notifications=notifications,
        notifier=notifier,
        users=users,
    )


def deliver(
    told: Notification,
    *,
    to: Person,
    subject: str,
    text: str,
    notifications: NotificationStore,
    notifier: Notifier,
    users: UserStore | None,
    watching: bool = False,
) -> bool:
    """One notification to one person, in the app and by mail as they chose. False when nothing was new to them.

    watching: they asked to be told about this.
    """
    user = users.get(to.id) if users is not None else None
    preferences: Mapping[str, str] = {} if user is None else user.preferences
    kind = told.type
    if news.KINDS[kind].on_request and not news.is_wanted(preferences, kind, watching=watching):
        return False
    # The row comes first, wanted or not: it is what makes a second telling silent. Unwanted is born read.
    row = replace(told, read=not news.wants(preferences, kind, "in_app", watching=watching))
    if not notifications.add(row):
        return False
    email = to.email if user is None else user.email
    may_mail = user is None or user.active
    if email and may_mail and news.wants(preferences, kind, "email", watching=watching):
        notifier.mail(to=email, subject=subject, text=text)
    return True
