"""The gradients of one step: forward and backward over its micro-batches, smaller when memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trainer import batches, events, loss, shares
from trainer.errors import MemoryExhaustedError, StoppedError, TrainerError
from trainer.resources import GIB, is_out_of_memory
from trainer.session import Session
from trainer.state import RandomState, capture_random, restore_random
from trainer.training_memory import SAFE_SHARE, longest_that_fits, needed_bytes

log = logging.getLogger(__name__)

# Where a longer packed row gains nothing more: on a GPU its matrix products are as large as they need to be (and a
# dense mask, where a model needs one, would outweigh packing); on a CPU its activations would leave the cache.
GPU_ROW_TOKENS = 8192
CPU_ROW_TOKENS = 1024


@dataclass(frozen=True)
class _Part:
    """What one process made of its share of a step. `generators` is left out where nobody needs it."""

    loss: float
    tokens: int
    out_of_memory: bool
    adapter: int
    generators: RandomState | None


def accumulate(session: Session, indices: list[int]) -> tuple[float, int, int, tuple[RandomState, ...]]:
    """Accumulate a step's gradients over all processes; when memory first runs out in any of them, all repeat
    it in micro-batches half as large.

    Returns the mean loss over the step's supervised tokens, tokens, supervised tokens, and the generators of
    the other processes.
    """
    supervised = sum(session.prepared.training[index].supervised_tokens for index in indices)
    group = session.group
    share = shares.divide(indices, session.prepared.lengths, group.processes)[group.rank]
    parts = _together(session, share, supervised)
    if any(part.out_of_memory for part in parts):
        _halve(session)
        parts = _together(session, share, supervised)
        if any(part.out_of_memory for part in parts):
            raise _out_of_memory(session)
    loss_sum = sum(part.loss for part in parts)
    peers = tuple(part.generators for part in parts[1:] if part.generators is not None)
    return loss_sum, sum(part.tokens for part in parts), supervised, peers


def _together(session: Session, share: list[int], supervised: int) -> list[_Part]:
    """One try at a step: this process's share, then one exchange, then the gradients of all added up.

    Gradients are sums over a share divided by the whole step's supervised tokens, so their sum over processes
    is the gradient of the step. Nothing is exchanged inside the backward pass: a process whose memory runs out
    leaves nobody waiting in the middle.
    """
    group, parameters = session.group, session.loaded.trainable
    flat = None
    try:
        total, tokens = _backward(session, share, supervised)
        if group.processes > 1:
            flat = flat_gradients(parameters)
        failed = False
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        log.warning("memory ran out at step %d", session.progress.step + 1, exc_info=True)
        total, tokens, failed = 0.0, 0, True
    alone = group.processes == 1
    mine = _Part(
        total, tokens, failed, 0 if alone else fingerprint(parameters), None if alone else capture_random()
    )
    parts = group.exchange(mine)
    if len({part.adapter for part in parts}) > 1:
        raise TrainerError(
            f"The adapters of the {group.processes} GPUs differ before step {session.progress.step + 1}. "
            "The last checkpoint is kept; retry the job, with one GPU if it happens again.",
            step=session.progress.step,
        )
    if flat is not None and not any(part.out_of_memory for part in parts):
        group.add_up(flat)
        spread_gradients(parameters, flat)
    return parts


def _halve(session: Session) -> None:
    if session.halved or session.progress.micro_batch <= 1:
        raise _out_of_memory(session)
    session.halved = True
    session.progress.micro_batch = max(1, session.progress.micro_batch // 2)
    session.optimizer.zero_grad(set_to_none=True)
    if session.machine.on_gpu:
        torch.cuda.empty_cache()
    restore_random(session.generators)
    message = (
        f"GPU memory ran out at step {session.progress.step + 1}; continuing with micro-batches of "
        f"{session.progress.micro_batch}. The effective batch size stays the same."
    )
    session.say(events.note("warning", message, "micro_batch_halved"), True)


def flat_gradients(parameters: Sequence[torch.nn.Parameter]) -> torch.Tensor:
    """All gradients in one fp32 vector, then one element per parameter that says whether it has any."""
    pieces = [
        (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad).reshape(-1).float()
        for parameter in parameters
    ]
    present = [float(parameter.grad is not None) for parameter in parameters]
    return torch.cat([*pieces, torch.tensor(present, device=pieces[0].device)])


def spread_gradients(parameters: Sequence[torch.nn.Parameter], flat: torch.Tensor) -> None:
    """The inverse of flat_gradients. A parameter without a gradient anywhere keeps none, so that the optimizer
    leaves it alone as it does in one process."""
    sizes = [parameter.numel() for parameter in parameters]
    *pieces, present = torch.split(flat, [*sizes, len(sizes)])
    for parameter, piece, owners in zip(parameters, pieces, present.tolist(), strict=True):
        parameter.grad = piece.view_as(parameter).to(parameter.dtype) if owners else None


def fingerprint(parameters: Sequence[torch.nn.Parameter]) -> int:
    """A number over every bit of the parameters: equal for equal adapters, almost surely different otherwise."""
    sums = [parameter.detach().float().view(torch.int32).sum(dtype=torch.int64) for parameter in parameters]
    return sum(position * value for position, value in enumerate(torch.stack(sums).tolist(), 1))


def _out_of_memory(session: Session) -> MemoryExhaustedError:
    """What to change, with the numbers of the estimate."""
    plan, micro_batch = session.loaded.plan, session.progress.micro_batch
    longest = max(session.prepared.lengths)
    needed = needed_bytes(plan, micro_batch * longest, True) / SAFE_SHARE
    # The estimate was too small by an unknown amount, so the advice leaves a quarter more room.
    shorter = longest_that_fits(plan, longest - 1, session.loaded.room_bytes * 3 // 4)
    advice = f"a maximum sequence length of {shorter}, " if shorter else "a shorter maximum sequence length, "
    return MemoryExhaustedError(
        f"GPU memory ran out at step {session.progress.step + 1} even with micro-batches of {micro_batch}. "
        f"The estimate for the longest conversation ({longest} tokens) is {needed / GIB:.1f} GB of "
        f"{session.loaded.room_bytes / GIB:.1f} GB. "
        f"Choose a GPU with more memory, {advice}4-bit quantization, a smaller model, or a lower rank.",
        micro_batch=micro_batch,
        estimated_gb=round(needed / GIB, 2),
    )


def _backward(session: Session, indices: list[int], supervised: int) -> tuple[float, int]:
    """This share of the mean loss over the step's `supervised` tokens, and its tokens; gradients are left in the
    parameters."""
    examples, machine, loaded = session.prepared.training, session.machine, session.loaded
    total, tokens = 0.0, 0
    for group in _micro_batches(session, indices):
        if session.command() == "cancel":
            raise StoppedError("cancelled")
        if session.progress.packed:
            batch = loss.packed(examples, group, machine.device, loaded.bounded)
        else:
            batch = loss.padded(examples, group, loaded.tokenizer.pad_token_id, machine.device)
        with torch.autocast(machine.device.type, torch.bfloat16, enabled=machine.on_gpu):
            share = loss.summed_loss(loaded.core, batch) / supervised
        share.backward()  # type: ignore[no-untyped-call]
        total += share.item()
        tokens += batch.tokens
    return total, tokens


def _micro_batches(session: Session, indices: list[int]) -> list[list[int]]:
    size = session.progress.micro_batch
    if not session.progress.packed:
        return batches.split_padded(indices, size)
    longest = max(session.prepared.lengths)
    limit = GPU_ROW_TOKENS if session.machine.on_gpu else CPU_ROW_TOKENS
    capacity = max(longest, min(size * longest, limit))
    return batches.split_packed(indices, session.prepared.lengths, capacity)
