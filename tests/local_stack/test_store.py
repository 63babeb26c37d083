"""The store: order, all or none, and what a kill leaves."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ministack_launcher.store import Store, StoreClosedError
from stack.places import child_environment

KILLED_WRITER = """
import sys
from pathlib import Path
from ministack_launcher.store import Store
store = Store(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    store.put([("a", str(number), "1"), ("b", str(number), "1")]).result()
    print(number, flush=True)
"""


def test_changes_are_read_back_after_closing(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    store.put([("item", "one", "1"), ("item", "two", "2"), ("other", "one", "3")])
    store.put([("item", "one", None)])
    store.put([("other", None, None), ("other", "kept", "4")]).result()
    store.close()
    reopened = Store(tmp_path / "state.sqlite")
    assert list(reopened.read("item")) == [("two", "2")]
    assert list(reopened.read("other")) == [("kept", "4")]
    assert sorted(reopened.kinds()) == ["item", "other"]
    reopened.close()


def test_a_closed_store_refuses_changes(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    store.close()
    with pytest.raises(StoreClosedError):
        store.put([("item", "one", "1")])


def test_a_failed_write_fails_the_caller_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    with pytest.raises(sqlite3.Error):
        store.put([("item", "one", "1"), ("item", "two", b"".join)]).result()  # type: ignore[list-item]
    store.put([("item", "three", "3")]).result()
    assert list(store.read("item")) == [("three", "3")]
    store.close()


def test_a_killed_writer_leaves_what_it_acknowledged_in_whole_groups(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED_WRITER, str(path)],
        stdout=subprocess.PIPE,
        env=child_environment(),
        text=True,
    )
    assert writer.stdout is not None
    acknowledged = 0
    while acknowledged < 300:
        acknowledged = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged = int(([str(acknowledged), *writer.stdout.read().split()])[-1])
    writer.stdout.close()
    writer.wait()
    store = Store(path)
    left, right = ({int(key) for key, _ in store.read(kind)} for kind in ("a", "b"))
    store.close()
    assert left == right
    assert left >= set(range(1, acknowledged + 1))
