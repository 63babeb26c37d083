"""What to change before a job is tried again: proposals made from why it ended, each ready to be asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from typing import Any

from chalicelib.domain.catalogue import GpuCard, card_of
from chalicelib.domain.end_reasons import EndReason
from chalicelib.domain.gpu import Tier
from chalicelib.domain.hyperparameters import LIMITS
from chalicelib.domain.job import Job, JobStatus

RETRYABLE = frozenset({JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.COMPLETED})
_CONTINUABLE = RETRYABLE - {JobStatus.COMPLETED}
_CAP_RAISE = Decimal("1.5")
_DOLLAR = Decimal(1)
_SHORTEST_SEQUENCE = 512
# Stored states of these are what went wrong, or belong to something else.
_BAD_STATE = frozenset({EndReason.DIVERGED, EndReason.CHECKPOINT_MISMATCH})
# Trying the same again would end the same way.
_NEEDS_A_CHANGE = frozenset(
    {
        EndReason.OUT_OF_MEMORY,
        EndReason.BAD_DATASET,
        EndReason.BAD_CONFIGURATION,
        EndReason.MODEL_UNAVAILABLE,
        EndReason.DIVERGED,
        EndReason.NO_CAPACITY,
    }
)
UNEXPECTED = "Resuming from checkpoint of {status} job may produce unexpected results"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What differs from the job as it was. why: one sentence; empty for the same again."""

    id: str
    title: str
    why: str = ""
    from_checkpoint: bool = False
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    gpu_type: str | None = None
    tier: Tier | None = None
    spend_cap_usd: Decimal | None = None


def can_continue(job: Job) -> bool:
    """Whether a new job may go on from what this one stored last."""
    return job.status in _CONTINUABLE and bool(job.kept_checkpoints) and job.end_reason not in _BAD_STATE


def proposals(job: Job, cards: Sequence[GpuCard]) -> tuple[Proposal, ...]:
    """The most promising one first; the same again, from the checkpoint and from the beginning, always last."""
    made = _BY_REASON[job.end_reason](job, cards) if job.end_reason in _BY_REASON else []
    same = []
    if can_continue(job) and not any(each.from_checkpoint for each in made):
        same.append(Proposal("continue", "Go on from the last checkpoint", from_checkpoint=True))
    same.append(Proposal("same", "The same again"))
    return (*made, *same)


def advised(job: Job, made: Sequence[Proposal]) -> str | None:
    """The proposal chosen at first; None where none of them would help and the configuration should be looked at."""
    first = made[0]
    return None if first.id in {"same", "continue"} and job.end_reason in _NEEDS_A_CHANGE else first.id


def _out_of_memory(job: Job, cards: Sequence[GpuCard]) -> list[Proposal]:
    values = job.configuration.hyperparameters
    found = []
    steps = values.gradient_accumulation_steps * 2
    if values.batch_size % 2 == 0 and steps <= LIMITS["gradient_accumulation_steps"].max:
        found.append(
            Proposal(
                "smaller_batch",
                "Smaller batch",
                f"A batch of {values.batch_size // 2} needs less memory; with {steps} accumulation steps the result is that "
                f"of the batch it had.",
                hyperparameters={"batch_size": values.batch_size // 2, "gradient_accumulation_steps": steps},
            )
        )
    larger = _larger_gpu(job, cards)
    if larger is not None:
        found.append(
            Proposal(
                "larger_gpu",
                f"A GPU with more memory: {larger.type.name}",
                f"{larger.type.memory_gb} GB instead of {_memory_gb(job, cards)} GB.",
                from_checkpoint=can_continue(job),
                gpu_type=larger.type.id,
                tier=_tier_of(larger, job),
            )
        )
    length = values.max_sequence_length // 2
    if length >= _SHORTEST_SEQUENCE:
        found.append(
            Proposal(
                "shorter_sequences",
                "Shorter conversations",
                f"At most {length:,} tokens of a conversation are kept instead of {values.max_sequence_length:,}; the "
                "rest is cut.",
                hyperparameters={"max_sequence_length": length},
            )
        )
    return found


def _memory_gb(job: Job, cards: Sequence[GpuCard]) -> int:
    card = card_of(cards, job.configuration.gpu.type)
    return 0 if card is None else card.type.memory_gb


def _larger_gpu(job: Job, cards: Sequence[GpuCard]) -> GpuCard | None:
    """The cheapest with more memory, in the tier the job had where that is sold."""
    had = _memory_gb(job, cards)
    fitting = [card for card in cards if _has(card, job) and card.type.memory_gb > had > 0]
    return min(fitting, key=lambda card: card.prices[_tier_of(card, job)].usd_per_hour, default=None)


def _has(card: GpuCard, job: Job) -> bool:
    return card.offered and card.availability != "NONE" and card.max_count >= job.configuration.gpu.count


def _tier_of(card: GpuCard, job: Job) -> Tier:
    wanted = job.configuration.gpu.tier
    return wanted if wanted in card.prices else next(iter(card.prices))


def _interrupted(job: Job, cards: Sequence[GpuCard]) -> list[Proposal]:
    card = card_of(cards, job.configuration.gpu.type)
    if job.configuration.gpu.tier is Tier.ON_DEMAND or card is None or Tier.ON_DEMAND not in card.prices:
        return []
    return [
        Proposal(
            "on_demand",
            "On-demand instead of spot",
            "An on-demand GPU costs more an hour and is not meant to be taken away.",
            from_checkpoint=can_continue(job),
            tier=Tier.ON_DEMAND,
        )
    ]


def _capped(job: Job, _: Sequence[GpuCard]) -> list[Proposal]:
    if job.spend_cap_usd is None:
        return []
    cap = (job.spend_cap_usd * _CAP_RAISE).quantize(_DOLLAR, ROUND_UP)
    return [
        Proposal(
            "higher_cap",
            f"A higher spend cap: ${cap}.00",
            f"The cap of ${job.spend_cap_usd:.2f} did not pay for the whole training.",
            from_checkpoint=can_continue(job),
            spend_cap_usd=cap,
        )
    ]


def _diverged(job: Job, _: Sequence[GpuCard]) -> list[Proposal]:
    rate = job.configuration.hyperparameters.learning_rate
    halved = max(LIMITS["learning_rate"].min, rate / 2)
    if halved >= rate:
        return []
    sentence = f"{halved:g} instead of {rate:g}: smaller steps keep the loss from running away."
    return [
        Proposal("lower_rate", "Lower learning rate", sentence, hyperparameters={"learning_rate": halved})
    ]


def _no_capacity(job: Job, cards: Sequence[GpuCard]) -> list[Proposal]:
    """The cheapest other type with no less memory that is not scarce."""
    had = _memory_gb(job, cards)
    others = [
        card
        for card in cards
        if _has(card, job)
        and card.availability != "LOW"
        and card.type.id != job.configuration.gpu.type
        and card.type.memory_gb >= had
    ]
    found = _interrupted(job, cards)
    other = min(others, key=lambda card: card.prices[_tier_of(card, job)].usd_per_hour, default=None)
    if other is not None:
        found.insert(
            0,
            Proposal(
                "other_gpu",
                f"Another GPU: {other.type.name}",
                f"{job.configuration.gpu.name} could not be had in time; this one has {other.type.memory_gb} GB.",
                from_checkpoint=can_continue(job),
                gpu_type=other.type.id,
                tier=_tier_of(other, job),
            ),
        )
    return found


_BY_REASON: Mapping[EndReason | None, Callable[[Job, Sequence[GpuCard]], list[Proposal]]] = {
    EndReason.OUT_OF_MEMORY: _out_of_memory,
    EndReason.PROVIDER_LOST: _interrupted,
    EndReason.AGENT_SILENT: _interrupted,
    EndReason.HARD_CAP: _capped,
    EndReason.SPEND_CAP: _capped,
    EndReason.DIVERGED: _diverged,
    EndReason.NO_CAPACITY: _no_capacity,
}
