"""PUT /api/jobs/{id}/configuration: what a waiting job will train may change until it has a slot."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from chalicelib.domain.dataset import Dataset

from tests.backend.identity.pool import Caller, Reply
from tests.backend.queue.line import fill
from tests.backend.queue.promotions import line
from tests.backend.routes.site import CANCEL, CONFIRMED, DRAFT, Site
from tests.fakes import FakeDatasets


def put(site: Site, job_id: str, by: Caller | None = None, **changes: Any) -> Reply:
    body = {**DRAFT, **CONFIRMED, "hyperparameters": {"epochs": 6}, **changes}
    return (by or site.dana).call("PUT", f"/api/jobs/{job_id}/configuration", body)


def test_a_waiting_job_is_configured_anew_and_keeps_its_place(site: Site) -> None:
    jobs = fill(site, 6)
    before = site.dana.call("GET", f"/api/jobs/{jobs[4]}").data
    shown = next(each for each in site.dana.call("GET", "/api/queue").data["queued"] if each["id"] == jobs[4])
    assert shown["may_edit"] is True
    reply = put(site, jobs[4])
    assert (reply.status, reply.data["status"]) == (200, "queued")
    assert reply.data["configuration"]["hyperparameters"]["epochs"] == 6
    assert reply.data["estimate"]["total_steps"] > before["estimate"]["total_steps"]
    assert Decimal(reply.data["cost"]["spend_cap_usd"]) > Decimal(before["cost"]["spend_cap_usd"])
    assert reply.data["queued_at"] == before["queued_at"]
    assert line(site) == jobs[3:]
    events = site.dana.call("GET", f"/api/jobs/{jobs[4]}/events").data["events"]
    assert "Dana changed the configuration while the job waited" in [event["message"] for event in events]
    (entry,) = [entry for entry in site.world.audit.lines if entry["action"] == "job.reconfigure"]
    assert entry["subject"] == jobs[4]


def test_what_it_was_held_by_is_forgotten_with_the_gpu(site: Site) -> None:
    job_id = fill(site, 4)[3]
    job = site.world.jobs.get(job_id)
    assert job is not None
    later = site.world.clock.now + timedelta(hours=1)
    site.world.jobs.save(replace(job, held_by="capacity", not_before=later, capacity_misses=3), expected=job)
    put(site, job_id)
    changed = site.world.jobs.get(job_id)
    assert changed is not None
    assert (changed.held_by, changed.not_before, changed.capacity_misses) == (None, None, 0)


def test_everything_is_confirmed_and_checked_again(site: Site) -> None:
    job_id = fill(site, 4)[3]
    unconfirmed = {"configuration": True, "cost": False, "budget": True}
    reply = put(site, job_id, acknowledged=unconfirmed)
    assert (reply.status, list(reply.body["details"])) == (422, ["acknowledged.cost"])
    assert put(site, job_id, hyperparameters={"epochs": 500}).body["details"].keys() == {
        "hyperparameters.epochs"
    }
    assert put(site, job_id, spend_cap_usd="0.01").body["details"].keys() == {"spend_cap_usd"}
    assert put(site, job_id, dataset_id="ds_0000000000000000").status == 404
    job = site.world.jobs.get(job_id)
    assert job is not None
    assert job.configuration.hyperparameters.epochs != 6


def test_only_its_maker_or_a_manager_may(site: Site) -> None:
    job_id = fill(site, 4)[3]
    assert put(site, job_id, site.miro).status == 403
    (row,) = site.miro.call("GET", "/api/queue").data["queued"]
    assert row["may_edit"] is False


def test_a_job_that_does_not_wait_or_has_trained_stays_as_it_is(site: Site) -> None:
    jobs = fill(site, 5)
    site.dana.call("POST", f"/api/jobs/{jobs[3]}/cancel", CANCEL)
    resumed = site.world.jobs.get(jobs[4])
    assert resumed is not None
    site.world.jobs.save(replace(resumed, started_at=site.world.clock.now), expected=resumed)
    for job_id in (jobs[0], jobs[3], jobs[4], site.draft()):
        reply = put(site, job_id)
        assert (reply.status, reply.body["code"]) == (409, "wrong_status")
    (row,) = site.dana.call("GET", "/api/queue").data["queued"]
    assert row["may_edit"] is False


def test_the_budget_holds_what_the_job_may_spend_now(site: Site) -> None:
    site.dana.call("PUT", "/api/budget", {"limit_usd": "60.00"})
    jobs = fill(site, 4)

    def reserved() -> str:
        rows = site.dana.call("GET", "/api/budget").data["reservations"]
        return str(next(row["usd"] for row in rows if row["job_id"] == jobs[3]))

    assert put(site, jobs[3], spend_cap_usd="20.00").status == 200
    assert reserved() == "20.00"
    refused = put(site, jobs[3], spend_cap_usd="59.00")
    assert (refused.status, refused.body["code"]) == (409, "budget_exceeded")
    assert reserved() == "20.00"
    job = site.world.jobs.get(jobs[3])
    assert job is not None
    assert job.spend_cap_usd == Decimal("20.00")
    assert put(site, jobs[3], spend_cap_usd="15.00").status == 200
    assert reserved() == "15.00"


class StartingMeanwhile(FakeDatasets):
    """The slot comes free, and the job takes it, while its new configuration is being checked."""

    def __init__(self, site: Site, of: FakeDatasets, ended: str) -> None:
        super().__init__()
        self.rows, self._site, self._ended = of.rows, site, ended

    def get(self, dataset_id: str) -> Dataset | None:
        ended, self._ended = self._ended, ""
        if ended:
            self._site.dana.call("POST", f"/api/jobs/{ended}/cancel", CANCEL)
            self._site.world.machine.work()
            self._site.client.lambda_.invoke("DispatchQueue", {})
        found: Dataset | None = super().get(dataset_id)
        return found


def test_a_job_that_gets_its_slot_meanwhile_runs_as_it_was(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = fill(site, 4)
    before = site.world.jobs.get(jobs[3])
    assert before is not None
    racing = StartingMeanwhile(site, site.datasets, jobs[0])
    monkeypatch.setattr("chalicelib.bootstrap.datasets", lambda: racing)
    reply = put(site, jobs[3])
    assert (reply.status, reply.body["code"]) == (409, "wrong_status")
    after = site.world.jobs.get(jobs[3])
    assert after is not None
    assert (after.status.value, after.configuration) == ("provisioning", before.configuration)
