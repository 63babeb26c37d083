"""How many jobs the provider's account lets start now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chalicelib.domain import account
from chalicelib.ports import SettingsStore


def admit_starts(documents: SettingsStore, most: int, is_wanted: Callable[[], bool], now: datetime) -> int:
    """All, none, or one that tries. The try is counted, if there is a job to make it."""
    circuit = account.of_document(documents.get(account.DOCUMENT))
    if not circuit.is_open:
        return most
    if not account.admits_a_try(circuit, now) or not is_wanted():
        return 0
    documents.put(account.DOCUMENT, account.as_document(account.tried(circuit, now)))
    return min(1, most)
