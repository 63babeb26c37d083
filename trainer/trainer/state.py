"""The parts of a training state beside the adapter, without pickle: tensors in safetensors, the rest in
JSON."""

from __future__ import annotations

import copy
import hashlib
import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class RandomState:
    """Every generator that training draws from, at a step boundary."""

    torch_cpu: torch.Tensor
    cuda: list[torch.Tensor]
    python: tuple[Any, ...]
    numpy_words: torch.Tensor
    numpy_rest: dict[str, Any]
    # The other processes' generators, in the order of their ranks from 1; only the leader's state has them.
    peers: tuple[RandomState, ...] = ()


def seed_random(seed: int) -> None:
    """Start every generator from one number."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def seed_of(seed: int, step: int, rank: int) -> int:
    """The seed of a follower that has no recorded state at `step`: its own, and the same each time."""
    digest = hashlib.sha256(f"{seed}/{step}/{rank}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def capture_random(peers: tuple[RandomState, ...] = ()) -> RandomState:
    """Copy the state of torch's, Python's and NumPy's generators, and of the CUDA device in use."""
    legacy = np.random.get_state(legacy=False)
    assert isinstance(legacy, dict)
    words = torch.from_numpy(legacy["state"]["key"].astype(np.int64))
    rest = {
        "position": int(legacy["state"]["pos"]),
        "has_gauss": int(legacy["has_gauss"]),
        "gauss": float(legacy["gauss"]),
    }
    cuda = [torch.cuda.get_rng_state()] if torch.cuda.is_available() else []
    return RandomState(torch.get_rng_state(), cuda, random.getstate(), words, rest, peers)


def restore_random(state: RandomState) -> None:
    """Put every generator back. CUDA states are ignored on a machine without CUDA."""
    torch.set_rng_state(state.torch_cpu)
    if state.cuda and torch.cuda.is_available():
        torch.cuda.set_rng_state(state.cuda[0])
    random.setstate(state.python)
    np.random.set_state(
        {
            "bit_generator": "MT19937",
            "state": {
                "key": state.numpy_words.numpy().astype(np.uint32),
                "pos": state.numpy_rest["position"],
            },
            "has_gauss": state.numpy_rest["has_gauss"],
            "gauss": state.numpy_rest["gauss"],
        }
    )


def random_to_parts(state: RandomState) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and JSON of a random state, its peers' included."""
    tensors, rest = _to_parts(state, "random")
    for rank, peer in enumerate(state.peers, 1):
        peer_tensors, peer_rest = _to_parts(peer, f"random.rank{rank}")
        tensors |= peer_tensors
        rest.setdefault("peers", []).append(peer_rest)
    return tensors, rest


def random_from_parts(tensors: dict[str, torch.Tensor], rest: dict[str, Any]) -> RandomState:
    """The inverse of random_to_parts."""
    peers = tuple(
        _from_parts(tensors, peer, f"random.rank{rank}") for rank, peer in enumerate(rest.get("peers", []), 1)
    )
    return replace(_from_parts(tensors, rest, "random"), peers=peers)


def _to_parts(state: RandomState, prefix: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    tensors = {f"{prefix}.torch": state.torch_cpu, f"{prefix}.numpy": state.numpy_words}
    tensors |= {f"{prefix}.cuda.{index}": tensor for index, tensor in enumerate(state.cuda)}
    version, words, gauss = state.python
    return tensors, {
        "python": [version, list(words), gauss],
        "numpy": state.numpy_rest,
        "cuda_devices": len(state.cuda),
    }


def _from_parts(tensors: dict[str, torch.Tensor], rest: dict[str, Any], prefix: str) -> RandomState:
    version, words, gauss = rest["python"]
    return RandomState(
        torch_cpu=tensors[f"{prefix}.torch"],
        cuda=[tensors[f"{prefix}.cuda.{index}"] for index in range(rest["cuda_devices"])],
        python=(version, tuple(words), gauss),
        numpy_words=tensors[f"{prefix}.numpy"],
        numpy_rest=rest["numpy"],
    )


def optimizer_to_parts(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors (as optimizer.{parameter}/{name}, deeper where the state is nested) and the plain values of an
    optimizer's state. The 8-bit one keeps its quantised moments one level down."""
    content = optimizer.state_dict()
    tensors: dict[str, torch.Tensor] = {}
    values = _split(content["state"], "optimizer.", tensors)
    return tensors, {"values": values, "groups": content["param_groups"]}


def _split(entries: dict[Any, Any], place: str, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The entries without their tensors, which go into `tensors` under their path."""
    plain: dict[str, Any] = {}
    for name, value in entries.items():
        if isinstance(value, torch.Tensor):
            # A copy: several parameters may share one table, and safetensors refuses shared memory.
            tensors[f"{place}{name}"] = value.detach().cpu().contiguous().clone()
        else:
            plain[str(name)] = _split(value, f"{place}{name}/", tensors) if isinstance(value, dict) else value
    return plain


def optimizer_from_parts(
    optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], rest: dict[str, Any]
) -> None:
    """Load what optimizer_to_parts wrote."""
    values = copy.deepcopy(rest["values"])
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            *folders, name = key.removeprefix("optimizer.").split("/")
            entry = values
            for folder in folders:
                entry = entry.setdefault(folder, {})
            entry[name] = tensor
    state = {int(index): entry for index, entry in values.items()}
    optimizer.load_state_dict({"state": state, "param_groups": rest["groups"]})
