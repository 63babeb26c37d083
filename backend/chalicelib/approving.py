"""What routes and schedules share about approvals: the desk they are worked at, and what each kind does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from chalicelib import bootstrap, telling
from chalicelib.settings import settings
from chalicelib.use_cases.decide_approval import Effect
from chalicelib.use_cases.promote_job import pointless_promotion, promote_job, tell_denied
from chalicelib.use_cases.request_promotion import KIND, Desk


def link_key() -> bytes:
    return bootstrap.secret(settings().webhook_secret_parameter).encode()


def desk() -> Desk:
    return Desk(
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        users=bootstrap.users(),
        approvals=bootstrap.approvals(),
        queue_events=bootstrap.queue_events(),
        notifications=bootstrap.notifications(),
        notifier=bootstrap.notifier(),
        audit=bootstrap.audit(),
        limit=telling.concurrency_limit(),
        public_url=settings().public_url,
        link_key=link_key(),
    )


def effects(now: datetime) -> Mapping[str, Effect]:
    """By kind of approval."""
    at = desk()
    return {
        KIND: Effect(
            pointless=partial(pointless_promotion, desk=at),
            carry_out=partial(promote_job, desk=at, now=now),
            tell_denied=partial(tell_denied, desk=at),
        )
    }
