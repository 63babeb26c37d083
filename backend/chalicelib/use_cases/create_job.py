"""Makes a draft of what was asked, with its estimate; starting is a use case of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from chalicelib.domain import job_text, presets
from chalicelib.domain.checkpoint import Checkpoint
from chalicelib.domain.configure import configure
from chalicelib.domain.dataset import Dataset, DatasetStatus
from chalicelib.domain.errors import NotFound, ValidationFailed
from chalicelib.domain.identity import User
from chalicelib.domain.job import DatasetRef, Job
from chalicelib.domain.origin import Origin
from chalicelib.ports import AuditLog, DatasetStore, Files, JobStore, SettingsStore
from chalicelib.use_cases.estimate_job import EstimateRequest, estimate_job
from chalicelib.use_cases.refresh_catalog import current_cards

_CENT = Decimal("0.01")
MOST_CAP_USD = Decimal("100000")


@dataclass(frozen=True, slots=True)
class Words:
    """What people write about a job. None: not given (or, on an edit, not changed)."""

    name: str | None = None
    description: str | None = None
    notes: str | None = None
    tags: Sequence[str] | None = None
    client_id: str | None = None
    project_id: str | None = None
    sample_questions: Sequence[str] | None = None
    stop_on_low_gpu: bool | None = None


def create_job(
    request: EstimateRequest,
    words: Words,
    spend_cap_usd: Decimal | None,
    *,
    job_id: str,
    user: User,
    jobs: JobStore,
    datasets: DatasetStore,
    documents: SettingsStore,
    audit: AuditLog,
    files: Files,
    local_models: bool,
    origin: Origin | None = None,
    checkpoint: Checkpoint | None = None,
    now: datetime,
) -> Job:
    """A job in `pending_configuration`. NotFound without the dataset, ValidationFailed with the fields that are wrong.

    origin, checkpoint: of a job that is made of another one.
    """
    dataset = datasets.get(request.dataset_id)
    if dataset is None or dataset.status is DatasetStatus.DELETED:
        raise NotFound("Dataset not found or access denied")
    check_words(words)
    check_cap(spend_cap_usd)
    chosen = configure(request.configuration, current_cards(documents, now), local_models)
    estimate = estimate_job(
        request,
        datasets=datasets,
        documents=documents,
        jobs=jobs,
        files=files,
        now=now,
        local_models=local_models,
    )
    preset_name = presets.name_of(chosen.configuration.preset_id)
    draft = Job(
        id=job_id,
        name=(words.name or job_text.default_name(dataset.name, preset_name, now)).strip(),
        created_by=user.as_person(),
        created_at=now,
        changed_at=now,
        dataset=reference(dataset),
        configuration=chosen.configuration,
        estimate=estimate,
        spend_cap_usd=spend_cap_usd or estimate.spend_cap_usd,
        origin=origin,
        checkpoint=checkpoint,
    )
    saved = jobs.save(with_words(draft, words), expected=None)
    audit.record(
        at=now,
        actor_id=user.id,
        action="job.create",
        subject=job_id,
        details={
            "dataset_id": dataset.id,
            "preset_id": chosen.configuration.preset_id,
            **({"made_of": origin.job_id, "kind": origin.kind} if origin else {}),
        },
    )
    return saved


def reference(dataset: Dataset) -> DatasetRef:
    """Facts of the dataset as it is now; sizes of one that is not checked yet count as zero."""
    return DatasetRef(
        dataset.id,
        dataset.name,
        dataset.key,
        dataset.sha256 or "0" * 64,
        str(dataset.format or "chat"),
        dataset.conversations or 0,
        dataset.training_pairs or 0,
        dataset.tokens or 0,
    )


def check_words(words: Words) -> None:
    job_text.check(
        name=words.name,
        description=words.description,
        notes=words.notes,
        tags=words.tags,
        questions=words.sample_questions,
        client_id=words.client_id,
        project_id=words.project_id,
    )


def check_cap(cap: Decimal | None) -> None:
    if cap is not None and not (cap.is_finite() and _CENT <= cap <= MOST_CAP_USD):
        raise ValidationFailed({"spend_cap_usd": [f"Must be an amount from ${_CENT} to ${MOST_CAP_USD:,}."]})


def with_words(job: Job, words: Words) -> Job:
    """The job with every word that was given; an empty string clears."""
    return replace(
        job,
        name=job.name if words.name is None else words.name.strip(),
        description=job.description if words.description is None else words.description,
        notes=job.notes if words.notes is None else words.notes,
        tags=job.tags if words.tags is None else tuple(words.tags),
        client_id=job.client_id if words.client_id is None else words.client_id or None,
        project_id=job.project_id if words.project_id is None else words.project_id or None,
        sample_questions=job.sample_questions
        if words.sample_questions is None
        else tuple(words.sample_questions),
        stop_on_low_gpu=job.stop_on_low_gpu if words.stop_on_low_gpu is None else words.stop_on_low_gpu,
    )
