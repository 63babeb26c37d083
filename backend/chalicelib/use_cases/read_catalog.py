"""Everything the new-job page can offer: GPU cards with their prices, and what finished jobs say of the
presets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.catalogue import GpuCard
from chalicelib.domain.track_record import FinishedJob
from chalicelib.ports import JobStore, SettingsStore
from chalicelib.use_cases.read_track_record import read_track_record
from chalicelib.use_cases.refresh_catalog import current_cards


@dataclass(frozen=True, slots=True)
class CatalogFacts:
    cards: tuple[GpuCard, ...]
    record: tuple[FinishedJob, ...]


def read_catalog(*, jobs: JobStore, documents: SettingsStore, now: datetime) -> CatalogFacts:
    return CatalogFacts(
        current_cards(documents, now), read_track_record(jobs=jobs, documents=documents, now=now)
    )
