"""Making, changing, starting, watching, cancelling and deleting jobs over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chalicelib.domain.gpu import Tier

from tests.backend.routes.site import CANCEL, CONFIRMED, DRAFT, GPU, Site, differing_keys
from tests.lifecycle.trainer import Trainer

EXAMPLES = Path(__file__).resolve().parents[3] / "contracts" / "examples"
# Maps whose keys are data: one event's payload, the sparse words of a highlight. The examples of a job are older than
# its sample questions.
FREE = (".events[].data.", ".highlights.", ".data.blockers", ".sample_questions: only in the reply")


def _example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def _assert_like(body: Any, name: str) -> None:
    found = [line for line in differing_keys(body, _example(name)) if not any(part in line for part in FREE)]
    assert found == []


def test_a_draft_is_made_and_read_back(site: Site) -> None:
    made = site.dana.call("POST", "/api/jobs", {**DRAFT, "name": "Harbour one", "tags": ["first-try"]})
    assert made.status == 201
    assert made.data["status"] == "pending_configuration"
    assert made.data["allowed_actions"] == ["start", "edit", "delete", "clone", "edit_metadata"]
    read = site.noor.call("GET", f"/api/jobs/{made.data['id']}")
    assert (read.status, read.data["name"], read.data["tags"]) == (200, "Harbour one", ["first-try"])
    _assert_like(read.body, "job")


def test_the_estimate_has_the_shape_of_the_contract(site: Site) -> None:
    reply = site.dana.call("POST", "/api/jobs/estimate", DRAFT)
    assert reply.status == 200
    _assert_like(reply.body, "estimate_reply")


def test_a_job_is_made_and_started_in_one_request(site: Site) -> None:
    job_id = site.started()
    assert site.world.state(job_id) == "AwaitAgent"
    assert len(site.world.pods(job_id)) == 1
    data = site.dana.call("GET", f"/api/jobs/{job_id}").data
    assert (data["status"], data["cost"]["accruing"]) == ("provisioning", True)


@pytest.mark.parametrize("missing", ["configuration", "cost", "budget"])
def test_nothing_starts_before_everything_is_confirmed(site: Site, missing: str) -> None:
    job_id = site.draft()
    reply = site.dana.call(
        "POST",
        f"/api/jobs/{job_id}/start",
        {"acknowledged": {**CONFIRMED["acknowledged"], missing: False}},
    )
    assert reply.status == 422
    assert list(reply.body["details"]) == [f"acknowledged.{missing}"]
    assert site.world.cloud.create_calls == []


def test_a_job_starts_once(site: Site) -> None:
    job_id = site.draft()
    assert site.dana.call("POST", f"/api/jobs/{job_id}/start", CONFIRMED).status == 202
    again = site.dana.call("POST", f"/api/jobs/{job_id}/start", CONFIRMED)
    assert (again.status, again.body["code"]) == (409, "wrong_status")
    _assert_like(again.body, "error_status")
    site.world.machine.work()
    assert len(site.world.cloud.create_calls) == 1


def test_the_same_idempotency_key_makes_one_job(site: Site) -> None:
    headers = {"Idempotency-Key": "0a1b"}
    first = site.dana.call("POST", "/api/jobs", {**DRAFT, "start": CONFIRMED}, headers)
    again = site.dana.call("POST", "/api/jobs", {**DRAFT, "start": CONFIRMED}, headers)
    assert first.data["id"] == again.data["id"]
    assert len(site.world.jobs.rows) == 1


def test_words_change_at_any_time_and_configuration_only_before_the_start(site: Site) -> None:
    job_id = site.draft()
    edited = site.dana.call("PATCH", f"/api/jobs/{job_id}", {"hyperparameters": {"epochs": 5}, "notes": "hm"})
    assert edited.status == 200
    assert edited.data["configuration"]["hyperparameters"]["epochs"] == 5
    assert edited.data["configuration"]["gpu"]["type"] == GPU["type"]
    site.dana.call("POST", f"/api/jobs/{job_id}/start", CONFIRMED)
    assert site.dana.call("PATCH", f"/api/jobs/{job_id}", {"notes": "later", "tags": ["x-1"]}).status == 200
    assert site.dana.call("PATCH", f"/api/jobs/{job_id}", {"hyperparameters": {"epochs": 2}}).status == 409
    assert site.dana.call("PATCH", f"/api/jobs/{job_id}", {"spend_cap_usd": "900.00"}).status == 409
    renamed = site.dana.call("PATCH", f"/api/jobs/{job_id}", {"name": "Another name"})
    assert (renamed.status, list(renamed.body["details"])) == (422, ["name"])


CHANGES = [
    ("PATCH", "", {"notes": "mine now"}),
    ("POST", "/start", CONFIRMED),
    ("POST", "/cancel", CANCEL),
    ("DELETE", "", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_member_may_read_other_peoples_jobs_and_change_none(
    site: Site, method: str, path: str, body: Any
) -> None:
    job_id = site.draft(site.miro)
    before = site.world.job(job_id)
    refused = site.noor.call(method, f"/api/jobs/{job_id}{path}", body)
    assert (refused.status, refused.body["code"]) == (403, "not_allowed")
    assert site.world.job(job_id) == before
    assert site.noor.call("GET", f"/api/jobs/{job_id}").status == 200


@pytest.mark.parametrize(("method", "path", "body"), [*CHANGES, ("GET", "", None), ("GET", "/live", None)])
def test_a_job_that_does_not_exist_is_not_found(site: Site, method: str, path: str, body: Any) -> None:
    for job_id in ("job_0000000000000000", "x", "%00", "..%2f..", "j" * 900, "%F0%9F%8C%8A"):
        reply = site.dana.call(method, f"/api/jobs/{job_id}{path}", body)
        assert (reply.status, reply.body["code"]) in {(404, "not_found"), (422, "validation_failed")}, job_id


def test_a_manager_may_cancel_what_a_member_started(site: Site) -> None:
    job_id = site.started(site.miro)
    reply = site.dana.call("POST", f"/api/jobs/{job_id}/cancel", {**CANCEL, "notes": "too dear"})
    site.world.machine.work()
    assert (reply.status, reply.data["status"]) == (202, "cancelling")
    done = site.miro.call("GET", f"/api/jobs/{job_id}")
    assert (done.data["status"], done.data["cancellation"]["notes"]) == ("cancelled", "too dear")
    _assert_like(done.body, "job_cancelled")
    assert site.world.pods(job_id) == []


def test_a_cancellation_is_in_the_audit_log(site: Site) -> None:
    job_id = site.started(site.miro)
    site.dana.call("POST", f"/api/jobs/{job_id}/cancel", {**CANCEL, "notes": "too dear"})
    (line,) = [line for line in site.world.audit.lines if line["action"] == "job.cancel"]
    assert (line["subject"], line["details"]["reason"], line["details"]["notes"]) == (
        job_id,
        CANCEL["reason"],
        "too dear",
    )
    assert line["actor_id"] == site.dana.call("GET", "/api/me").data["id"]
    assert line["at"] == site.world.clock.now


def test_the_stages_weigh_what_the_product_says(site: Site) -> None:
    stages = site.dana.call("GET", f"/api/jobs/{site.draft()}").data["stages"]
    assert [stage["weight"] for stage in stages] == [5, 10, 80, 5]


@pytest.mark.parametrize(
    ("change", "field"),
    [({"confirmed": False}, "confirmed"), ({"reason": "because"}, "reason"), ({"notes": "x" * 501}, "notes")],
)
def test_a_cancel_that_is_not_meant_changes_nothing(site: Site, change: dict[str, Any], field: str) -> None:
    job_id = site.started()
    reply = site.dana.call("POST", f"/api/jobs/{job_id}/cancel", {**CANCEL, **change})
    assert (reply.status, list(reply.body["details"])) == (422, [field])
    assert site.world.job(job_id).status == "provisioning"


def test_a_running_job_cannot_be_deleted_and_an_ended_one_can(site: Site) -> None:
    job_id = site.started()
    assert site.dana.call("DELETE", f"/api/jobs/{job_id}").status == 409
    site.dana.call("POST", f"/api/jobs/{job_id}/cancel", CANCEL)
    site.world.machine.work()
    assert site.dana.call("DELETE", f"/api/jobs/{job_id}").status == 200
    assert site.dana.call("GET", f"/api/jobs/{job_id}").status == 404
    assert site.world.progress.get(job_id) is None


def test_deleting_an_ended_job_keeps_its_model_s_files(site: Site) -> None:
    job_id = site.started()
    Trainer(site.world, job_id).through("finalization")
    model_id = site.world.job(job_id).model_id
    assert site.dana.call("DELETE", f"/api/jobs/{job_id}").status == 200
    assert site.dana.call("GET", f"/api/models/{model_id}").status == 200
    assert site.world.files.list(f"jobs/{job_id}/attempts/1/artifacts/") != []


def test_one_poll_shows_what_changed_since_the_cursor(site: Site) -> None:
    job_id = site.started()
    trainer = Trainer(site.world, job_id).through("model_loading")
    trainer.stage("training", "active").train(1, 10).checkpoint(10)
    first = site.dana.call("GET", f"/api/jobs/{job_id}/live")
    assert first.data["points"]["step"] == list(range(1, 11))
    assert first.data["reset_points"] is True
    _assert_like(first.body, "live")

    cursor = first.data["cursor"]
    same = site.dana.call("GET", f"/api/jobs/{job_id}/live?cursor={cursor}")
    assert same.data["changed"] is False
    _assert_like(same.body, "live_unchanged")

    trainer.train(11, 13)
    more = site.dana.call("GET", f"/api/jobs/{job_id}/live?cursor={cursor}").data
    assert (more["points"]["step"], more["reset_points"]) == ([11, 12, 13], False)
    seen = {event["id"] for event in first.data["events"]}
    assert more["events"]
    assert not seen & {event["id"] for event in more["events"]}


@pytest.mark.parametrize("cursor", ["", "x", "%00", "AAAA", "9" * 400, "LTE6LTE6LTE6LTE", "%F0%9F%8C%8A"])
def test_a_cursor_that_cannot_be_read_starts_over(site: Site, cursor: str) -> None:
    job_id = site.started()
    reply = site.dana.call("GET", f"/api/jobs/{job_id}/live?cursor={cursor}")
    assert (reply.status, reply.data["changed"]) == (200, True)


def test_a_watched_job_asks_its_trainer_to_report_more_often(site: Site) -> None:
    job_id = site.started()
    trainer = Trainer(site.world, job_id).hello()
    assert trainer.reply["watched"] is False
    site.dana.call("GET", f"/api/jobs/{job_id}/live")
    assert trainer.send().reply["watched"] is True
    site.world.machine.advance(29)
    trainer.send()
    site.world.machine.advance(29)
    assert trainer.send().reply["watched"] is False


def test_the_curves_and_the_log_have_the_shape_of_the_contract(site: Site) -> None:
    job_id = site.started()
    Trainer(site.world, job_id).through("training", steps=60)
    metrics = site.dana.call("GET", f"/api/jobs/{job_id}/metrics?max_points=10")
    assert metrics.data["total_points"] == 60
    assert metrics.data["thinned"] is True
    _assert_like(metrics.body, "metrics")
    events = site.dana.call("GET", f"/api/jobs/{job_id}/events?type=metrics&limit=5&sort=asc&search=Step%205")
    assert [event["type"] for event in events.data["events"]] == ["metrics"] * len(events.data["events"])
    _assert_like(events.body, "events")


@pytest.mark.parametrize(
    "query",
    ["max_points=0", "max_points=1e9", "max_points=x", "x=colour"],
)
def test_a_chart_that_cannot_be_drawn_is_refused(site: Site, query: str) -> None:
    job_id = site.started()
    assert site.dana.call("GET", f"/api/jobs/{job_id}/metrics?{query}").status == 422


@pytest.mark.parametrize(
    "query", ["type=nonsense", "from=yesterday", "to=%00", "page=0", "limit=101", "sort=up", "page=-1"]
)
def test_a_filter_that_means_nothing_is_refused(site: Site, query: str) -> None:
    job_id = site.started()
    assert site.dana.call("GET", f"/api/jobs/{job_id}/events?{query}").status == 422


@pytest.mark.parametrize(
    "query", ["from=0001-01-01T00:00:00%2B14:00", "to=9999-12-31T23:59:59-14:00", "from=2026-01-01"]
)
def test_any_time_that_can_be_written_can_be_asked_for(site: Site, query: str) -> None:
    job_id = site.started()
    assert site.dana.call("GET", f"/api/jobs/{job_id}/events?{query}").status == 200


def test_a_failed_job_says_why_in_the_shape_of_the_contract(site: Site) -> None:
    job_id = site.started()
    Trainer(site.world, job_id).through("model_loading").error("out_of_memory", "Needs 90 GB, has 80 GB.")
    reply = site.dana.call("GET", f"/api/jobs/{job_id}")
    assert reply.data["error"]["message"] == "Needs 90 GB, has 80 GB."
    _assert_like(reply.body, "job_failed")


def test_the_list_shows_no_growing_cost_for_a_job_that_waits_for_a_gpu(site: Site) -> None:
    job_id = site.started()
    Trainer(site.world, job_id).through("model_loading").checkpoint(3)
    site.world.machine.advance(20)
    site.world.cloud.without_capacity = {
        (offer.gpu_id, tier) for offer in site.world.cloud.offers for tier in Tier
    }
    site.world.cloud.vanish(site.world.pods(job_id)[0].id)
    site.world.machine.advance(120)
    assert site.world.job(job_id).status == "queued"
    spent = site.dana.call("GET", "/api/jobs").data["jobs"][0]["cost"]["spent_usd"]
    site.world.clock.advance(36_000)
    later = site.dana.call("GET", "/api/jobs").data["jobs"][0]["cost"]["spent_usd"]
    assert spent == later != "0.00"
