"""Deciding a request: by whom, with what, how often, how late."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chalicelib.domain.errors import ServiceUnavailable
from chalicelib.domain.identity import Role

from tests.backend.identity.pool import Caller
from tests.backend.queue.line import pass_a_minute
from tests.backend.queue.promotions import (
    ask,
    decide,
    line,
    nobody,
    token_for,
)
from tests.backend.routes.site import CANCEL, Site


def test_the_token_is_stored_hashed_and_shown_by_no_route(site: Site, asked: tuple[list[str], str]) -> None:
    token = token_for(site, "mia@example.com")
    assert token not in repr(site.approvals.rows)
    shown = [
        site.dana.call("GET", path).body
        for path in ("/api/approvals", f"/api/approvals/{asked[1]}", "/api/queue", "/api/queue/history")
    ]
    assert token not in repr(shown)
    assert "hash" not in repr(shown)
    assert token not in repr(site.world.audit.lines)


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_a_mailed_link_decides_once_without_a_sign_in(
    site: Site, asked: tuple[list[str], str], decision: str
) -> None:
    jobs, approval_id = asked
    token = token_for(site, "mia@example.com")
    reply = decide(site, approval_id, nobody(site), decision, token=token, reason="As discussed.")
    assert (reply.status, reply.data["by_link"]) == (200, True)
    assert reply.data["decided_by"]["email"] == "mia@example.com"
    for again in ("approve", "deny"):
        refused = decide(site, approval_id, nobody(site), again, token=token, reason="Once more.")
        assert (refused.status, refused.body["code"]) == (409, "wrong_status")
        assert refused.body["details"] == {"status": reply.data["status"]}
        assert refused.body["error"].endswith("by Mia.")
    other = decide(site, approval_id, nobody(site), token=token_for(site, "dana@example.com"))
    assert other.status == 409
    assert (line(site)[0] == jobs[7]) == (decision == "approve")


def test_a_mailed_link_shows_what_is_asked_and_what_became_of_it_without_deciding(
    site: Site, asked: tuple[list[str], str]
) -> None:
    _, approval_id = asked
    token = {"token": token_for(site, "mia@example.com")}
    path = f"/api/approvals/{approval_id}/preview"
    seen = nobody(site).call("POST", path, token)
    assert (seen.status, seen.data) == (200, site.dana.call("GET", f"/api/approvals/{approval_id}").data)
    assert seen.data["status"] == "pending"
    decide(site, approval_id, site.dana)
    assert nobody(site).call("POST", path, token).data["status"] == "approved"


def test_a_link_that_is_wrong_or_whose_person_is_no_manager_any_more_shows_nothing(
    site: Site, asked: tuple[list[str], str]
) -> None:
    path = f"/api/approvals/{asked[1]}/preview"
    token = token_for(site, "mia@example.com")
    assert nobody(site).call("POST", path, {"token": token[:-1] + "_"}).status == 401
    assert (
        nobody(site).call("POST", "/api/approvals/apr_aaaaaaaaaaaaaaaa/preview", {"token": token}).status
        == 401
    )
    assert nobody(site).call("POST", path, {}).status == 422
    assert site.dana.call("POST", path, {}).status == 422
    mia = next(user for user in site.users.all() if user.email == "mia@example.com")
    site.users.save(replace(mia, role=Role.MEMBER), expected=mia)
    assert nobody(site).call("POST", path, {"token": token}).status == 403


def test_reading_a_link_s_address_does_nothing(site: Site, asked: tuple[list[str], str]) -> None:
    path = f"/api/approvals/{asked[1]}/decision?decision=approve&token={token_for(site, 'mia@example.com')}"
    assert site.client.http.get(path).status_code == 405
    assert site.approvals.rows[asked[1]].status.value == "pending"


@pytest.mark.parametrize("token", ["x", "A" * 43, "0" * 100, "ü"])
def test_a_made_up_token_decides_nothing(site: Site, asked: tuple[list[str], str], token: str) -> None:
    reply = decide(site, asked[1], nobody(site), token=token)
    assert (reply.status, reply.body["code"]) == (401, "not_signed_in")
    assert decide(site, "apr_0000000000000000", nobody(site), token=token).status == 401
    assert site.approvals.rows[asked[1]].status.value == "pending"


def test_a_token_is_good_for_nothing_but_what_was_asked(site: Site, asked: tuple[list[str], str]) -> None:
    """Even whoever could write to the table could not make a mailed yes mean something else."""
    jobs, approval_id = asked
    token = token_for(site, "mia@example.com")
    row = site.approvals.rows[approval_id]
    for forged in (
        replace(row, subject=jobs[6]),
        replace(row, payload={**row.payload, "queued_at": "2026-11-22T10:06:00+00:00"}),
        replace(row, expires_at=row.expires_at + timedelta(days=9)),
    ):
        site.approvals.rows[approval_id] = forged
        assert decide(site, approval_id, nobody(site), token=token).status == 401
    second = ask(site, jobs[6]).data["id"]
    assert decide(site, second, nobody(site), token=token).status == 401


def test_whoever_lost_the_role_cannot_decide_by_an_old_link(site: Site, asked: tuple[list[str], str]) -> None:
    token = token_for(site, "mia@example.com")
    mia = next(user for user in site.users.rows.values() if user.email == "mia@example.com")
    for change in ({"role": Role.MEMBER}, {"active": False, "role": Role.MANAGER}):
        mia = site.users.save(replace(mia, **change), expected=mia)
        assert decide(site, asked[1], nobody(site), token=token).status == 403
    assert site.approvals.rows[asked[1]].status.value == "pending"


def test_only_managers_decide_and_read_the_list(site: Site, asked: tuple[list[str], str]) -> None:
    _, approval_id = asked
    assert decide(site, approval_id, nobody(site)).status == 401
    assert decide(site, approval_id, site.miro).status == 403
    assert site.miro.call("GET", "/api/approvals").status == 403
    assert site.miro.call("GET", f"/api/approvals/{approval_id}").status == 404
    secret = site.dana.call("POST", "/api/tokens", {"name": "n", "scopes": ["queue:read"]}).data["token"]
    assert decide(site, approval_id, Caller(site.client, secret)).status == 403


def test_an_expired_request_is_not_decided_and_is_closed(site: Site, asked: tuple[list[str], str]) -> None:
    _, approval_id = asked
    token = token_for(site, "mia@example.com")
    site.world.clock.advance(48 * 3600)
    for reply in (
        decide(site, approval_id, site.dana),
        decide(site, approval_id, nobody(site), token=token),
    ):
        assert (reply.status, reply.body["details"]) == (409, {"status": "expired"})
    assert site.dana.call("GET", "/api/approvals").data["approvals"] == []
    assert site.dana.call("GET", f"/api/approvals/{approval_id}").data["status"] == "expired"
    site.client.lambda_.invoke("DispatchQueue", {})
    (row,) = site.dana.call("GET", "/api/approvals?status=expired").data["approvals"]
    assert row["id"] == approval_id


def test_a_job_that_left_the_queue_is_not_promoted(site: Site, asked: tuple[list[str], str]) -> None:
    jobs, approval_id = asked
    site.dana.call("POST", f"/api/jobs/{jobs[7]}/cancel", CANCEL)
    reply = decide(site, approval_id, site.dana)
    assert (reply.status, reply.body["error"]) == (409, "The job has left the queue.")
    again = decide(site, approval_id, site.dana)
    assert (again.status, again.body["details"]) == (409, {"status": "obsolete"})
    assert site.dana.call("GET", f"/api/approvals/{approval_id}").data["status"] == "obsolete"


def test_requests_about_jobs_that_left_are_closed_by_the_minute(
    site: Site, asked: tuple[list[str], str]
) -> None:
    jobs, approval_id = asked
    site.dana.call("POST", f"/api/jobs/{jobs[7]}/cancel", CANCEL)
    pass_a_minute(site)
    assert site.approvals.rows[approval_id].status.value == "obsolete"


def test_a_yes_whose_effect_was_lost_is_carried_out_by_the_minute(
    site: Site, asked: tuple[list[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, approval_id = asked
    real = site.world.jobs.save

    def dead(*arguments: Any, **named: Any) -> Any:
        raise ServiceUnavailable("The database did not answer.")

    monkeypatch.setattr(site.world.jobs, "save", dead)
    assert decide(site, approval_id, site.dana).status == 503
    monkeypatch.setattr(site.world.jobs, "save", real)
    assert line(site)[0] != jobs[7]
    for _ in range(2):
        pass_a_minute(site)
    assert line(site)[0] == jobs[7]
    (row,) = site.dana.call("GET", "/api/approvals?status=approved").data["approvals"]
    assert row["outcome"] == {"old_position": 5, "new_position": 1}


def test_a_new_wait_needs_a_new_request(site: Site, asked: tuple[list[str], str]) -> None:
    jobs, approval_id = asked
    job = site.world.job(jobs[7])
    site.world.jobs.save(replace(job, queued_at=site.world.clock.now), expected=job)
    assert decide(site, approval_id, site.dana).status == 409


def test_two_managers_at_once_decide_once(
    site: Site, asked: tuple[list[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, approval_id = asked
    real = site.approvals.save

    def beaten(after: Any, *, expected: Any) -> Any:
        monkeypatch.setattr(site.approvals, "save", real)
        assert decide(site, approval_id, site.dana, "deny", reason="No.").status == 200
        return real(after, expected=expected)

    monkeypatch.setattr(site.approvals, "save", beaten)
    reply = decide(site, approval_id, site.person("mia", Role.MANAGER))
    assert (reply.status, reply.body["details"]) == (409, {"status": "denied"})
    assert site.world.job(jobs[7]).promoted_at is None
    assert [line["action"] for line in site.world.audit.lines].count("approval.denied") == 1
