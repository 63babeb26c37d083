"""Comparing jobs over HTTP: who may be compared, what is said about them, and how little is read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.backend.routes.site import CANCEL, Site, differing_keys
from tests.lifecycle.trainer import Trainer

EXAMPLES = Path(__file__).resolve().parents[3] / "contracts" / "examples"
NOT_A_JOB = "job_zzzzzzzzzzzzzzzz"


def _assert_like(body: Any, name: str) -> None:
    example = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    # The values of a difference are numbers, words or lists as the field has them.
    assert [line for line in differing_keys(body, example) if ".differences[].values[]" not in line] == []


def _trained(site: Site, **changes: Any) -> str:
    """A job that is in training, with validation losses at steps 5 and 10."""
    job_id = site.started(**changes)
    trainer = Trainer(site.world, job_id).through("model_loading").stage("training", "active")
    for step, loss in ((5, 1.5), (10, 1.2)):
        site.world.clock.advance(60)
        trainer.send(trainer.point(step, validation_loss=loss, cost_usd=step / 100))
    return job_id


def _compare(site: Site, *ids: str, more: str = "") -> Any:
    return site.dana.call("GET", f"/api/jobs/compare?ids={','.join(ids)}{more}")


def test_two_jobs_stand_side_by_side_in_the_shape_of_the_contract(site: Site) -> None:
    first = _trained(site, tags=["baseline", "first-try"])
    second = _trained(site, tags=["baseline"], hyperparameters={"rank": 32})
    reply = _compare(site, first, second)
    assert reply.status == 200, reply.body
    _assert_like(reply.body, "compare")
    assert [job["id"] for job in reply.data["jobs"]] == [first, second]
    differing = {each["field"]: each["values"] for each in reply.data["differences"] if each["differs"]}
    assert differing["rank"] == [16, 32]
    assert "learning_rate" not in differing
    assert reply.data["shared_tags"] == ["baseline"]
    found = reply.data["jobs"][0]["outcome"]
    assert (found["best_loss"], found["best_step"]) == (1.2, 10)
    assert found["cost_usd"] == "0.0500"
    assert found["cost_per_hundredth_usd"] == "0.0017"
    assert reply.data["jobs"][0]["curves"]["columns"]["validation_loss"] == [1.5, 1.2]
    assert reply.data["poll_after_seconds"] == 10


def test_nothing_is_sent_twice_until_one_of_the_jobs_changes(site: Site) -> None:
    first, second = _trained(site), _trained(site, seed=7)
    cursor = _compare(site, first, second).data["cursor"]
    again = _compare(site, first, second, more=f"&cursor={cursor}")
    assert again.data == {"cursor": cursor, "changed": False, "poll_after_seconds": 10}
    for job_id in (first, second):
        site.dana.call("POST", f"/api/jobs/{job_id}/cancel", CANCEL)
    site.world.machine.work()
    fresh = _compare(site, first, second, more=f"&cursor={cursor}").data
    assert [job["status"] for job in fresh["jobs"]] == ["cancelled", "cancelled"]
    assert fresh["poll_after_seconds"] == 0


def test_jobs_without_a_point_can_be_compared(site: Site) -> None:
    reply = _compare(site, site.draft(), site.draft())
    assert reply.status == 200
    assert all(job["outcome"]["best_loss"] is None for job in reply.data["jobs"])


@pytest.mark.parametrize("path", ["compare", "compare/sequences"])
def test_one_job_five_jobs_and_one_job_twice_are_refused(site: Site, path: str) -> None:
    ids = [site.draft() for _ in range(5)]
    for chosen in ([], ids[:1], ids, [ids[0], ids[0]]):
        reply = site.dana.call("GET", f"/api/jobs/{path}?ids={','.join(chosen)}")
        assert (reply.status, list(reply.body["details"])) == (422, ["ids"])
    assert site.dana.call("GET", f"/api/jobs/{path}").status == 422


@pytest.mark.parametrize("path", ["compare", "compare/sequences"])
@pytest.mark.parametrize("unknown", [NOT_A_JOB, "nonsense"])
def test_an_unknown_job_is_named(site: Site, path: str, unknown: str) -> None:
    reply = site.dana.call("GET", f"/api/jobs/{path}?ids={site.draft()},{unknown}")
    assert (reply.status, reply.body["details"]) == (404, {"id": unknown})
    assert unknown in reply.body["error"]


def test_what_jobs_went_through_is_aligned_by_stage(site: Site) -> None:
    first, second = _trained(site), _trained(site, seed=7)
    site.dana.call("POST", f"/api/jobs/{second}/cancel", CANCEL)
    site.world.machine.work()
    reply = site.noor.call("GET", f"/api/jobs/compare/sequences?ids={first},{second}")
    assert reply.status == 200, reply.body
    _assert_like(reply.body, "compare_sequences")
    lines = {line["what"]: line["cells"] for line in reply.data["lines"]}
    assert list(lines)[:5] == ["queued", "starting", "preprocessing", "model_loading", "training"]
    assert [cell["lasting"] for cell in lines["training"]] == [True, False]
    assert lines["training"][1]["seconds"] == 120
    assert lines["end"][0] is None
    assert lines["end"][1]["seconds"] is None
