"""Turns what the trainer announced into a model: every file is verified in storage first, all of them or
none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain import base_models
from chalicelib.domain.checkpoint import attempt_prefix
from chalicelib.domain.errors import ArtifactsIncomplete, NotFound
from chalicelib.domain.job import Job
from chalicelib.domain.model import BaseModelRef, Model, ModelFile, SourceDataset
from chalicelib.domain.model_facts import from_summary
from chalicelib.ports import Files, ModelStore

REQUIRED = ("adapter_model.safetensors", "adapter_config.json")
# Files up to this size are read and hashed where storage does not keep the checksum itself.
HASHED_UP_TO_BYTES = 64 * 2**20
_NAME = re.compile(r"(merged/)?[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


def model_id_of(job_id: str) -> str:
    """One job makes one model, so its id follows from the job's."""
    return "mdl_" + job_id.removeprefix("job_")


def artifact_key(job_id: str, attempt: int, name: str) -> str:
    return f"{attempt_prefix(job_id, attempt)}artifacts/{name}"


def collect_artifacts(
    job: Job,
    artifacts: Mapping[str, Any] | None,
    *,
    files: Files,
    models: ModelStore,
    now: datetime,
    cost_usd: Decimal | None = None,
) -> Model:
    """The stored model of a job whose trainer sent its `artifacts` event. Safe to repeat.

    artifacts: {attempt, files: [{name, size_bytes, sha256}], summary}. cost_usd: of the whole job so far.
    ArtifactsIncomplete names every file that is missing or differs; StorageUnavailable is worth another try.
    """
    if artifacts is None:
        raise ArtifactsIncomplete("The trainer has not announced any result files.")
    attempt = int(artifacts.get("attempt") or job.attempt)
    existing = models.get(model_id_of(job.id))
    if existing is not None and existing.attempt == attempt:
        return existing
    stored = tuple(
        ModelFile(
            str(file["name"]),
            artifact_key(job.id, attempt, str(file["name"])),
            int(file["size_bytes"]),
            str(file["sha256"]),
        )
        for file in artifacts["files"]
    )
    problems = _problems(stored, files)
    if problems:
        raise ArtifactsIncomplete(
            "The result is not complete in storage: " + " ".join(problems), {"problems": problems}
        )
    model = _model(job, attempt, stored, artifacts["summary"], cost_usd, now)
    return models.save(model, expected=existing)


def _problems(stored: Sequence[ModelFile], files: Files) -> list[str]:
    names = [file.name for file in stored]
    missing = [name for name in REQUIRED if name not in names]
    found = [f"{name} was not announced." for name in missing]
    found += [f"{name} was announced twice." for name in sorted({n for n in names if names.count(n) > 1})]
    for file in stored:
        problem = _problem(file, files)
        if problem is not None:
            found.append(f"{file.name[:121]} {problem}.")
    return found


def _problem(file: ModelFile, files: Files) -> str | None:
    if _NAME.fullmatch(file.name) is None:
        return "is not a usable file name"
    head = files.head(file.key)
    if head is None:
        return "is missing"
    if head["size_bytes"] != file.size_bytes:
        return f"has {head['size_bytes']:,} bytes instead of {file.size_bytes:,}"
    known = head.get("sha256")
    if known is None and file.size_bytes <= HASHED_UP_TO_BYTES:
        known = _sha256(file.key, files)
    if known is not None and known != file.sha256:
        return "has other contents than announced"
    return None


def _sha256(key: str, files: Files) -> str | None:
    digest = hashlib.sha256()
    try:
        for chunk in files.read_chunks(key):
            digest.update(chunk)
    except NotFound:
        return ""
    return digest.hexdigest()


def _model(
    job: Job,
    attempt: int,
    stored: tuple[ModelFile, ...],
    summary: Mapping[str, Any],
    cost_usd: Decimal | None,
    now: datetime,
) -> Model:
    base = base_models.find(job.configuration.base_model_id)
    facts = from_summary(summary, cost_usd if cost_usd is not None else job.cost_usd or Decimal(0))
    return Model(
        id=model_id_of(job.id),
        name=f"{job.dataset.name} - {now:%Y-%m-%d}",
        release="1.0.0",
        status="stored",
        job_id=job.id,
        job_name=job.name,
        attempt=attempt,
        dataset=SourceDataset(job.dataset.id, job.dataset.name, job.dataset.sha256),
        # The trainer's own words, for these are the bytes the adapter was trained on.
        base_model=BaseModelRef(
            id=job.configuration.base_model_id,
            name=job.configuration.base_model_id if base is None else base.name,
            hub_id=str(summary["base_model"]),
            revision=str(summary["revision"]),
            license="unknown" if base is None else base.license,
        ),
        created_at=now,
        created_by=job.created_by,
        quality=facts.quality,
        metrics=facts.metrics,
        training=facts.training,
        configuration=job.configuration,
        files=stored,
        samples=facts.samples,
        worst_rows=facts.worst_rows,
        regressed_rows=facts.regressed_rows,
    )
