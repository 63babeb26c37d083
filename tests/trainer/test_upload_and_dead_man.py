"""Transfers retry, check and give up; a pod nobody listens to deletes itself."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from trainer.config import Address
from trainer.dead_man import DeadMan, PodIdentity, delete_own_pod
from trainer.errors import SupersededError, UploadFailedError
from trainer.upload import NotStoredError, Transfers, describe
from trainer.webhooks import ControlPlane

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import JOB_ID, SECRET, wait_until


@pytest.fixture
def transfers(plane: FakeControlPlane) -> Iterator[Transfers]:
    with httpx.Client() as client:
        control = ControlPlane(plane.url, JOB_ID, SECRET, client)
        yield Transfers(
            control, Address(JOB_ID, 1, plane.fence, plane.url), client, attempts=4, base_seconds=0.01
        )


def test_files_are_stored_under_their_folder(
    plane: FakeControlPlane, transfers: Transfers, tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(b"x" * 3_000_000)
    (tmp_path / "empty").write_bytes(b"")
    transfers.upload("artifacts", [describe(tmp_path / "a.bin"), describe(tmp_path / "empty")])
    assert plane.stored("artifacts/") == {"a.bin": b"x" * 3_000_000, "empty": b""}


def test_storage_failures_are_retried_with_a_new_link(
    plane: FakeControlPlane, transfers: Transfers, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    plane.storage_failures = [500, 403, 503]
    transfers.upload("artifacts", [describe(tmp_path / "a")])
    assert plane.stored("artifacts/") == {"a": b"abc"}
    assert sum(route == "urls" for route, _ in plane.requests) == 4


def test_links_of_one_folder_are_asked_for_together(
    plane: FakeControlPlane, transfers: Transfers, tmp_path: Path
) -> None:
    files = []
    for number in range(5):
        (tmp_path / f"file-{number}").write_bytes(b"x" * number)
        files.append(describe(tmp_path / f"file-{number}"))
    transfers.upload("artifacts", files)
    assert len(plane.stored("artifacts/")) == 5
    assert sum(route == "urls" for route, _ in plane.requests) == 1


def test_a_file_that_failed_gets_a_new_link_and_the_next_ones_with_it(
    plane: FakeControlPlane, transfers: Transfers, tmp_path: Path
) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode())
    plane.storage_failures = [503]
    transfers.upload("artifacts", [describe(tmp_path / name) for name in "abc"])
    assert plane.stored("artifacts/") == {"a": b"a", "b": b"b", "c": b"c"}
    assert sum(route == "urls" for route, _ in plane.requests) == 2


def test_links_that_may_have_run_out_are_asked_for_again(
    plane: FakeControlPlane, transfers: Transfers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode())
    monkeypatch.setattr("trainer.upload.FRESH_LINK_SECONDS", -1.0)
    transfers.upload("artifacts", [describe(tmp_path / name) for name in "ab"])
    assert plane.stored("artifacts/") == {"a": b"a", "b": b"b"}
    assert sum(route == "urls" for route, _ in plane.requests) == 2


def test_uploads_that_never_work_fail_with_the_last_answer(
    plane: FakeControlPlane, transfers: Transfers, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    plane.storage_failures = [503] * 9
    with pytest.raises(UploadFailedError, match=r"failed 4 times.*503"):
        transfers.upload("artifacts", [describe(tmp_path / "a")])


def test_a_superseded_attempt_uploads_nothing_more(
    plane: FakeControlPlane, transfers: Transfers, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    plane.fence = "fence-0002"
    with pytest.raises(SupersededError):
        transfers.upload("artifacts", [describe(tmp_path / "a")])
    assert plane.stored("artifacts/") == {}
    transfers.cancelled.set()
    with pytest.raises(SupersededError):
        transfers.upload("artifacts", [describe(tmp_path / "a")])
    assert sum(route == "urls" for route, _ in plane.requests) == 1


def test_a_file_that_changed_in_storage_is_not_taken(
    plane: FakeControlPlane, transfers: Transfers, tmp_path: Path
) -> None:
    target = tmp_path / "dataset"
    with pytest.raises(NotStoredError, match="differs"):
        transfers.download("dataset", target, "0" * 64)
    assert list(tmp_path.iterdir()) == []
    transfers.download("dataset", target, hashlib.sha256(plane.files["dataset"]).hexdigest())
    assert target.read_bytes() == plane.files["dataset"]


def test_a_missing_file_is_not_retried(plane: FakeControlPlane, transfers: Transfers, tmp_path: Path) -> None:
    with pytest.raises(NotStoredError, match="not in storage"):
        transfers.download("checkpoint/gone", tmp_path / "gone", "0" * 64)
    assert sum(route == "urls" for route, _ in plane.requests) == 1


def test_a_pod_deletes_itself_with_its_own_key(plane: FakeControlPlane) -> None:
    with httpx.Client() as client:
        assert delete_own_pod(PodIdentity(plane.url, "pod-1", "key"), client)
        assert plane.deleted_pods == ["/v2/pods/pod-1"]
        assert not delete_own_pod(PodIdentity(plane.url, None, None), client)


def test_a_pod_that_may_not_delete_itself_says_so() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(403)

    with httpx.Client(transport=httpx.MockTransport(refuse)) as client:
        assert not delete_own_pod(PodIdentity("http://provider", "pod-1", "key"), client, retry_seconds=0.0)


def test_silence_first_asks_for_a_save_and_then_ends_the_pod() -> None:
    silence = [0.0]
    ended = threading.Event()

    def end() -> bool:
        ended.set()
        return True

    dead_man = DeadMan(lambda: silence[0], 0.05, end)
    silence[0] = 1.0
    dead_man.start()
    wait_until(dead_man.expired.is_set, "the silence is noticed", 5)
    dead_man.saved.set()
    wait_until(ended.is_set, "the pod is ended", 5)


def test_a_control_plane_that_answers_keeps_the_pod() -> None:
    ended = threading.Event()
    looked = threading.Semaphore(0)

    def silent_seconds() -> float:
        looked.release()
        return 0.0

    def end() -> bool:
        ended.set()
        return True

    dead_man = DeadMan(silent_seconds, 0.01, end)
    dead_man.start()
    for _ in range(5):
        assert looked.acquire(timeout=5)
    dead_man.close()
    assert not ended.is_set()
    assert not dead_man.expired.is_set()
