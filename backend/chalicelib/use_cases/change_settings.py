"""What an administrator changes for the whole organisation, one line in the audit log for each change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.identity import User
from chalicelib.domain.organisation import DOCUMENT, Organisation, as_document, from_document
from chalicelib.ports import AuditLog, SettingsStore
from chalicelib.use_cases.again import again


def change_settings(
    given: Mapping[str, Any], *, user: User, documents: SettingsStore, audit: AuditLog, now: datetime
) -> Organisation:
    """The settings with what was given laid over them. given: fields of `Organisation`, already validated.

    A lower concurrency limit ends nothing: it only keeps new jobs from starting.
    """

    def once() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        stored = documents.get(DOCUMENT)
        before = as_document(from_document(stored))
        wanted = {**before, **{name: _plain(value) for name, value in given.items()}}
        if wanted != before:
            documents.save(DOCUMENT, {**(stored or {}), **wanted}, expected=stored)
        return before, wanted

    before, after = again(once)
    changed = {name: [before[name], after[name]] for name in after if after[name] != before[name]}
    if changed:
        audit.record(
            at=now, actor_id=user.id, action="settings.change", subject="organisation", details=changed
        )
    return from_document(after)


def _plain(value: Any) -> Any:
    return value if isinstance(value, int) else str(value)
