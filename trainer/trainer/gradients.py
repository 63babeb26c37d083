"""The gradients of one step: forward and backward over its micro-batches, smaller when memory runs out."""

from __future__ import annotations

import torch

from trainer import batches, events, loss
from trainer.errors import MemoryExhaustedError, StoppedError
from trainer.session import Session
from trainer.state import restore_random

# Packed rows longer than this spend more on the attention mask than packing saves.
PACKED_TOKENS = 8192


def accumulate(session: Session, indices: list[int]) -> tuple[float, int, int]:
    """Accumulate a step's gradients; on the first lack of memory repeat it in micro-batches half as large."""
    try:
        return _backward(session, indices)
    except torch.OutOfMemoryError as error:
        if session.halved or session.progress.micro_batch <= 1:
            raise _out_of_memory(session) from error
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
    try:
        return _backward(session, indices)
    except torch.OutOfMemoryError as error:
        raise _out_of_memory(session) from error


def _out_of_memory(session: Session) -> MemoryExhaustedError:
    return MemoryExhaustedError(
        f"GPU memory ran out at step {session.progress.step + 1} even with micro-batches of "
        f"{session.progress.micro_batch}. "
        "Choose a GPU with more memory, 4-bit quantization, a smaller model, a lower rank, or a shorter "
        "maximum sequence length.",
        micro_batch=session.progress.micro_batch,
    )


def _backward(session: Session, indices: list[int]) -> tuple[float, int, int]:
    """Mean loss over the step's supervised tokens, tokens, supervised tokens; gradients are left in the
    parameters."""
    examples, machine, loaded = session.prepared.training, session.machine, session.loaded
    supervised = sum(examples[index].supervised_tokens for index in indices)
    total, tokens = 0.0, 0
    for group in _micro_batches(session, indices):
        if session.command() == "cancel":
            raise StoppedError("cancelled")
        if machine.on_gpu:
            batch = loss.packed(examples, group, machine.device)
        else:
            batch = loss.padded(examples, group, loaded.tokenizer.pad_token_id, machine.device)
        with torch.autocast(machine.device.type, torch.bfloat16, enabled=machine.on_gpu):
            values, _ = loss.token_losses(loaded.core, batch)
        share = values.sum() / supervised
        share.backward()  # type: ignore[no-untyped-call]
        total += share.item()
        tokens += batch.tokens
    return total, tokens, supervised


def _micro_batches(session: Session, indices: list[int]) -> list[list[int]]:
    size = session.progress.micro_batch
    if not session.machine.on_gpu:
        return batches.split_padded(indices, size)
    longest = max(session.prepared.lengths)
    capacity = max(longest, min(size * longest, PACKED_TOKENS))
    return batches.split_packed(indices, session.prepared.lengths, capacity)
