"""Domain objects as JSON documents, and the one conditional write every store uses."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import TypeAdapter
from pynamodb.connection import Connection
from pynamodb.exceptions import PutError, PynamoDBException, TransactWriteError, UpdateError
from pynamodb.indexes import Index
from pynamodb.models import Model

from chalicelib.domain.errors import ServiceUnavailable, StaleWrite

Thing = TypeVar("Thing")

_LOST_RACE = {"ConditionalCheckFailedException", "TransactionConflictException"}
_LOST_IN_TRANSACTION = {"ConditionalCheckFailed", "TransactionConflict"}


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """Made once per type: it compiles a validator."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def dump(thing: Any) -> str:
    return adapter_of(type(thing)).dump_json(thing).decode()


def load(kind: type[Any], text: str) -> Any:
    return adapter_of(kind).validate_json(text)


# A write is billed by the started KB. What is smaller gains nothing, and stays readable in a console.
_PACKED_FROM_BYTES = 1024


def columns(item: Any, thing: Any) -> dict[str, Any]:
    """The attribute that holds the document: `packed` (zlib) for a large one of a table that is written all the time."""
    text = dump(thing)
    if not hasattr(item, "packed") or len(text) <= _PACKED_FROM_BYTES:
        return {"document": text}
    return {"packed": zlib.compress(text.encode())}


def read(kind: type[Any], row: Any) -> Any:
    """The object of a row, however its document is kept."""
    packed = getattr(row, "packed", None)
    return load(kind, row.document if packed is None else zlib.decompress(packed).decode())


_PATIENCE: dict[str, Any] = {
    "max_retry_attempts": 5,
    "connect_timeout_seconds": 3,
    "read_timeout_seconds": 10,
}


def connection() -> Connection:
    """For a store's transactions. One a store: making its client costs ten times what a transaction does."""
    return Connection(**_PATIENCE)


def bind(item: Any, prefix: str) -> type[Model]:
    """The model against `{prefix}-{table}`: a subclass, so that two prefixes can live in one process."""
    table = f"{prefix}-{item.Meta.table_name}"
    meta = type("Meta", (), {"table_name": table, **_PATIENCE})
    # An index object belongs to one model class, so the subclass gets fresh ones.
    indexes = {name: type(index)() for name, index in vars(item).items() if isinstance(index, Index)}
    return type(item.__name__, (item,), {"Meta": meta, "__module__": item.__module__, **indexes})


def next_version(expected: Any) -> int:
    return 1 if expected is None else int(expected.version) + 1


def unchanged(item: type[Model], expected: Any) -> Any:
    """The condition: nobody wrote since `expected` was read; None: nobody wrote ever."""
    version = item.version_number  # type: ignore[attr-defined]
    return version.does_not_exist() if expected is None else version == int(expected.version)


def save(
    item: type[Model], after: Thing, expected: Thing | None, keys: Callable[[Thing], dict[str, Any]]
) -> Thing:
    """StaleWrite when someone else wrote first."""
    saved: Any = replace(after, version=next_version(expected))  # type: ignore[type-var]
    row = item(**keys(saved), version_number=saved.version, **columns(item, saved))
    try:
        row.save(condition=unchanged(item, expected), add_version_condition=False)
    except (PutError, UpdateError) as error:
        raise translate(error) from error
    return saved  # type: ignore[no-any-return]


def translate(error: Exception) -> Exception:
    """StaleWrite for a lost race, ServiceUnavailable for anything else the store says."""
    if isinstance(error, TransactWriteError):
        codes = {reason.code for reason in error.cancellation_reasons if reason is not None}
        if codes & _LOST_IN_TRANSACTION or error.cause_response_code in _LOST_RACE:
            return StaleWrite("Someone else changed this meanwhile. Reload and try again.")
        return ServiceUnavailable(f"The database refused a write ({error.cause_response_code}).")
    code = getattr(error, "cause_response_code", None)
    if code in _LOST_RACE:
        return StaleWrite("Someone else changed this meanwhile. Reload and try again.")
    return ServiceUnavailable(f"The database did not answer as it should ({code or type(error).__name__}).")


Store = TypeVar("Store", bound=type)


def translating(store: Store) -> Store:
    """Class decorator of the stores: whatever the database says in a public method leaves it as an AppError."""
    for name, method in list(vars(store).items()):
        if not name.startswith("_") and callable(method):
            setattr(store, name, _translated(method))
    return store


def _translated(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def run(*arguments: Any, **named: Any) -> Any:
        try:
            return method(*arguments, **named)
        except PynamoDBException as error:
            raise translate(error) from error

    return run


def fetch(item: Any, kind: type[Any], *key: Any) -> Any:
    """The object under this key, read consistently; None when there is none."""
    try:
        row: Any = item.get(*key, consistent_read=True)
    except item.DoesNotExist:
        return None
    return read(kind, row)
