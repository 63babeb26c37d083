"""Pausing and resuming over HTTP."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from chalicelib.domain.identity import Role
from chalicelib.domain.track_record import as_record

from tests.backend.estimate.examples import a_finished_job
from tests.backend.identity.pool import Caller
from tests.backend.routes.site import DRAFT, GPU, Site
from tests.lifecycle.trainer import Trainer


@pytest.fixture
def paused(site: Site) -> str:
    """A job paused at step 7 by its maker."""
    job_id = site.started()
    trainer = Trainer(site.world, job_id).through("model_loading").stage("training", "active").train(1, 7)
    assert "pause" in site.dana.call("GET", f"/api/jobs/{job_id}").data["allowed_actions"]
    reply = site.dana.call("POST", f"/api/jobs/{job_id}/pause", {})
    assert (reply.status, reply.data["status"]) == (202, "pausing")
    site.world.machine.work()
    trainer.send()
    trainer.checkpoint(7, "pause").stopping("paused")
    return job_id


def test_a_paused_job_shows_what_a_resume_goes_on_from(site: Site, paused: str) -> None:
    data = site.dana.call("GET", f"/api/jobs/{paused}").data
    assert (data["status"], data["status_sentence"]) == ("paused", "Paused at step 7. No GPU is billed.")
    assert {"resume", "cancel"} <= set(data["allowed_actions"])
    pause = data["pause"]
    assert (pause["step"], pause["own_checkpoint"], pause["asked_by"]) == (7, True, "Dana")
    assert pause["checkpoint_size_bytes"] > 0
    assert pause["kept_until"] > pause["paused_at"]
    assert pause["resume"]["from_step"] == 7
    assert data["cost"]["accruing"] is False


def test_it_goes_on_where_it_stood(site: Site, paused: str) -> None:
    reply = site.dana.call("POST", f"/api/jobs/{paused}/resume", {})
    assert reply.status == 202
    site.world.machine.work()
    data = site.dana.call("GET", f"/api/jobs/{paused}").data
    assert (data["status"], data["pause"]) == ("provisioning", None)
    assert data["attempts"][-1]["resumed_from_step"] == 7
    said = [event["message"] for event in site.dana.call("GET", f"/api/jobs/{paused}/events").data["events"]]
    assert "paused → queued: resuming from step 7" in said


def test_a_resume_may_change_gpu_and_tier_and_nothing_else(site: Site, paused: str) -> None:
    other = "NVIDIA A100 80GB PCIe"
    reply = site.dana.call(
        "POST", f"/api/jobs/{paused}/resume", {"gpu": {"type": other, "tier": "on_demand"}}
    )
    assert reply.status == 202
    gpu = reply.data["configuration"]["gpu"]
    assert (gpu["type"], gpu["tier"], gpu["count"]) == (other, "on_demand", GPU["count"])
    refused = site.dana.call("POST", f"/api/jobs/{paused}/resume", {"hyperparameters": {"rank": 8}})
    assert refused.status in {400, 422}


def test_a_gpu_that_is_not_sold_is_refused_with_the_field(site: Site, paused: str) -> None:
    reply = site.dana.call("POST", f"/api/jobs/{paused}/resume", {"gpu": {"type": "NVIDIA Abacus"}})
    assert (reply.status, set(reply.body["details"])) == (422, {"gpu.type"})


def test_a_cap_that_pays_no_further_start_is_refused_and_a_higher_one_goes(site: Site, paused: str) -> None:
    reply = site.dana.call("POST", f"/api/jobs/{paused}/resume", {"spend_cap_usd": "0.05"})
    assert reply.status == 422
    assert "is spent" in reply.body["details"]["spend_cap_usd"][0]
    assert site.dana.call("GET", f"/api/jobs/{paused}").data["status"] == "paused"
    assert site.dana.call("POST", f"/api/jobs/{paused}/resume", {"spend_cap_usd": "40.00"}).status == 202
    assert site.dana.call("GET", f"/api/jobs/{paused}").data["cost"]["spend_cap_usd"] == "40.00"


def test_a_job_whose_checkpoint_is_gone_rents_nothing(site: Site, paused: str) -> None:
    for key in [key for key in site.world.files.objects if "/checkpoints/" in key]:
        del site.world.files.objects[key]
    reply = site.dana.call("POST", f"/api/jobs/{paused}/resume", {})
    assert (reply.status, reply.body["code"]) == (409, "wrong_status")


def test_resuming_twice_resumes_once(site: Site, paused: str) -> None:
    assert site.dana.call("POST", f"/api/jobs/{paused}/resume", {}).status == 202
    assert site.dana.call("POST", f"/api/jobs/{paused}/resume", {}).status == 409
    site.world.machine.work()
    assert len(site.world.pods(paused)) == 1


def test_somebody_else_s_job_is_neither_paused_nor_resumed(site: Site, paused: str) -> None:
    assert site.miro.call("POST", f"/api/jobs/{paused}/resume", {}).status == 403
    assert site.noor.call("POST", f"/api/jobs/{paused}/resume", {}).status == 403


def test_a_draft_cannot_be_paused_and_hears_why(site: Site) -> None:
    reply = site.dana.call("POST", f"/api/jobs/{site.draft()}/pause", {})
    assert reply.status == 409
    assert "not begun" in reply.body["error"]


def test_a_resume_reserves_what_is_left_of_the_cap_or_is_refused(site: Site, paused: str) -> None:
    site.dana.call("PUT", "/api/budget", {"limit_usd": "1.00", "grace_percent": 0})
    assert site.dana.call("GET", "/api/budget").data["reserved_usd"] == "0.00"
    refused = site.dana.call("POST", f"/api/jobs/{paused}/resume", {})
    assert (refused.status, refused.body["code"]) == (409, "budget_exceeded")
    assert site.dana.call("GET", f"/api/jobs/{paused}").data["status"] == "paused"
    site.dana.call("PUT", "/api/budget", {"limit_usd": "500.00"})
    assert site.dana.call("POST", f"/api/jobs/{paused}/resume", {}).status == 202
    cap = site.dana.call("GET", f"/api/jobs/{paused}").data["cost"]["spend_cap_usd"]
    assert site.dana.call("GET", "/api/budget").data["forecast_usd"] == cap


def test_the_page_says_until_when_a_pause_is_kept(site: Site, paused: str) -> None:
    def kept_days() -> int:
        pause = site.dana.call("GET", f"/api/jobs/{paused}/live").data["job"]["pause"]
        kept = datetime.fromisoformat(pause["kept_until"]) - datetime.fromisoformat(pause["paused_at"])
        return kept.days

    assert kept_days() == 30
    assert site.dana.call("PUT", "/api/settings", {"pause_kept_days": 3}).data["pause_kept_days"] == 3
    assert kept_days() == 3


def test_a_resume_keeps_back_what_the_wished_gpu_needs_for_a_good_ending(site: Site, paused: str) -> None:
    other = "NVIDIA A100 80GB PCIe"
    record = [
        a_finished_job(number, base_model_id=DRAFT["base_model"], gpu_type=other, closing_seconds=9000.0)
        for number in range(4)
    ]
    document = site.world.documents.get("track_record")
    assert document is not None
    rows = json.dumps([as_record(each) for each in record])
    site.world.documents.put("track_record", {**document, "jobs": rows})
    cap = {"spend_cap_usd": "2.50"}
    dearer = site.dana.call("POST", f"/api/jobs/{paused}/resume", {"gpu": {"type": other}, **cap})
    assert (dearer.status, list(dearer.body["details"])) == (422, ["spend_cap_usd"])
    assert site.dana.call("POST", f"/api/jobs/{paused}/resume", cap).status == 202


def test_nobody_is_offered_what_would_be_refused_them(site: Site, paused: str) -> None:
    def offered(by: Caller) -> list[list[str]]:
        row = by.call("GET", "/api/jobs").data["jobs"][0]
        live = by.call("GET", f"/api/jobs/{paused}/live").data["job"]
        return [each["allowed_actions"] for each in (by.call("GET", f"/api/jobs/{paused}").data, live, row)]

    for own in (site.dana, site.person("mia", Role.MANAGER)):
        assert all({"resume", "cancel", "edit_metadata"} <= set(each) for each in offered(own))
    for each in offered(site.miro):
        assert not {"resume", "cancel", "edit_metadata"} & set(each)


def test_the_list_keeps_both_kinds_of_time_apart(site: Site, paused: str) -> None:
    site.world.clock.advance(3600)
    (row,) = site.dana.call("GET", "/api/jobs").data["jobs"]
    assert row["paused_seconds"] == 3600
    assert row["duration_seconds"] < 3600
