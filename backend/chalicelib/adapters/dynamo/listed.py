"""Datasets and models: things that are listed newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.adapters.dynamo import documents as d
from chalicelib.adapters.dynamo.tables import DatasetItem, ModelItem
from chalicelib.domain.dataset import Dataset
from chalicelib.domain.model import Model


@d.translating
class _Listed:
    _kind: type[Any]
    _table: type[Any]
    _hidden = "deleted"

    def __init__(self, prefix: str) -> None:
        self._items: Any = d.bind(self._table, prefix)

    def get(self, thing_id: str) -> Any:
        return d.fetch(self._items, self._kind, thing_id)

    def save(self, after: Any, *, expected: Any) -> Any:
        return d.save(self._items, after, expected, self._keys)

    def all(self) -> Sequence[Any]:
        rows = self._items.by_created.query("all", scan_index_forward=False)
        return [d.load(self._kind, row.document) for row in rows]

    def _keys(self, thing: Any) -> dict[str, Any]:
        shard = self._hidden if str(thing.status) == self._hidden else "all"
        return {"id": thing.id, "shard": shard, "created_at": thing.created_at.isoformat()}


@d.translating
class DynamoDatasets(_Listed):
    _kind = Dataset
    _table = DatasetItem


@d.translating
class DynamoModels(_Listed):
    _kind = Model
    _table = ModelItem
