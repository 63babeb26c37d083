"""What a simulated trainer does, as far as tests need to know it too: its script, its losses, its chain of steps."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass

MARK = "Simulated"
WEIGHTS, CONFIG, STATE = "adapter_model.safetensors", "adapter_config.json", "trainer_state.json"
FIRST_LOSS = 2.4


def chain(seed: int, steps: int) -> str:
    """The digest after that many steps, from the seed alone."""
    digest = hashlib.sha256(str(seed).encode()).hexdigest()
    for step in range(1, steps + 1):
        digest = following(digest, step)
    return digest


def following(digest: str, step: int) -> str:
    """The digest after one more step."""
    return hashlib.sha256(f"{digest}/{step}".encode()).hexdigest()


def weights_of(digest: str) -> bytes:
    """What stands for the adapter after a chain of steps."""
    return f"simulated adapter {digest}\n".encode()


def loss_at(step: int) -> float:
    """The same for a step whoever trains it."""
    return round(0.6 + (FIRST_LOSS - 0.6) * math.exp(-step / 25), 6)


@dataclass(frozen=True)
class Script:
    """What the words of a job's name ask for.

    linger: stage in which the first process of the first attempt waits to be disturbed. fail: stage in which the
    trainer reports the error `reason`. crash: stage in which the process
    dies, in the first `crashes` processes of a pod. forget: result file that is announced and
    not stored. dead_man: seconds of silence after which it gives its pod back, in place of the job file's.
    """

    steps: int = 30
    step: float = 0.1
    every: int = 10
    linger: str = ""
    fail: str = ""
    reason: str = "out_of_memory"
    crash: str = ""
    crashes: int = 1
    forget: str = ""
    dead_man: float = 0.0

    @classmethod
    def of(cls, name: str) -> Script:
        """The script that a job's name carries."""
        found = re.search(r"\[([^\]]*)\]\s*$", name)
        words = dict(word.partition("=")[::2] for word in found.group(1).split()) if found else {}
        kinds = {"steps": int, "every": int, "crashes": int, "step": float, "dead_man": float}
        return cls(**{key: kinds.get(key, str)(value) for key, value in words.items()})
