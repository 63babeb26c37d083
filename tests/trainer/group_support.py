"""What the tests of several processes share: settings, faults, and who is alive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import ROOT, wait_until

TWO = {"LORA_PIPELINE_PROCESSES": "2"}


def group_of(work: Path) -> dict[str, int]:
    """Process ids of the group that works in a folder, by rank; torchrun itself and PID 1 have none."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            ranks = [entry[5:].decode() for entry in variables if entry.startswith(b"RANK=")]
            if ranks and f"LORA_PIPELINE_WORK_DIR={work}".encode() in variables:
                found[ranks[0]] = int(folder.name)
    return found


def anyone_in(work: Path) -> list[int]:
    """Every living process that was started with this work folder, PID 1 and torchrun included."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"LORA_PIPELINE_WORK_DIR={work}".encode() in variables:
                found.append(int(folder.name))
    return found


def leader_alone(work: Path) -> None:
    wait_until(lambda: set(group_of(work)) == {"0"}, "only the leader is left", 20)


def trained(plane: FakeControlPlane) -> dict[int, float]:
    """Training loss by step; a step that ran twice must have had the same loss."""
    losses: dict[int, float] = {}
    for point in plane.of_type("metrics"):
        if "training_loss" in point:
            assert losses.setdefault(point["step"], point["training_loss"]) == point["training_loss"]
    return losses


def adapter(plane: FakeControlPlane) -> bytes:
    return plane.stored("artifacts/")["adapter_model.safetensors"]


def with_fault(folder: Path, rank: int, text: str) -> dict[str, str]:
    """Settings under which one rank runs `text` before anything else."""
    folder.mkdir(parents=True)
    body = "".join(f"    {line}\n" for line in text.splitlines())
    (folder / "sitecustomize.py").write_text(f"import os\nif os.environ.get('RANK') == '{rank}':\n{body}")
    return TWO | {"PYTHONPATH": f"{folder}:{ROOT / 'trainer'}"}


def command_from(plane: FakeControlPlane, command: str, step: int) -> None:
    """Give a command in the reply to the batch that reports a step."""

    def decide(route: str, body: dict[str, Any]) -> None:
        if route == "events" and any(event.get("step", -1) >= step for event in body["events"]):
            plane.command = command

    plane.before_reply = decide
