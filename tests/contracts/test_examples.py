"""The examples of the API speak the code's words: statuses, reasons, stages, event types, error codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chalicelib import views, views_status
from chalicelib.domain import errors
from chalicelib.domain.catalogue import CANCELLATION_REASONS
from chalicelib.domain.end_reasons import EndReason, status_of
from chalicelib.domain.job import JobStatus, Stage
from chalicelib.routes.approvals import DecisionBody, PreviewBody
from chalicelib.routes.exports import ExportBody
from chalicelib.routes.http import Body
from chalicelib.routes.job_again import RetryBody
from chalicelib.routes.job_bodies import AskEstimateBody, CancelBody, CreateJobBody
from chalicelib.routes.job_views import TYPES
from chalicelib.routes.jobs_bulk import BulkBody
from chalicelib.routes.organisation import SettingsBody
from chalicelib.routes.queue import PromotionBody, ReconfigureBody, WatchBody

EXAMPLES = Path(__file__).resolve().parents[2] / "contracts" / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.json"))
JOBS = ("job", "job_cancelled", "job_failed")
BODIES: dict[str, type[Body]] = {
    "job_create_request": CreateJobBody,
    "estimate_request": AskEstimateBody,
    "cancel_request": CancelBody,
    "promotion_request": PromotionBody,
    "approval_decision_request": DecisionBody,
    "approval_preview_request": PreviewBody,
    "reconfigure_request": ReconfigureBody,
    "settings_request": SettingsBody,
    "watch_request": WatchBody,
    "bulk_request": BulkBody,
    "export_request": ExportBody,
    "retry_request": RetryBody,
}


def _example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def _codes(kind: type[errors.AppError] = errors.AppError) -> Iterator[str]:
    yield kind.code
    for each in kind.__subclasses__():
        yield from _codes(each)


def _jobs() -> Iterator[dict[str, Any]]:
    yield from (_example(name)["data"] for name in JOBS)
    yield _example("live")["data"]["job"]
    yield from _example("job_list")["data"]["jobs"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_a_reply_in_the_envelope_an_error_or_a_request(name: str) -> None:
    example = _example(name)
    if "error" in example:
        assert example.keys() == {"error", "details", "code", "request_id"}
        assert example["code"] in set(_codes())
    elif not name.startswith("pod_") and not name.endswith("_request") and name != "dataset_rows":
        assert (example.keys(), example["success"]) == ({"success", "data"}, True)


@pytest.mark.parametrize("name", BODIES)
def test_an_example_request_is_accepted(name: str) -> None:
    BODIES[name].model_validate(_example(name))


def test_the_jobs_in_the_examples_are_in_states_that_exist() -> None:
    for job in _jobs():
        status = JobStatus(job["status"])
        assert job["stage"] is None or Stage(job["stage"])
        assert job["is_final"] == (status in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
        if job["end_reason"] is not None:
            assert status_of(EndReason(job["end_reason"])) == status
        assert set(job["allowed_actions"]) <= {
            *("start", "edit", "pause", "resume", "cancel", "delete"),
            *("retry", "clone", "edit_metadata"),
        }


def test_the_badges_of_the_examples_are_badges_a_job_can_have() -> None:
    tones = {tone for _, tone, _ in views_status._BADGES.values()}
    assert {job["badge"]["tone"] for job in _jobs()} <= tones


def test_the_log_of_the_example_has_types_that_exist() -> None:
    page = _example("events")["data"]
    assert {event["type"] for event in page["events"]} <= set(TYPES)
    assert set(page["counts"]) == set(TYPES)


def test_the_cancelled_example_gives_a_listed_reason() -> None:
    given = _example("job_cancelled")["data"]["cancellation"]
    assert dict(CANCELLATION_REASONS)[given["reason"]] == given["reason_label"]


def test_a_cursor_of_the_examples_starts_over_or_is_read() -> None:
    """Cursors are opaque to clients; whatever an old page still holds must not break its poll."""
    for name in ("live", "live_unchanged", "metrics"):
        assert views.read_cursor(_example(name)["data"]["cursor"]).revision >= 0
