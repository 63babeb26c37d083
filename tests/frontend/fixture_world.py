"""State behind the fixture API: jobs, datasets, models that really change when the pages act on them.

Replies start from ``contracts/examples`` so that a page which works here reads the shapes the backend writes.
"""

from __future__ import annotations

import copy
import json
import math
import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chalicelib.domain.presets import PRESETS, UNLOCK_SENTENCE

from tests.frontend import fixture_log

Json = dict[str, Any]
EXAMPLES = Path(__file__).resolve().parents[2] / "contracts" / "examples"
TOTAL_STEPS = 942
FINAL_STATUSES = ("completed", "failed", "cancelled")
METRIC_NAMES = (
    "step",
    "training_loss",
    "validation_loss",
    "learning_rate",
    "grad_norm",
    "tokens_per_second",
    "gpu_utilization",
    "gpu_memory_gb",
    "cost_usd",
)


def example(name: str) -> Any:
    """``data`` of an example reply, or the whole example where it has no envelope."""
    value = json.loads((EXAMPLES / f"{name}.json").read_text())
    return value.get("data", value) if isinstance(value, dict) else value


def iso(moment: datetime) -> str:
    """UTC in the API's format."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Refused(Exception):
    """An API error: status, machine word, sentence and details."""

    def __init__(self, status: int, code: str, sentence: str, details: Json | None = None) -> None:
        super().__init__(sentence)
        self.status, self.code, self.sentence, self.details = status, code, sentence, details


def loss_at(step: int, slope: float = 140.0) -> float:
    """A falling, slightly noisy curve, the same on every run; a greater slope falls more slowly and less far."""
    return round(
        slope / 500 + 2.1 * math.exp(-step / slope) + 0.05 * math.sin(step * 1.7) * math.exp(-step / 900), 4
    )


class World:
    """Everything the fixture API knows; one lock because the server answers from several threads."""

    def __init__(self, steps_per_poll: int = 0, bucket_origin: str = "") -> None:
        self.lock = threading.RLock()
        self.steps_per_poll = steps_per_poll
        self.bucket_origin = bucket_origin
        self.now = datetime(2026, 11, 22, 10, 45, tzinfo=UTC)
        self.counter = 0
        self.jobs: dict[str, Json] = {}
        self.points: dict[str, Json] = {}
        self.events: dict[str, list[Json]] = {}
        self.slopes: dict[str, float] = {}
        self.datasets: dict[str, Json] = {}
        self.models: dict[str, Json] = {}
        self.uploads: dict[str, bytes] = {}
        self.tokens: list[Json] = example("tokens")["tokens"]
        self.notifications: list[Json] = []
        self.user: Json = example("me")
        self.sessions = {"lp_fixture-token"}
        self.requests: list[Json] = []
        self.failing: set[str] = set()
        self.rejecting: set[str] = set()
        self.catalog = _catalog()

    def new_id(self, prefix: str) -> str:
        """Ids count up, so that runs repeat exactly."""
        self.counter += 1
        return f"{prefix}_{self.counter:016d}"

    def tick(self, seconds: int = 1) -> str:
        """Move the clock and return the new time; ``changed_at`` must differ after every change."""
        self.now += timedelta(seconds=seconds)
        return iso(self.now)

    # -- jobs -------------------------------------------------------------------------------------------------

    def add_job(self, kind: str = "job", *, slope: float = 140.0, **changes: Any) -> Json:
        """A job from ``contracts/examples/{kind}.json`` with its curve and event log."""
        job: Json = copy.deepcopy(example(kind))
        job["id"] = self.new_id("job")
        job["links"] = {"self": f"/api/jobs/{job['id']}", "page": f"/training-jobs/{job['id']}"}
        job["changed_at"] = self.tick()
        job.update(changes)
        self.jobs[job["id"]] = job
        self.points[job["id"]] = {name: [] for name in METRIC_NAMES}
        self.events[job["id"]] = []
        self.slopes[job["id"]] = slope
        fixture_log.begin(self, job)
        self.add_points(job["id"], job["progress"]["step"])
        fixture_log.end(self, job)
        return job

    def add_event(self, job_id: str, kind: str, message: str, data: Json, at: str | None = None) -> None:
        """Append to a job's log."""
        entries = self.events[job_id]
        entries.append(
            {
                "id": f"{len(entries) + 1:012d}",
                "at": at or self.tick(),
                "type": kind,
                "message": message,
                "attempt": 1,
                "data": data,
            }
        )

    def add_points(self, job_id: str, up_to_step: int) -> None:
        """Train up to a step: points, metric and checkpoint events."""
        columns = self.points[job_id]
        for step in range(len(columns["step"]) + 1, up_to_step + 1):
            loss = loss_at(step, self.slopes[job_id])
            row = (
                step,
                loss,
                round(loss + 0.03, 4) if step % 40 == 0 else None,
                round(2e-4 * math.cos(step / TOTAL_STEPS * 1.4), 8),
                round(0.4 * loss + 0.12 * fixture_log.wobble(step, 3.1), 3),
                round(1900 + 38 * fixture_log.wobble(step, 2.3), 1),
                round(min(99.0, 94 + 3.4 * fixture_log.wobble(step, 5.7)), 1),
                round(66 + 2 * step / TOTAL_STEPS, 2),
                round(step * 0.00236, 4),
            )
            for name, value in zip(METRIC_NAMES, row, strict=True):
                columns[name].append(value)
            fixture_log.step(self, job_id, step, loss)

    def advance(self, job_id: str, steps: int) -> None:
        """Let a running job train on, as the trainer's events would."""
        with self.lock:
            job = self.jobs[job_id]
            before = job["latest_metrics"]["training_loss"]["value"]
            step = min(TOTAL_STEPS, job["progress"]["step"] + steps)
            self.add_points(job_id, step)
            job["progress"].update(step=step, percent=round(step / TOTAL_STEPS * 100, 1))
            job["latest_metrics"].update(
                step=step, training_loss={"value": loss_at(step), "previous": before}, at=self.tick(4)
            )
            job["progress"]["elapsed_seconds"] += steps * 4
            spent = float(job["cost"]["spent_usd"]) + steps * 0.00236
            job["cost"].update(spent_usd=f"{spent:.2f}", percent_of_estimate=round(spent / 6.02 * 100, 1))
            job["stages"][2]["progress"] = step / TOTAL_STEPS
            job["changed_at"] = self.tick()

    def complete(self, job_id: str) -> Json:
        """Finish a job and store its model."""
        with self.lock:
            job = self.jobs[job_id]
            self.advance(job_id, TOTAL_STEPS)
            model = self.add_model(job={"id": job_id, "name": job["name"]})
            for stage in job["stages"]:
                stage.update(
                    state="completed", progress=1.0, duration_seconds=stage["duration_seconds"] or 240
                )
            _settle(job, "completed", "Completed", "Completed. Your adapter is ready.", self.tick())
            fixture_log.end(self, job)
            job.update(
                end_reason="completed",
                model_id=model["id"],
                allowed_actions=["delete", "retry", "clone", "edit_metadata"],
            )
            self.notify(
                "job_completed", "Training Completed", "Your training job completed successfully.", job_id
            )
            return model

    def request_cancel(self, job_id: str, reason: str, notes: str | None) -> Json:
        """``cancelling`` at once; the next look settles it."""
        job = self.job(job_id)
        if job["is_final"] or job["status"] == "cancelling":
            details = {"status": job["status"]}
            raise Refused(
                409, "wrong_status", f"Job cannot be cancelled: it is already {job['status']}.", details
            )
        label = next(r["label"] for r in self.catalog["cancellation_reasons"] if r["id"] == reason)
        job["cancellation"] = {
            "reason": reason,
            "reason_label": label,
            "notes": notes,
            "requested_by": job["created_by"],
            "requested_at": self.tick(),
        }
        job["changed_at"] = self.tick()
        job.update(
            status="cancelling",
            status_sentence="Cancelling. The GPU is being terminated.",
            allowed_actions=[],
        )
        job["badge"] = {"label": "Cancelling", "tone": "cancelling", "pulsing": True}
        return job

    def settle_cancel(self, job: Json) -> None:
        """The GPU is gone: the job is cancelled."""
        sentence = f"Cancelled by {job['created_by']['name']}: {job['cancellation']['reason_label']}."
        _settle(job, "cancelled", "Cancelled", sentence, self.tick())
        job.update(end_reason="user_cancelled", allowed_actions=["delete", "retry", "clone", "edit_metadata"])
        fixture_log.end(self, job)

    def job(self, job_id: str) -> Json:
        """The job, or the API's 404."""
        if job_id not in self.jobs:
            raise Refused(404, "not_found", "Job not found or access denied")
        return self.jobs[job_id]

    # -- datasets, models, notifications ----------------------------------------------------------------------

    def add_dataset(self, kind: str = "dataset", **changes: Any) -> Json:
        """A dataset from an example."""
        dataset: Json = copy.deepcopy(example(kind))
        dataset.update({"id": self.new_id("ds"), "updated_at": self.tick(), **changes})
        self.datasets[dataset["id"]] = dataset
        return dataset

    def add_model(self, **changes: Any) -> Json:
        """A stored model from the example."""
        model: Json = copy.deepcopy(example("model"))
        model.update({"id": self.new_id("mdl"), **changes})
        self.models[model["id"]] = model
        return model

    def notify(self, kind: str, title: str, message: str, job_id: str) -> None:
        """Put a notification on top of the feed."""
        self.notifications.insert(
            0,
            {
                "id": self.new_id("ntf"),
                "type": kind,
                "title": title,
                "message": message,
                "priority": "high",
                "at": self.tick(),
                "read": False,
                "link": f"/training-jobs/{job_id}",
            },
        )


def _settle(job: Json, status: str, label: str, sentence: str, at: str) -> None:
    job.update(status=status, status_sentence=sentence, is_final=True, ended_at=at, changed_at=at)
    job["badge"] = {"label": label, "tone": status, "pulsing": False}
    job["cost"].update(accruing=False, provisional=False, projected_usd=None)
    job["attempts"][-1].update(status="ended", ended_at=at, end=status)


def _catalog() -> Json:
    """The example catalogue, widened so that every choice on the new-job page has a second option."""
    catalog: Json = example("catalog")
    presets, gpus = catalog["presets"], catalog["gpus"]
    presets.insert(0, _preset(presets[0], "conservative", 8, 0.0001, 2))
    presets.append(_preset(presets[1], "aggressive", 32, 0.0003, 4))
    presets[-1]["unlock"] = UNLOCK_SENTENCE
    if len(gpus) < 2:
        offline = copy.deepcopy(gpus[0])
        offline.update(
            type="NVIDIA A100",
            name="A100 80GB",
            available=False,
            availability=None,
            note="Best overall performance",
        )
        gpus.append(offline)
    if len(catalog["promotion_reasons"]) < 2:
        catalog["promotion_reasons"].append({"id": "manager_override", "label": "Manager override"})
    if len(catalog["cancellation_reasons"]) < 2:
        catalog["cancellation_reasons"].append(
            {"id": "wrong_configuration", "label": "Wrong configuration / Need to adjust settings"}
        )
    return catalog


def _preset(base: Json, preset_id: str, rank: int, rate: float, epochs: int) -> Json:
    known = next(each for each in PRESETS if each.id == preset_id)
    preset = copy.deepcopy(base)
    words = {key: getattr(known, key) for key in ("id", "name", "description", "recommended_use")}
    preset.update(words, risk=asdict(known.risk))
    preset["hyperparameters"].update(rank=rank, learning_rate=rate, epochs=epochs, alpha=rank * 2)
    return preset
