"""Ways to try an ended job again, each with what it would cost. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.configuration import Configuration
from chalicelib.domain.configure import configure
from chalicelib.domain.errors import NotFound, ValidationFailed, WrongStatus
from chalicelib.domain.estimate import Estimate
from chalicelib.domain.job import Job
from chalicelib.domain.retrying import RETRYABLE, Proposal, advised, proposals
from chalicelib.ports import BudgetStore, CostStore
from chalicelib.use_cases.copy_job import Copier
from chalicelib.use_cases.estimate_job import EstimateRequest, estimate_job
from chalicelib.use_cases.refresh_catalog import current_cards
from chalicelib.use_cases.retry_job import Change, changed


@dataclass(frozen=True, slots=True)
class Priced:
    """problem: why it cannot be had now; then there is no price."""

    proposal: Proposal
    from_step: int | None
    configuration: Configuration | None
    estimate: Estimate | None
    problem: str | None = None


def propose_retry(
    job: Job, *, person_id: str, copier: Copier, budgets: BudgetStore, costs: CostStore, now: datetime
) -> tuple[tuple[Priced, ...], str | None]:
    """The proposals, and the id of the advised one. WrongStatus for a job that has not ended."""
    if job.status not in RETRYABLE:
        raise WrongStatus("Only a job that has ended can be tried again.", {"status": job.status.value})
    made = proposals(job, current_cards(copier.documents, now))
    priced = [_priced(job, each, person_id, copier, budgets, costs, now) for each in made]
    return tuple(priced), advised(job, made)


def as_change(proposal: Proposal) -> Change:
    return Change(
        proposal.from_checkpoint,
        proposal.hyperparameters,
        proposal.gpu_type,
        None,
        None if proposal.tier is None else proposal.tier.value,
        proposal.spend_cap_usd,
    )


def _priced(
    job: Job,
    proposal: Proposal,
    person_id: str,
    copier: Copier,
    budgets: BudgetStore,
    costs: CostStore,
    now: datetime,
) -> Priced:
    step = job.kept_checkpoints[0].step if proposal.from_checkpoint else None
    request = changed(job, as_change(proposal))
    try:
        chosen = configure(request, current_cards(copier.documents, now), copier.local_models)
        estimate = estimate_job(
            EstimateRequest(job.dataset.id, request, person_id, from_step=step or 0),
            datasets=copier.datasets,
            documents=copier.documents,
            jobs=copier.jobs,
            files=copier.files,
            budgets=budgets,
            costs=costs,
            now=now,
            local_models=copier.local_models,
        )
    except NotFound as error:
        return Priced(proposal, step, None, None, error.message)
    except ValidationFailed as error:
        return Priced(proposal, step, None, None, _sentences(error))
    return Priced(proposal, step, chosen.configuration, estimate)


def _sentences(error: ValidationFailed) -> str:
    lines: Sequence[str] = [line for lines in error.details.values() for line in lines]
    return " ".join(lines) or error.message
