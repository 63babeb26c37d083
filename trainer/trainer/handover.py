"""Lets every process of a group begin where the leader begins, with random generators of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from trainer.progress import Progress
from trainer.session import Session
from trainer.state import (
    RandomState,
    capture_random,
    optimizer_from_parts,
    optimizer_to_parts,
    restore_random,
    seed_of,
    seed_random,
)


@dataclass(frozen=True)
class _Beginning:
    """The leader's state, fresh or restored from a checkpoint; all tensors lie on the CPU."""

    parameters: list[torch.Tensor]
    optimizer: tuple[dict[str, torch.Tensor], dict[str, Any]]
    progress: Progress
    generators: RandomState


def begin_together(session: Session) -> None:
    """Give the followers the leader's adapter, optimizer and progress, and set every process's generators.

    A checkpoint holds the generators of as many processes as made it. A process beyond those is seeded from
    seed, step and rank, so a run continues with any number of processes, though not to the same bytes.
    """
    group = session.group
    if group.processes > 1:
        theirs = group.share(_beginning(session) if group.leads else None)
        if not group.leads:
            _take_over(session, theirs)
        peers = group.exchange(session.generators)[1:]
        if group.leads:
            session.generators = replace(session.generators, peers=tuple(peers))
    restore_random(session.generators)


def _beginning(session: Session) -> _Beginning:
    return _Beginning(
        [parameter.detach().cpu() for parameter in session.loaded.trainable],
        optimizer_to_parts(session.optimizer),
        session.progress,
        session.generators,
    )


def _take_over(session: Session, theirs: _Beginning) -> None:
    for parameter, value in zip(session.loaded.trainable, theirs.parameters, strict=True):
        parameter.data.copy_(value)
    optimizer_from_parts(session.optimizer, *theirs.optimizer)
    session.progress = theirs.progress
    recorded = theirs.generators.peers[session.group.rank - 1 : session.group.rank]
    if not recorded:
        seed_random(seed_of(session.job.seed, theirs.progress.step, session.group.rank))
    session.generators = recorded[0] if recorded else capture_random()
