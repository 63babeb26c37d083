"""Correction: a DynamoDB write is on disk before its reply leaves.

Stock ministack keeps items in memory and saves them all at an orderly stop, so a kill loses every write
since the start. All its writes pass through three functions; their effects are collected per request and
committed together, so that a transaction survives whole or not at all.
"""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack_launcher.patching import require
from ministack_launcher.store import Change, Store

PATCH = "durable items"
EXPECTED = {
    "_set_item": "4e78ad492132cdba",
    "_remove_item": "5cce50c99688dab8",
    "_items_replaced": "b48626c371f77c18",
    "get_state": "ce90690a6033950f",
    "handle_request": "1201f2ac993ce1a0",
}
KIND_PREFIX = "item:"
# What `get_state` saves beside the tables, each from the module's variable of that name.
OTHER_STATE = (
    "tags",
    "ttl_settings",
    "pitr_settings",
    "kinesis_destinations",
    "contributor_insights",
    "backups",
    "resource_policies",
    "exports",
    "imports",
)

Touched = dict[tuple[str, str, str], dict[str, Any]]
_touched: ContextVar[Touched | None] = ContextVar("touched_items", default=None)


def _kind(table: dict[str, Any]) -> str:
    # By id, not by name: a table created anew under an old name must not inherit the old table's items.
    return f"{KIND_PREFIX}{table['TableId']}"


def _change(table: dict[str, Any], partition: str, sort: str) -> Change:
    item = table["items"].get(partition, {}).get(sort)
    key = json.dumps([partition, sort])
    return _kind(table), key, None if item is None else json.dumps(item)


def _all_items(table: dict[str, Any]) -> list[Change]:
    changes: list[Change] = [(_kind(table), None, None)]
    for partition, rows in table["items"].items():
        changes.extend(_change(table, partition, sort) for sort in rows)
    return changes


class DurableItems:
    """Ties `ministack.services.dynamodb` to a store."""

    def __init__(self, dynamodb: Any, store: Store, describe_tables: Callable[[], Change]) -> None:
        self._dynamodb = dynamodb
        self._store = store
        self._describe_tables = describe_tables
        self._described: set[str] = set()

    def apply(self) -> None:
        """Take hold of the module's writes; call once, before the first request."""
        dynamodb = self._dynamodb
        require(PATCH, dynamodb, EXPECTED)
        set_stock, remove_stock = dynamodb._set_item, dynamodb._remove_item
        replaced_stock, handle_stock = dynamodb._items_replaced, dynamodb.handle_request
        unsaved = ("items", dynamodb._INDEX_MEMBERS)

        def set_item(table: dict[str, Any], partition: str, sort: str, item: Any) -> Any:
            old = set_stock(table, partition, sort, item)
            self._touch(table, partition, sort)
            return old

        def remove_item(table: dict[str, Any], partition: str, sort: str) -> Any:
            old = remove_stock(table, partition, sort)
            self._touch(table, partition, sort)
            return old

        def items_replaced(table: dict[str, Any]) -> None:
            replaced_stock(table)
            self._store.put(self._with_table(table, _all_items(table)))

        def get_state() -> dict[str, Any]:
            # The items have their own documents; without them this state stays small.
            tables = type(dynamodb._tables)()
            for (account, region, name), table in dynamodb._tables.all_items():
                described = {key: value for key, value in table.items() if key not in unsaved}
                tables.set_scoped(account, region, name, {**copy.deepcopy(described), "items": {}})
            return {"tables": tables, **{n: copy.deepcopy(getattr(dynamodb, f"_{n}")) for n in OTHER_STATE}}

        async def handle_request(*request: Any) -> Any:
            touched: Touched = {}
            token = _touched.set(touched)
            try:
                reply = await handle_stock(*request)
            finally:
                _touched.reset(token)
            await self._store.put_and_wait(self._changes(touched))
            return reply

        dynamodb._set_item, dynamodb._remove_item = set_item, remove_item
        dynamodb._items_replaced, dynamodb.get_state = items_replaced, get_state
        dynamodb.handle_request = handle_request

    def restore(self) -> None:
        """Put the stored items back into the restored tables, and drop those of tables that are gone."""
        tables = {_kind(table): table for table in self._dynamodb._tables.all_values()}
        for kind in self._store.kinds():
            if not kind.startswith(KIND_PREFIX):
                continue
            table = tables.get(kind)
            if table is None:
                self._store.put([(kind, None, None)])
                continue
            items: defaultdict[str, dict[str, Any]] = defaultdict(dict)
            for key, text in self._store.read(kind):
                partition, sort = json.loads(key)
                items[partition][sort] = json.loads(text)
            table["items"] = items
            self._dynamodb._update_counts(table)
            table.pop(self._dynamodb._INDEX_MEMBERS, None)

    def _touch(self, table: dict[str, Any], partition: str, sort: str) -> None:
        touched = _touched.get()
        if touched is None:  # not a request: the expiry thread
            self._store.put(self._with_table(table, [_change(table, partition, sort)]))
        else:
            touched[_kind(table), partition, sort] = table

    def _changes(self, touched: Touched) -> list[Change]:
        changes: list[Change] = []
        for (_, partition, sort), table in touched.items():
            changes += self._with_table(table, [_change(table, partition, sort)])
        return changes

    def _with_table(self, table: dict[str, Any], changes: list[Change]) -> list[Change]:
        """Prefix the table's own description when its items are stored for the first time."""
        if table["TableId"] in self._described:
            return changes
        self._described.add(table["TableId"])
        return [self._describe_tables(), *changes]
