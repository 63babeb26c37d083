"""Ways to try a job again, as the API shows them: contracts/examples/retry.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.domain import end_reasons, pace
from chalicelib.domain.job import Job
from chalicelib.domain.progress import Progress
from chalicelib.domain.retrying import UNEXPECTED, can_continue
from chalicelib.use_cases.propose_retry import Priced
from chalicelib.views_catalog import configuration_json, estimate_json, usd


def retry_json(
    job: Job, row: Progress | None, priced: Sequence[Priced], advised: str | None
) -> dict[str, Any]:
    """options[].request is what `POST …/retry` takes for it; start and its confirmations come on top."""
    kept = job.kept_checkpoints[0] if can_continue(job) else None
    return {
        "job_id": job.id,
        "status": job.status.value,
        "end_reason": job.end_reason.value if job.end_reason else None,
        "title": end_reasons.title(job.end_reason) if job.end_reason else None,
        "sentence": job.end_sentence,
        "checkpoint": None
        if kept is None
        else {"step": kept.step, "total_steps": pace.total_steps(job, row or Progress(job.id))},
        "checkpoint_warning": None if kept is None else UNEXPECTED.format(status=job.status.value),
        "advised": advised,
        "options": [_option(each) for each in priced],
    }


def _option(priced: Priced) -> dict[str, Any]:
    proposal = priced.proposal
    gpu = {
        **({"type": proposal.gpu_type} if proposal.gpu_type else {}),
        **({"tier": proposal.tier.value} if proposal.tier else {}),
    }
    return {
        "id": proposal.id,
        "title": proposal.title,
        "why": proposal.why,
        "from_step": priced.from_step,
        "request": {
            "from_checkpoint": proposal.from_checkpoint,
            "gpu": gpu or None,
            "hyperparameters": dict(proposal.hyperparameters),
            "spend_cap_usd": None if proposal.spend_cap_usd is None else usd(proposal.spend_cap_usd),
        },
        "summary": None
        if priced.configuration is None
        else configuration_json(priced.configuration)["summary"],
        "estimate": None if priced.estimate is None else estimate_json(priced.estimate),
        "problem": priced.problem,
    }
