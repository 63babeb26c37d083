"""Files that arrive twice, late, changed, while another run is at it, or never."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from chalicelib.domain.dataset import Dataset, DatasetStatus, ValidationProgress
from chalicelib.storage_events import dataset_ids_of
from chalicelib.use_cases.expire_uploads import expire_uploads
from chalicelib.use_cases.validate_dataset import validate_dataset

from tests.backend.datasets.conftest import World
from tests.backend.datasets.fake_files import FakeFiles
from tests.backend.datasets.rows import chat, good, jsonl


def stored(world: World, dataset_id: str) -> Dataset:
    return world.datasets.rows[dataset_id]  # type: ignore[no-any-return]


def validate(world: World, dataset_id: str, **changes: Any) -> Dataset | None:
    ports = {"datasets": world.datasets, "files": world.files, "clock": world.clock, **changes}
    return validate_dataset(dataset_id, **ports)


def test_the_same_notification_twice_checks_once(world: World) -> None:
    dataset_id = world.ready()
    before, read = stored(world, dataset_id), world.files.bytes_read
    assert world.arrive(dataset_id) == {"datasets": {dataset_id: "ready"}}
    assert stored(world, dataset_id) == before
    assert world.files.bytes_read == read


def test_a_file_uploaded_again_is_checked_again(world: World) -> None:
    dataset_id = world.ready(jsonl(good(10)))
    assert stored(world, dataset_id).status is DatasetStatus.REJECTED
    world.arrive(dataset_id, jsonl(good(70)))
    after = stored(world, dataset_id)
    assert (after.status, after.conversations, after.error_count) == (DatasetStatus.READY, 70, 0)


def test_a_late_file_of_a_deleted_dataset_is_removed(world: World) -> None:
    dataset_id = world.ready()
    world.call("DELETE", f"/api/datasets/{dataset_id}")
    assert world.arrive(dataset_id, jsonl(good())) == {"datasets": {dataset_id: "deleted"}}
    assert world.files.objects == {}


def test_notifications_about_other_things_are_ignored(world: World) -> None:
    assert world.arrive("ds_0000000000000000") == {"datasets": {"ds_0000000000000000": None}}
    keys = ["jobs/a/b", "datasets/x/other.txt", "datasets/ds_1/source.jsonl", "datasets/ds_1/source.jsonl"]
    event = {"Records": [{"s3": {"object": {"key": key}}} for key in keys]}
    assert dataset_ids_of(event) == ["ds_1"]
    assert dataset_ids_of({"Event": "s3:TestEvent"}) == []


def test_a_run_that_is_alive_is_left_alone_and_a_dead_one_is_replaced(world: World) -> None:
    dataset_id = world.announce(b"x")["dataset"]["id"]
    dataset = stored(world, dataset_id)
    progress = ValidationProgress(10, 100, 1, world.clock.now)
    world.datasets.save(
        replace(dataset, status=DatasetStatus.VALIDATING, progress=progress), expected=dataset
    )
    world.arrive(dataset_id, jsonl(good()))
    assert stored(world, dataset_id).status is DatasetStatus.VALIDATING
    world.clock.advance(60)
    world.arrive(dataset_id)
    assert stored(world, dataset_id).status is DatasetStatus.READY


class EventfulFiles(FakeFiles):
    """Something happens once while the file is being read."""

    def __init__(self, happens: Any) -> None:
        super().__init__()
        self.happens = happens

    def read_chunks(self, key: str, *, chunk_bytes: int = 1 << 20, offset: int = 0) -> Iterator[bytes]:
        for chunk in super().read_chunks(key, chunk_bytes=1000, offset=offset):
            if self.happens is not None:
                happens, self.happens = self.happens, None
                happens()
            yield chunk


def test_a_file_replaced_while_it_is_checked_is_checked_again(world: World) -> None:
    dataset_id = world.announce(b"x")["dataset"]["id"]
    key = stored(world, dataset_id).key
    files = EventfulFiles(None)
    files.happens = lambda: files.write(key, jsonl(good(75)), "")
    files.write(key, jsonl(good(60)), "")
    after = validate(world, dataset_id, files=files)
    assert after is not None
    assert after.conversations == 75


def test_a_dataset_deleted_while_it_is_checked_stays_deleted(world: World) -> None:
    dataset_id = world.announce(b"x")["dataset"]["id"]
    files = EventfulFiles(lambda: world.call("DELETE", f"/api/datasets/{dataset_id}"))
    files.write(stored(world, dataset_id).key, jsonl(good()), "")
    after = validate(world, dataset_id, files=files)
    assert after is not None
    assert after.status is DatasetStatus.DELETED


def test_progress_is_saved_every_few_seconds_and_no_more_often(world: World) -> None:
    rows = [chat(number, note="x" * 1000) for number in range(200)]
    dataset_id = world.announce(jsonl(rows))["dataset"]["id"]
    seen: list[ValidationProgress] = []

    class Watched(EventfulFiles):
        def read_chunks(self, key: str, *, chunk_bytes: int = 1 << 20, offset: int = 0) -> Iterator[bytes]:
            for chunk in FakeFiles.read_chunks(self, key, chunk_bytes=1000, offset=offset):
                world.clock.advance(1)
                yield chunk
                progress = stored(world, dataset_id).progress
                if progress is not None and progress not in seen:
                    seen.append(progress)

    files = Watched(None)
    files.write(stored(world, dataset_id).key, jsonl(rows), "")
    validate(world, dataset_id, files=files)
    chunks = len(jsonl(rows)) // 1000
    assert chunks // 6 <= len(seen) <= chunks // 5 + 2
    assert [each.bytes_read for each in seen] == sorted(each.bytes_read for each in seen)
    assert seen[-1].conversations > 0


def test_a_check_that_runs_out_of_time_rejects_with_advice(world: World) -> None:
    dataset_id = world.announce(b"x")["dataset"]["id"]
    world.files.write(stored(world, dataset_id).key, jsonl(good()), "")
    after = validate(world, dataset_id, is_out_of_time=lambda: True)
    assert after is not None
    assert after.status is DatasetStatus.REJECTED
    assert after.errors[-1].message == "The file could not be checked in time."


def test_an_upload_nobody_finished_expires_after_a_day(world: World) -> None:
    old = world.announce(b"", size_bytes=200 * 1024 * 1024)["dataset"]["id"]
    world.clock.advance(24 * 3600)
    young = world.announce(b"x")["dataset"]["id"]
    world.clock.advance(1)
    swept = expire_uploads(datasets=world.datasets, files=world.files, now=world.clock.now)
    assert swept.expired == (old,)
    assert swept.to_validate == ()
    assert world.files.uploads == {}
    assert [dataset.id for dataset in world.datasets.all()] == [young]


@pytest.mark.parametrize("status", [DatasetStatus.UPLOADING, DatasetStatus.VALIDATING])
def test_a_file_whose_notification_was_lost_is_found_and_checked(world: World, status: DatasetStatus) -> None:
    dataset_id = world.announce(jsonl(good()))["dataset"]["id"]
    dataset = stored(world, dataset_id)
    world.datasets.save(replace(dataset, status=status), expected=dataset)
    world.files.write(dataset.key, jsonl(good()), "")
    swept = expire_uploads(datasets=world.datasets, files=world.files, now=world.clock.advance(60))
    assert swept.to_validate == ()
    swept = expire_uploads(datasets=world.datasets, files=world.files, now=world.clock.advance(1800))
    assert swept.to_validate == (dataset_id,)
    assert world.invoke({"dataset_id": dataset_id}) == {"datasets": {dataset_id: "ready"}}
