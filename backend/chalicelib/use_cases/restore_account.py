"""A pod was rented, so the provider's account works again."""

from __future__ import annotations

from chalicelib.domain import account
from chalicelib.ports import SettingsStore


def restore_account(documents: SettingsStore) -> None:
    if account.of_document(documents.get(account.DOCUMENT)).is_open:
        documents.put(account.DOCUMENT, account.as_document(account.Circuit()))
