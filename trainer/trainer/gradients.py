"""The gradients of one step: forward and backward over its micro-batches, smaller when memory runs out."""

from __future__ import annotations

import torch

from trainer import batches, events, loss
from trainer.errors import MemoryExhaustedError, StoppedError
from trainer.resources import GIB, is_out_of_memory
from trainer.session import Session
from trainer.state import restore_random
from trainer.training_memory import SAFE_SHARE, longest_that_fits, needed_bytes

# Where a longer packed row gains nothing more: on a GPU its matrix products are as large as they need to be (and a
# dense mask, where a model needs one, would outweigh packing); on a CPU its activations would leave the cache.
GPU_ROW_TOKENS = 8192
CPU_ROW_TOKENS = 1024


def accumulate(session: Session, indices: list[int]) -> tuple[float, int, int]:
    """Accumulate a step's gradients; on the first lack of memory repeat it in micro-batches half as large."""
    try:
        return _backward(session, indices)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
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
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise _out_of_memory(session) from error


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


def _backward(session: Session, indices: list[int]) -> tuple[float, int, int]:
    """Mean loss over the step's supervised tokens, tokens, supervised tokens; gradients are left in the
    parameters."""
    examples, machine, loaded = session.prepared.training, session.machine, session.loaded
    supervised = sum(examples[index].supervised_tokens for index in indices)
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
    return total, tokens, supervised


def _micro_batches(session: Session, indices: list[int]) -> list[list[int]]:
    size = session.progress.micro_batch
    if not session.progress.packed:
        return batches.split_padded(indices, size)
    longest = max(session.prepared.lengths)
    limit = GPU_ROW_TOKENS if session.machine.on_gpu else CPU_ROW_TOKENS
    capacity = max(longest, min(size * longest, limit))
    return batches.split_packed(indices, session.prepared.lengths, capacity)
