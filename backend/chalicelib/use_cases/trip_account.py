"""The provider refused the whole account: holds the queue back and tells operations, once per outage."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain import account
from chalicelib.domain.errors import ProviderError
from chalicelib.ports import Notifier, SettingsStore


def trip_account(
    error: ProviderError, *, documents: SettingsStore, notifier: Notifier, now: datetime
) -> None:
    """Told twice, it alerts once."""
    before = account.of_document(documents.get(account.DOCUMENT))
    documents.put(account.DOCUMENT, account.as_document(account.trip(before, error.message, now)))
    if not before.is_open:
        notifier.alert_operations(
            subject="GPU provider account: no pod can be rented",
            text=f"{error.message}\n\nJobs wait in the queue meanwhile; one of them tries again every "
            f"{account.TRY_EVERY.seconds // 60} minutes. See docs/operations.md.",
        )
