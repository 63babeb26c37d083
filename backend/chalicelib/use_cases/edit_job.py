"""Changes a job's words at any time (its name until it starts) and its configuration until it starts."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal

from chalicelib.domain.configuration import Configuration
from chalicelib.domain.configure import ConfigurationRequest, configure
from chalicelib.domain.errors import NotAllowed, ValidationFailed, WrongStatus
from chalicelib.domain.identity import User
from chalicelib.domain.job import Job, JobStatus
from chalicelib.ports import CostStore, DatasetStore, Files, JobStore, SettingsStore
from chalicelib.use_cases.again import change_job, the_job
from chalicelib.use_cases.create_job import Words, check_cap, check_words, reference, with_words
from chalicelib.use_cases.estimate_job import EstimateRequest, estimate_job
from chalicelib.use_cases.post_costs import whose
from chalicelib.use_cases.refresh_catalog import current_cards


def edit_job(
    job_id: str,
    words: Words,
    configuration: ConfigurationRequest | None,
    dataset_id: str | None,
    spend_cap_usd: Decimal | None,
    *,
    user: User,
    jobs: JobStore,
    datasets: DatasetStore,
    documents: SettingsStore,
    files: Files,
    costs: CostStore,
    local_models: bool,
    now: datetime,
) -> Job:
    """The job after the edit. WrongStatus when a started job's configuration, dataset or cap would change."""
    job = the_job(jobs, job_id)
    if not job.may_be_changed_by(user):
        raise NotAllowed("Only the person who made this job, or a manager, may change it.")
    check_words(words)
    check_cap(spend_cap_usd)
    draft = job.status is JobStatus.PENDING_CONFIGURATION
    if not draft and words.name is not None and words.name.strip() != job.name:
        raise ValidationFailed({"name": ["The name cannot be changed once the job has started."]})
    reconfigured = configuration is not None or dataset_id is not None or spend_cap_usd is not None
    if reconfigured and not draft:
        raise WrongStatus(
            "The configuration cannot be changed once the job has started.", {"status": job.status.value}
        )

    def change(before: Job) -> Job:
        after = replace(with_words(before, words), changed_at=now)
        if not reconfigured:
            return after
        if before.status is not JobStatus.PENDING_CONFIGURATION:
            raise WrongStatus(
                "The job has started meanwhile; its configuration stays.", {"status": before.status.value}
            )
        return with_configuration(
            after,
            configuration,
            dataset_id,
            spend_cap_usd,
            datasets=datasets,
            documents=documents,
            jobs=jobs,
            files=files,
            local_models=local_models,
            now=now,
        )

    after = change_job(jobs, job_id, change)
    if whose(after) != whose(job):
        _relabel(after, costs)
    return after


def with_configuration(
    before: Job,
    wanted: ConfigurationRequest | None,
    new_dataset: str | None,
    cap: Decimal | None,
    *,
    datasets: DatasetStore,
    documents: SettingsStore,
    jobs: JobStore,
    files: Files,
    local_models: bool,
    now: datetime,
) -> Job:
    """The job with what was given in place of what it has, estimated anew. A new configuration brings its own cap."""
    request = EstimateRequest(
        new_dataset or before.dataset.id,
        wanted or as_request(before),
        before.created_by.id,
        before.id,
        before.given_step,
    )
    chosen = configure(request.configuration, current_cards(documents, now), local_models)
    _check_checkpoint(before, chosen.configuration, request.dataset_id)
    estimate = estimate_job(
        request,
        datasets=datasets,
        documents=documents,
        jobs=jobs,
        files=files,
        now=now,
        local_models=local_models,
    )
    dataset = datasets.get(request.dataset_id)
    return replace(
        before,
        configuration=chosen.configuration,
        dataset=reference(dataset) if dataset else before.dataset,
        estimate=estimate,
        spend_cap_usd=cap or (before.spend_cap_usd if wanted is None else estimate.spend_cap_usd),
    )


def _check_checkpoint(draft: Job, wanted: Configuration, dataset_id: str) -> None:
    """The trainer refuses a checkpoint of another run, which would only be found out once a GPU is paid for."""
    had = draft.configuration
    stays = (
        had.hyperparameters,
        had.base_model_id,
        had.quantization,
        had.seed,
        had.gpu.count,
        draft.dataset.id,
    )
    asked = (
        wanted.hyperparameters,
        wanted.base_model_id,
        wanted.quantization,
        wanted.seed,
        wanted.gpu.count,
        dataset_id,
    )
    if draft.checkpoint is not None and asked != stays:
        sentence = (
            f"This draft goes on from step {draft.checkpoint.step} of another job, so only GPU type, tier, cap and words "
            "may change. Clone the job to train with other settings."
        )
        raise ValidationFailed({"configuration": [sentence]})


def _relabel(job: Job, costs: CostStore) -> None:
    """What it cost is added up under its new client and project."""
    for line in costs.of_job(job.id):
        costs.put(replace(line, **whose(job)))


def as_request(job: Job) -> ConfigurationRequest:
    """The job's configuration as it would be asked for again."""
    configuration = job.configuration
    values = asdict(configuration.hyperparameters)
    values["target_modules"] = list(values["target_modules"])
    return ConfigurationRequest(
        preset_id=configuration.preset_id,
        base_model_id=configuration.base_model_id,
        gpu_type=configuration.gpu.type,
        gpu_count=configuration.gpu.count,
        tier=configuration.gpu.tier.value,
        hyperparameters=values,
        seed=configuration.seed,
        export_merged=configuration.export_merged,
    )
