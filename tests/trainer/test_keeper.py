"""Checkpoints on a full disk and through an outage of storage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from trainer.checkpoint import MANIFEST_FILE, Checkpoint, folder_name, open_checkpoint
from trainer.config import Address
from trainer.errors import is_disk_full
from trainer.keeper import CheckpointKeeper
from trainer.upload import Transfers, describe
from trainer.webhooks import ControlPlane

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import JOB_ID, SECRET, Said, wait_until

FULL = Path("/dev/full")


pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def keeper(tmp_path: Path, plane: FakeControlPlane, said: Said) -> Iterator[CheckpointKeeper]:
    with httpx.Client() as client:
        address = Address(JOB_ID, 1, plane.fence, plane.url)
        control = ControlPlane(plane.url, JOB_ID, SECRET, client)
        transfers = Transfers(control, address, client, attempts=2, base_seconds=0.01)
        keeper = CheckpointKeeper(
            tmp_path / "checkpoints", transfers, said, every_steps=5, every_seconds=3600
        )
        keeper.start(0, None)
        yield keeper
        keeper.wait(30)


def write(root: Path, step: int) -> Checkpoint:
    """A whole checkpoint folder with next to nothing in it."""
    folder = root / folder_name(step)
    folder.mkdir()
    for name in ("adapter_model.safetensors", "trainer_state.safetensors"):
        save_file({"a": torch.full((2,), float(step))}, folder / name)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "trainer_state.json").write_text("{}")
    manifest = {path.name: describe(path).sha256 for path in sorted(folder.iterdir())}
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    return open_checkpoint(folder)


def no_room() -> Checkpoint:
    """What a full disk makes of a save: the device is always full."""
    with FULL.open("w") as file:
        file.write("state")
    raise AssertionError("the device took it")


def test_a_full_disk_is_recognised_however_it_shows() -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        no_room()
    assert is_disk_full(caught.value)
    # As safetensors 0.8 says it on a full file system.
    assert is_disk_full(
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    )
    assert not is_disk_full(OSError("no such file"))


def test_stored_checkpoints_make_room_for_a_new_one(keeper: CheckpointKeeper, said: Said) -> None:
    for step in (5, 10):
        keeper.take("interval", lambda step=step: write(keeper.root, step))  # type: ignore[misc]
        assert keeper.wait(30)

    def save() -> Checkpoint:
        if any(keeper.root.glob("step-*[0-9]")):
            no_room()
        return write(keeper.root, 15)

    assert keeper.due(15)
    taken = keeper.take("interval", save)
    assert taken is not None
    assert taken.step == 15
    assert [path.name for path in keeper.root.iterdir()] == ["step-000015"]
    assert said.codes() == []


def test_a_disk_that_stays_full_costs_checkpoints_one_warning_and_not_the_run(
    keeper: CheckpointKeeper, said: Said, plane: FakeControlPlane
) -> None:
    keeper.take("interval", lambda: write(keeper.root, 5))
    assert keeper.wait(30)
    for step in (10, 15):
        assert keeper.due(step)
        assert keeper.take("interval", no_room) is None
        assert not keeper.due(step + 1), "the next step would try again at once"
    assert said.codes() == ["disk_full"]
    (warning,) = [event for event in said if event.get("code") == "disk_full"]
    assert "The newest stored one is of step 5." in warning["message"]
    assert plane.stored("checkpoints/step-000005/")

    keeper.take("interval", lambda: write(keeper.root, 20))
    assert keeper.take("interval", no_room) is None
    assert said.codes() == ["disk_full", "disk_full"], "a disk that filled up anew is told about anew"


def test_the_only_copy_of_a_checkpoint_is_not_given_up_for_room(
    keeper: CheckpointKeeper, plane: FakeControlPlane
) -> None:
    plane.storage_failures = [503] * 1000
    keeper.take("interval", lambda: write(keeper.root, 5))
    assert keeper.wait(30)
    assert keeper.take("interval", no_room) is None
    assert (keeper.root / "step-000005").is_dir()


def test_an_outage_of_storage_is_one_warning_and_one_relief(
    keeper: CheckpointKeeper, said: Said, plane: FakeControlPlane
) -> None:
    plane.storage_failures = [403] * 1000
    for step in (5, 10, 15):
        keeper.take("interval", lambda step=step: write(keeper.root, step))  # type: ignore[misc]
        assert keeper.wait(30)
    assert said.codes() == ["checkpoint_not_stored"]
    assert "Training goes on" in said[0]["message"]
    assert "403" in said[0]["message"]
    assert "Resume the job" not in said[0]["message"]

    plane.storage_failures = []
    keeper.take("interval", lambda: write(keeper.root, 20))
    wait_until(lambda: "checkpoint_stored_again" in said.codes(), "the outage is over")
    assert [event["step"] for event in said if event["type"] == "checkpoint"] == [20]


def test_a_superseded_attempt_keeps_nobody_waiting(keeper: CheckpointKeeper, plane: FakeControlPlane) -> None:
    plane.fence = "fence-0002"
    keeper.take("interval", lambda: write(keeper.root, 5))
    keeper.take("pause", lambda: write(keeper.root, 10))
    # Far longer than a test may take: it has to notice by itself.
    assert keeper.wait(3600) is False
