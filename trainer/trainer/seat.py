"""How many processes train together, and which of them this one is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainer.errors import BadConfigurationError

MAX_PROCESSES = 8


@dataclass(frozen=True)
class Seat:
    """This process's place in a group that torchrun started, and where the group's store listens."""

    rank: int
    local_rank: int
    processes: int
    address: str
    port: int
    incarnation: int


def read_processes(variables: Mapping[str, str]) -> int | None:
    """How many processes the environment asks for, None when it does not. Raises BadConfigurationError."""
    text = variables.get("LORA_PIPELINE_PROCESSES")
    if not text:
        return None
    if not text.isdigit() or not 1 <= int(text) <= MAX_PROCESSES:
        raise BadConfigurationError(
            f"LORA_PIPELINE_PROCESSES must be a whole number from 1 to {MAX_PROCESSES}, but it is {text!r}."
        )
    return int(text)


def read_seat(variables: Mapping[str, str]) -> Seat | None:
    """The place torchrun gave this process; None when it was not started by torchrun."""
    if "TORCHELASTIC_RUN_ID" not in variables:
        return None
    return Seat(
        rank=int(variables["RANK"]),
        local_rank=int(variables["LOCAL_RANK"]),
        processes=int(variables["WORLD_SIZE"]),
        address=variables["MASTER_ADDR"],
        port=int(variables["MASTER_PORT"]),
        incarnation=int(variables.get("TORCHELASTIC_RESTART_COUNT", "0")),
    )
