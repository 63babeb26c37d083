"""What a job would take and cost, whether it fits, and what stands in its way. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain import presets, track_record, workload
from chalicelib.domain.budget import impact
from chalicelib.domain.configuration import Configuration
from chalicelib.domain.configure import ConfigurationRequest, Configured, configure
from chalicelib.domain.dataset import Dataset, DatasetStatus, eligibility
from chalicelib.domain.errors import NotFound
from chalicelib.domain.estimate import Estimate, Notice
from chalicelib.domain.job import Job
from chalicelib.domain.organisation import DOCUMENT, from_document
from chalicelib.domain.plan_cost import Plan, estimate
from chalicelib.domain.stops import JobFacts, was_cancelled_before
from chalicelib.domain.track_record import FinishedJob
from chalicelib.ports import BudgetStore, CostStore, DatasetStore, Files, JobStore, SettingsStore
from chalicelib.use_cases.read_budget import read_budget
from chalicelib.use_cases.read_stops import read_stops
from chalicelib.use_cases.read_track_record import read_track_record
from chalicelib.use_cases.refresh_catalog import current_cards

_DATASET_ID = re.compile(r"ds_[0-9a-z]{1,40}")


@dataclass(frozen=True, slots=True)
class EstimateRequest:
    """person_id: who asks, for presets that unlock. job_id: the job this is about, which is no rival of
    itself. from_step: of the checkpoint it goes on from.
    """

    dataset_id: str
    configuration: ConfigurationRequest
    person_id: str | None = None
    job_id: str | None = None
    from_step: int = 0


def estimate_job(
    request: EstimateRequest,
    *,
    datasets: DatasetStore,
    documents: SettingsStore,
    jobs: JobStore,
    files: Files | None = None,
    budgets: BudgetStore | None = None,
    costs: CostStore | None = None,
    now: datetime,
    local_models: bool,
) -> Estimate:
    """NotFound without the dataset, ValidationFailed for what cannot be had; all else is in the estimate's
    blockers.

    A dataset that is not checked yet is estimated with assumed sizes. files: looks whether the data is
    still stored. budgets, costs: what the job would mean for this month's budget.
    """
    known = _DATASET_ID.fullmatch(request.dataset_id)
    dataset = datasets.get(request.dataset_id) if known else None
    if dataset is None or dataset.status is DatasetStatus.DELETED:
        raise NotFound("Dataset not found or access denied")
    chosen = configure(request.configuration, current_cards(documents, now), local_models)
    record = read_track_record(jobs=jobs, documents=documents, now=now)
    warnings, rival_blockers = _rivals(request, chosen.configuration, jobs)
    if not request.from_step:
        stops = read_stops(jobs=jobs, documents=documents, now=now)
        warnings = [*warnings, *_cancelled_before(request.dataset_id, chosen.configuration, stops)]
    blockers = [
        *_dataset_blockers(dataset, files),
        *_preset_blockers(request, dataset, record),
        *rival_blockers,
    ]
    cap_factor = from_document(documents.get(DOCUMENT)).default_cap_factor
    plan = replace(_plan(chosen, dataset, record, request.from_step, now), cap_factor=cap_factor)
    made = estimate(plan, warnings, blockers, now)
    if budgets is None or costs is None:
        return made
    found = read_budget(budgets=budgets, costs=costs, now=now, without=request.job_id)
    return replace(made, budget=impact(found, made.spend_cap_usd))


def _plan(
    chosen: Configured, dataset: Dataset, record: Sequence[FinishedJob], from_step: int, now: datetime
) -> Plan:
    wanted = chosen.configuration
    preset = wanted.preset_id
    return Plan(
        configuration=wanted,
        model=chosen.model,
        card=chosen.card,
        work=workload.measure(
            dataset.conversations, dataset.training_pairs, dataset.tokens, wanted.hyperparameters, from_step
        ),
        correction=track_record.correction(record, chosen.model),
        interruption_probability=track_record.interruption_probability(record),
        accuracy=track_record.accuracy(record, preset, presets.name_of(preset), now),
    )


def _dataset_blockers(dataset: Dataset, files: Files | None) -> list[Notice]:
    ready = dataset.status is DatasetStatus.READY
    exists = files is None or not ready or files.head(dataset.key) is not None
    return [
        Notice("blocker", "dataset_not_ready", sentence)
        for sentence in eligibility(dataset, file_exists=exists)
    ]


def _preset_blockers(
    request: EstimateRequest, dataset: Dataset, record: Sequence[FinishedJob]
) -> list[Notice]:
    preset = presets.find(request.configuration.preset_id)
    successes = track_record.successes_of(record, request.person_id)
    if preset is None or request.person_id is None:
        return []
    if presets.is_unlocked(preset, successes=successes, conversations=dataset.conversations):
        return []
    message = (
        f"{presets.UNLOCK_SENTENCE}. You have {successes}; "
        "datasets above 300 conversations may use it at once."
    )
    return [Notice("blocker", "preset_locked", message)]


def _rivals(
    request: EstimateRequest, wanted: Configuration, jobs: JobStore
) -> tuple[list[Notice], list[Notice]]:
    """(warnings, blockers) for jobs under way on the same dataset: only an identical one is refused."""
    rivals = [job for job in jobs.under_way_with(request.dataset_id) if job.id != request.job_id]
    twin = next((job for job in rivals if _same(job, wanted)), None)
    if twin is not None:
        message = f'"{twin.name}" already trains this dataset with exactly this configuration.'
        return [], [Notice("blocker", "identical_job_active", message)]
    if rivals:
        message = "Another job on this dataset is still running."
        return [Notice("warning", "same_dataset_active", message)], []
    return [], []


def _cancelled_before(dataset_id: str, wanted: Configuration, known: Sequence[JobFacts]) -> list[Notice]:
    if not was_cancelled_before(known, dataset_id, wanted):
        return []
    sentence = "Previous job was cancelled. This will start a completely new training run."
    return [Notice("warning", "cancelled_before", sentence)]


def _same(job: Job, wanted: Configuration) -> bool:
    theirs = job.configuration
    return (theirs.hyperparameters, theirs.base_model_id, theirs.quantization, theirs.seed) == (
        wanted.hyperparameters,
        wanted.base_model_id,
        wanted.quantization,
        wanted.seed,
    )
