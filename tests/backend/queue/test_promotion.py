"""Asking for a promotion, and what a yes and a no do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chalicelib.domain.identity import Role

from tests.backend.queue.line import fill, pass_a_minute
from tests.backend.queue.promotions import (
    EXAMPLES,
    LINK,
    WHY,
    ask,
    decide,
    line,
    token_for,
)
from tests.backend.routes.site import CANCEL, Site, differing_keys
from tests.lifecycle.trainer import Trainer


def test_a_request_says_what_it_is_about_and_what_it_would_cost_the_others(
    site: Site, asked: tuple[list[str], str]
) -> None:
    jobs, approval_id = asked
    data = site.dana.call("GET", f"/api/approvals/{approval_id}").data
    assert (data["kind"], data["subject"], data["status"]) == ("promotion", jobs[7], "pending")
    assert (data["asked"]["old_position"], data["asked"]["new_position"]) == (5, 1)
    assert data["asked"]["delayed_jobs"] == 4
    minutes = data["asked"]["delay_minutes"]
    assert minutes > 5
    assert data["asked"]["impact"].startswith("Will delay 4 other queued jobs by ~")
    (row,) = [each for each in site.dana.call("GET", "/api/queue").data["queued"] if each["id"] == jobs[7]]
    assert (row["promotion_requested"], row["may_ask_promotion"]) == (approval_id, False)
    example = json.loads((EXAMPLES / "approval.json").read_text("utf-8"))
    assert differing_keys({"success": True, "data": data}, example) == []


def test_every_active_manager_is_mailed_a_link_of_their_own_and_told_in_the_app(
    site: Site, asked: tuple[list[str], str]
) -> None:
    approval_id = asked[1]
    mails = [
        mail for mail in site.world.notifier.mails if mail["subject"].startswith("Priority Queue Request")
    ]
    assert sorted(mail["to"] for mail in mails) == ["dana@example.com", "mia@example.com"]
    text = mails[0]["text"]
    for part in (
        "Requester: Dana (dana@example.com)",
        "Reason: Client deadline",
        f"Justification: {WHY}",
        "Queue position: #5 → #1",
        "Impact: Will delay 4 other queued jobs by ~",
    ):
        assert part in text
    assert {match[1] for match in LINK.findall(text)} == {"approve", "deny"}
    assert len({token_for(site, "dana@example.com"), token_for(site, "mia@example.com")}) == 2
    feed = site.person("mia", Role.MANAGER).call("GET", "/api/notifications").data["notifications"]
    assert [(note["type"], note["link"]) for note in feed] == [
        ("promotion_requested", f"/approvals/{approval_id}")
    ]
    assert "#5 → #1" in feed[0]["message"]


def test_an_approved_job_is_first_and_its_log_says_who_and_why(
    site: Site, asked: tuple[list[str], str]
) -> None:
    jobs, approval_id = asked
    mia = site.person("mia", Role.MANAGER)
    before = line(site)
    site.world.clock.advance(30)
    reply = decide(site, approval_id, mia)
    assert (reply.status, reply.data["status"]) == (200, "approved")
    assert reply.data["outcome"] == {"old_position": 5, "new_position": 1}
    assert reply.data["decided_by"]["name"] == "Mia"
    assert line(site) == [jobs[7], *before[:4]]
    log = site.dana.call("GET", f"/api/jobs/{jobs[7]}/events?search=Promoted").data["events"]
    assert log[0]["message"] == (
        "Promoted to the front of the queue: #5 → #1, approved by Mia (Client deadline)"
    )
    assert log[0]["data"]["old_position"] == 5
    audit = [line["action"] for line in site.world.audit.lines]
    assert audit[-3:] == ["promotion.request", "approval.approved", "job.promote"]
    (event,) = site.dana.call("GET", "/api/queue/history").data["events"]
    assert (event["type"], event["by"], event["reason"]) == ("promoted", "Mia", "Client deadline")
    assert (event["old_position"], event["new_position"]) == (5, 1)
    told = site.dana.call("GET", "/api/notifications").data["notifications"][0]
    assert told["message"].startswith("Your job has been promoted to front of queue. Estimated start: ")


def test_the_promoted_job_gets_the_next_slot(site: Site, asked: tuple[list[str], str]) -> None:
    jobs, approval_id = asked
    decide(site, approval_id, site.dana)
    site.dana.call("POST", f"/api/jobs/{jobs[0]}/cancel", CANCEL)
    site.world.machine.work()
    for _ in range(2):
        pass_a_minute(site)
    assert site.world.jobs.slots().holders == (jobs[1], jobs[2], jobs[7])


def test_a_denied_request_changes_nothing_and_its_reason_is_told(
    site: Site, asked: tuple[list[str], str]
) -> None:
    jobs, approval_id = asked
    site.world.clock.advance(30)
    before = line(site)
    mia = site.person("mia", Role.MANAGER)
    assert list(decide(site, approval_id, mia, "deny").body["details"]) == ["reason"]
    reply = decide(site, approval_id, mia, "deny", reason="The others are as urgent.")
    assert (reply.status, reply.data["status"]) == (200, "denied")
    assert line(site) == before
    assert site.world.job(jobs[7]).promoted_at is None
    told = site.dana.call("GET", "/api/notifications").data["notifications"][0]
    assert told["message"].endswith("was denied: The others are as urgent.")


def test_the_list_is_newest_first_and_paged(site: Site) -> None:
    jobs = fill(site, 9)
    ids = []
    for job_id in jobs[5:8]:
        ids.append(ask(site, job_id).data["id"])
        site.world.clock.advance(1)
    reply = site.dana.call("GET", "/api/approvals")
    assert [row["id"] for row in reply.data["approvals"]] == ids[::-1]
    example = json.loads((EXAMPLES / "approvals.json").read_text("utf-8"))
    assert differing_keys(reply.body, example) == []
    for approval_id in ids:
        decide(site, approval_id, site.dana, "deny", reason="No.")
    seen, query = [], "status=denied&limit=2"
    while query:
        data = site.dana.call("GET", f"/api/approvals?{query}").data
        seen += [row["id"] for row in data["approvals"]]
        query = f"status=denied&limit=2&cursor={data['cursor']}" if data["cursor"] else ""
    assert seen == ids[::-1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": "boredom"}, "reason"),
        ({"justification": "x" * 99}, "justification"),
        ({"justification": "x" * 501}, "justification"),
        ({"justification": " " * 40 + "x" * 90 + " " * 40}, "justification"),
        ({"urgent": True}, "urgent"),
    ],
)
def test_an_incomplete_request_is_refused_by_field(site: Site, body: dict[str, Any], field: str) -> None:
    jobs = fill(site, 5)
    reply = ask(site, jobs[4], **body)
    assert (reply.status, list(reply.body["details"])) == (422, [field])
    assert site.approvals.rows == {}


def test_only_a_waiting_job_that_is_not_first_is_asked_for_and_only_once(site: Site) -> None:
    jobs = fill(site, 5)
    assert ask(site, jobs[0]).status == 409
    assert ask(site, site.draft()).status == 409
    first = ask(site, jobs[3])
    assert (first.status, first.body["error"]) == (409, "The job is first in the queue already.")
    assert ask(site, jobs[4]).status == 201
    again = ask(site, jobs[4])
    assert again.status == 409
    assert again.body["details"]["approval_id"] in site.approvals.rows
    assert ask(site, "job_0000000000000000").status == 404


def test_after_a_no_it_may_be_asked_again(site: Site) -> None:
    jobs = fill(site, 5)
    decide(site, ask(site, jobs[4]).data["id"], site.dana, "deny", reason="Not now.")
    second = ask(site, jobs[4])
    assert second.status == 201
    assert decide(site, second.data["id"], site.dana).status == 200


def test_the_creator_asks_and_other_members_do_not(site: Site) -> None:
    fill(site, 4)
    mine = site.started(site.miro, hyperparameters={"epochs": 7})
    assert ask(site, mine, site.noor).status == 403
    reply = ask(site, mine, site.miro)
    assert reply.status == 201
    assert site.miro.call("GET", f"/api/approvals/{reply.data['id']}").status == 200


def test_a_promoted_job_that_runs_is_a_start_in_the_history(site: Site, asked: tuple[list[str], str]) -> None:
    jobs, approval_id = asked
    decide(site, approval_id, site.dana)
    site.dana.call("POST", f"/api/jobs/{jobs[0]}/cancel", CANCEL)
    site.world.machine.work()
    for _ in range(2):
        pass_a_minute(site)
    Trainer(site.world, jobs[7]).hello().stage("preprocessing", "active")
    pass_a_minute(site)
    today = site.dana.call("GET", "/api/queue/history").data["days"][-1]
    assert (today["promoted"], today["started"] >= 1) == (1, True)
