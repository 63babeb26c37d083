"""GET /api/queue and its history over HTTP."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chalicelib.domain.identity import Role

from tests.backend.queue.line import fill, pass_a_minute
from tests.backend.routes.site import CANCEL, Site, differing_keys
from tests.lifecycle.trainer import Trainer

EXAMPLES = Path(__file__).resolve().parents[3] / "contracts" / "examples"


def _example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def test_an_empty_queue_says_that_everything_is_free(site: Site) -> None:
    data = site.miro.call("GET", "/api/queue").data
    assert (data["limit"], data["active"], data["free"]) == (3, 0, 3)
    assert (data["slots"], data["queued"], data["warning"], data["full"]) == ([], [], None, None)
    assert data["next_slot_at"] == "2026-11-22T10:00:00Z"
    assert data["clears_at"] is None
    assert data["next_job"]["starts_in_seconds"] == 300
    assert data["next_job"]["confidence"] == "high"
    assert data["statistics"]["average_wait_seconds"] is None
    assert data["statistics"]["depth_word"] == "empty"


def test_slots_and_the_line_behind_them_are_shown_in_order(site: Site) -> None:
    jobs = fill(site, 6)
    reply = site.miro.call("GET", "/api/queue")
    data = reply.data
    assert [slot["id"] for slot in data["slots"]] == jobs[:3]
    assert data["provisioning"] == jobs[:3]
    assert [(each["id"], each["position"]) for each in data["queued"]] == list(
        zip(jobs[3:], (1, 2, 3), strict=True)
    )
    assert [each["confidence"] for each in data["queued"]] == ["medium", "medium", "low"]
    starts = [each["estimated_start_at"] for each in data["queued"]]
    assert starts == sorted(starts)
    assert starts[0] > data["next_slot_at"]
    assert data["clears_at"] == starts[-1]
    assert data["next_job"]["estimated_start_at"] >= starts[-1]
    assert data["full"] == "Queue full (3/3 active jobs). Wait for completion or cancel an active job."
    assert data["statistics"]["depth"] == 3
    assert differing_keys(reply.body, _example("queue")) == []


def test_each_row_says_whether_the_reader_may_change_its_job(site: Site) -> None:
    fill(site, 4)
    for reader, may in ((site.dana, True), (site.miro, False)):
        data = reader.call("GET", "/api/queue").data
        assert {each["may_change"] for each in (*data["slots"], *data["queued"])} == {may}


def test_a_slot_shows_the_progress_of_its_job_and_when_it_will_be_free(site: Site) -> None:
    (job_id,) = fill(site, 1)
    Trainer(site.world, job_id).hello().stage("training", "active").train(1, 10)
    (slot,) = site.miro.call("GET", "/api/queue").data["slots"]
    job = site.miro.call("GET", f"/api/jobs/{job_id}").data
    assert slot["status"] == "running"
    assert slot["progress"]["step"] == 10
    assert slot["progress"]["percent"] == job["progress"]["percent"] > 0


def test_a_long_queue_is_warned_of(site: Site) -> None:
    fill(site, 14)
    data = site.miro.call("GET", "/api/queue").data
    assert data["statistics"]["depth_word"] == "very long"
    assert data["warning"].startswith("Queue is unusually long (11 jobs).")
    assert data["next_job"]["advisory"]["level"] == "warning"
    assert data["next_job"]["advisory"]["message"].startswith("Long Queue: 11 jobs ahead. Estimated wait: ")


def test_statistics_and_history_come_from_what_happened(site: Site) -> None:
    jobs = fill(site, 5)
    for job_id in jobs[:3]:
        Trainer(site.world, job_id).hello().stage("preprocessing", "active")
    pass_a_minute(site)
    site.dana.call("POST", f"/api/jobs/{jobs[4]}/cancel", CANCEL)
    pass_a_minute(site)

    facts = site.miro.call("GET", "/api/queue").data["statistics"]
    assert (facts["sample_size"], facts["average_wait_seconds"]) == (3, 0)
    reply = site.dana.call("GET", "/api/queue/history")
    data = reply.data
    kinds = [event["type"] for event in data["events"]]
    assert sorted(kinds) == ["added"] * 5 + ["removed"] + ["started"] * 3
    assert kinds[0] == "removed"
    assert data["events"][0]["by"] == "Dana"
    assert data["events"][0]["wait_seconds"] > 0
    today = data["days"][-1]
    assert (today["added"], today["started"], today["removed"]) == (5, 3, 1)
    assert len(data["days"]) == 30
    assert differing_keys(reply.body, _example("queue_history")) == []


def test_the_history_is_paged_by_its_cursor(site: Site) -> None:
    fill(site, 5)
    pass_a_minute(site)
    seen = []
    query = "limit=2"
    while query:
        data = site.dana.call("GET", f"/api/queue/history?{query}").data
        seen += [(event["at"], event["job_id"]) for event in data["events"]]
        query = f"limit=2&cursor={data['cursor']}" if data["cursor"] else ""
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 5


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=AAAA", "cursor=%00", "limit=0", "limit=201", "days=61"]
)
def test_odd_history_queries_are_refused(site: Site, query: str) -> None:
    assert site.dana.call("GET", f"/api/queue/history?{query}").status == 422


def test_the_history_is_for_managers(site: Site) -> None:
    assert site.miro.call("GET", "/api/queue/history").status == 403
    assert site.person("mia", Role.MANAGER).call("GET", "/api/queue/history").status == 200


def test_a_start_after_a_wait_is_counted_with_that_wait(site: Site) -> None:
    jobs = fill(site, 4)
    queued_at = site.world.job(jobs[3]).queued_at
    assert queued_at is not None
    site.dana.call("POST", f"/api/jobs/{jobs[0]}/cancel", CANCEL)
    site.world.machine.work()
    for _ in range(3):
        pass_a_minute(site)
    claimed_at = site.world.job(jobs[3]).claimed_at
    assert claimed_at is not None
    assert claimed_at - queued_at >= timedelta(minutes=1)
    Trainer(site.world, jobs[3]).hello().stage("preprocessing", "active")
    pass_a_minute(site)
    facts = site.miro.call("GET", "/api/queue").data["statistics"]
    assert facts["longest_wait_seconds"] == round((claimed_at - queued_at).total_seconds())
