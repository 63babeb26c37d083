"""One action on many jobs over HTTP: rights, mixed outcomes, repeats."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chalicelib import bootstrap
from chalicelib.domain.errors import StorageUnavailable

from tests.backend.identity.pool import Caller, Reply
from tests.backend.routes.site import Site, differing_keys

EXAMPLES = Path(__file__).resolve().parents[3] / "contracts" / "examples"


def bulk(by: Caller, action: str, *ids: str, **body: Any) -> Reply:
    given = {"action": action, "job_ids": list(ids), "confirmed": True, **body}
    return by.call("POST", "/api/jobs/bulk", given)


def cancel(by: Caller, *ids: str, **body: Any) -> Reply:
    return bulk(by, "cancel", *ids, reason="not_improving", **body)


def outcomes(reply: Reply) -> list[tuple[bool, str | None, str | None]]:
    assert reply.status == 200, reply.body
    return [
        (each["ok"], each["status"], each["error"] and each["error"]["code"])
        for each in reply.data["results"]
    ]


def test_running_and_waiting_jobs_are_cancelled_and_others_hear_why_not(site: Site) -> None:
    running, draft = site.started(), site.draft()
    reply = cancel(site.dana, running, draft, "job_aaaaaaaaaaaaaaaa", notes="the whole batch")
    assert outcomes(reply) == [
        (True, "cancelling", None),
        (False, "pending_configuration", "wrong_status"),
        (False, None, "not_found"),
    ]
    assert (reply.data["succeeded"], reply.data["failed"]) == (1, 2)
    site.world.machine.work()
    assert site.world.job(running).status.value == "cancelled"
    shown = site.dana.call("GET", f"/api/jobs/{running}").data["cancellation"]
    assert (shown["reason"], shown["notes"]) == ("not_improving", "the whole batch")
    example = json.loads((EXAMPLES / "bulk_reply.json").read_text("utf-8"))
    assert differing_keys(reply.body, example) == []


def test_a_repeat_finds_the_work_done(site: Site) -> None:
    running, finished = site.started(), site.draft()
    assert outcomes(cancel(site.dana, running)) == [(True, "cancelling", None)]
    assert outcomes(cancel(site.dana, running)) == [(True, "cancelling", None)]
    site.world.machine.work()
    assert outcomes(cancel(site.dana, running)) == [(True, "cancelled", None)]
    for _ in range(2):
        assert outcomes(bulk(site.dana, "delete", running, finished)) == [(True, "deleted", None)] * 2
    assert site.world.jobs.get(running) is None


def test_somebody_else_s_jobs_stay_as_they_are(site: Site) -> None:
    own, other = site.draft(site.miro), site.draft(site.noor)
    assert outcomes(bulk(site.miro, "delete", own, other)) == [
        (True, "deleted", None),
        (False, "pending_configuration", "not_allowed"),
    ]
    started = site.started()
    assert outcomes(cancel(site.noor, started)) == [(False, "provisioning", "not_allowed")]
    assert site.world.jobs.get(other) is not None


def test_a_job_named_twice_is_answered_once(site: Site) -> None:
    job_id = site.draft()
    assert outcomes(bulk(site.dana, "delete", job_id, job_id)) == [(True, "deleted", None)]


def test_a_job_that_still_runs_is_not_deleted(site: Site) -> None:
    running = site.started()
    assert outcomes(bulk(site.dana, "delete", running)) == [(False, "provisioning", "wrong_status")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "cancel"}, "reason"),
        ({"action": "cancel", "reason": "because"}, "reason"),
        ({"action": "delete", "confirmed": False}, "confirmed"),
        ({"action": "pause"}, "action"),
        ({"action": "delete", "job_ids": []}, "job_ids"),
        ({"action": "delete", "job_ids": ["job_aaaaaaaaaaaaaaaa"] * 101}, "job_ids"),
    ],
)
def test_a_request_that_makes_no_sense_touches_no_job(site: Site, body: dict[str, Any], field: str) -> None:
    job_id = site.draft()
    reply = site.dana.call("POST", "/api/jobs/bulk", {"job_ids": [job_id], "confirmed": True, **body})
    assert (reply.status, list(reply.body["details"])) == (422, [field])
    assert site.world.jobs.get(job_id) is not None


def test_an_outage_costs_its_own_job_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = site.draft(), site.draft()
    store = site.world.jobs
    delete = store.delete

    def refusing(job: Any) -> None:
        if job.id == first:
            raise StorageUnavailable("The table does not answer.")
        delete(job)

    monkeypatch.setattr(store, "delete", refusing)
    assert outcomes(bulk(site.dana, "delete", first, second)) == [
        (False, "pending_configuration", "storage_unavailable"),
        (True, "deleted", None),
    ]


def test_what_is_not_reached_in_time_is_said_and_left_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [site.draft() for _ in range(3)]
    start, looks = site.world.clock.now, iter(range(100))
    monkeypatch.setattr(bootstrap, "clock", lambda: lambda: start + timedelta(seconds=10 * next(looks)))
    reply = bulk(site.dana, "delete", *ids)
    assert outcomes(reply) == [
        (True, "deleted", None),
        (False, None, "service_unavailable"),
        (False, None, "service_unavailable"),
    ]
    assert "Send it again" in reply.data["results"][1]["error"]["message"]
    assert site.world.jobs.get(ids[1]) is not None
