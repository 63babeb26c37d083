"""Money over HTTP."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from chalicelib.domain.gpu import PodRequest, Tier

from tests.backend.routes.site import CANCEL, CONFIRMED, DRAFT, Site, differing_keys
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import H100

EXAMPLES = Path(__file__).resolve().parents[3] / "contracts" / "examples"


def _example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text())["data"]


def test_the_costs_show_a_job_a_leak_and_the_settlement(site: Site) -> None:
    job_id = site.started()
    world = site.world
    world.cloud.adopt_stranger(
        PodRequest("test-job_00000000000000zz-a1-00000000", "image", H100.type, 1, Tier.SPOT, {})
    )
    world.pass_minutes(2)
    Trainer(world, job_id).through("finalization")
    world.pass_minutes(1)
    shown = site.miro.call("GET", "/api/costs?period=week")
    assert shown.status == 200
    assert differing_keys(shown.data, _example("costs")) == []
    job = site.miro.call("GET", f"/api/jobs/{job_id}").data
    by_job = {row["job_id"]: row for row in shown.data["by_job"]}
    assert by_job[job_id]["usd"] == f"{Decimal(job['cost']['spent_usd']):.2f}"
    assert by_job["job_00000000000000zz"]["usd"] == shown.data["leaked_usd"] != "0.00"
    assert shown.data["total_usd"] == str(round(world.cloud.whole_bill_usd(), 2))
    assert shown.data["settled"] is False

    world.clock.advance(7200)
    world.settle_bills()
    settled = site.miro.call("GET", "/api/costs?period=week").data
    assert settled["settled"] is True
    assert {record["status"] for record in settled["records"]} == {"settled"}
    assert site.miro.call("GET", f"/api/jobs/{job_id}").data["cost"]["provisional"] is False

    first = site.miro.call("GET", "/api/costs?period=week&limit=1").data
    rest = site.miro.call("GET", f"/api/costs?period=week&limit=500&cursor={first['cursor']}").data
    assert first["records"] + rest["records"] == settled["records"]
    assert rest["cursor"] is None


def test_a_range_of_costs_is_refused_by_its_field(site: Site) -> None:
    for query, field in [
        ("start_date=2026-11-02", "end_date"),
        ("start_date=2026-11-02&end_date=2026-11-01", "end_date"),
        ("start_date=yesterday&end_date=2026-11-01", "start_date"),
        ("period=decade", "period"),
    ]:
        reply = site.dana.call("GET", f"/api/costs?{query}")
        assert (reply.status, list(reply.body["details"])) == (422, [field])
    odd = site.dana.call("GET", "/api/costs?start_date=2026-11-22&end_date=2026-11-22&cursor=%25")
    assert odd.status == 200


def test_a_manager_sets_the_budget_and_a_start_that_does_not_fit_is_refused(site: Site) -> None:
    assert site.miro.call("PUT", "/api/budget", {"limit_usd": "100.00"}).status == 403
    assert site.dana.call("GET", "/api/budget").data["level"] == "none"
    first = site.started(spend_cap_usd="7.00")
    shown = site.dana.call("PUT", "/api/budget", {"limit_usd": "12.00", "grace_percent": 0})
    assert shown.status == 200
    assert differing_keys(shown.data, _example("budget")) == []
    assert (shown.data["reserved_usd"], shown.data["remaining_usd"]) == ("7.00", "5.00")
    assert shown.data["reservations"] == [
        {"job_id": first, "job_name": site.world.job(first).name, "usd": "7.00"}
    ]

    second = site.draft(site.miro, spend_cap_usd="6.00", dataset_id=DRAFT["dataset_id"], seed=7)
    refused = site.miro.call("POST", f"/api/jobs/{second}/start", CONFIRMED)
    assert (refused.status, refused.body["code"]) == (409, "budget_exceeded")
    assert refused.body["details"]["shortfall_usd"] == "1.00"
    assert site.world.job(second).status.value == "pending_configuration"
    why = {**CONFIRMED, "override_justification": "The client pays for this one run."}
    assert site.miro.call("POST", f"/api/jobs/{second}/start", why).status == 403
    short = {**CONFIRMED, "override_justification": "please"}
    assert site.dana.call("POST", f"/api/jobs/{second}/start", short).status == 422
    assert site.dana.call("POST", f"/api/jobs/{second}/start", why).status == 202
    assert site.dana.call("GET", "/api/budget").data["reserved_usd"] == "13.00"
    said = [(line["action"], line["outcome"]) for line in site.world.audit.lines]
    assert ("budget.refuse", "refused") in said
    assert ("budget.override", "success") in said


def test_a_cancelled_job_of_the_queue_frees_its_reservation_at_once(site: Site) -> None:
    site.dana.call("PUT", "/api/budget", {"limit_usd": "100.00"})
    site.world.limit = 0
    site.world.documents.put("organisation", {"concurrency_limit": 0})
    job_id = site.started(spend_cap_usd="7.00")
    assert site.dana.call("GET", "/api/budget").data["reserved_usd"] == "7.00"
    assert site.dana.call("POST", f"/api/jobs/{job_id}/cancel", CANCEL).data["status"] == "cancelled"
    assert site.dana.call("GET", "/api/budget").data["reserved_usd"] == "0.00"


def test_an_estimate_says_what_the_job_would_mean_for_the_budget(site: Site) -> None:
    def impact() -> Any:
        return site.miro.call("POST", "/api/jobs/estimate", DRAFT).data["budget"]

    assert impact() is None
    site.dana.call("PUT", "/api/budget", {"limit_usd": "1000.00"})
    assert differing_keys(impact(), _example("estimate_reply")["budget"]) == []
    assert impact()["level"] == "ok"
    cap = Decimal(site.miro.call("POST", "/api/jobs/estimate", DRAFT).data["spend_cap_usd"])
    site.dana.call("PUT", "/api/budget", {"limit_usd": str(cap - Decimal("0.01")), "grace_percent": 10})
    assert impact()["level"] == "grace"
    site.dana.call("PUT", "/api/budget", {"limit_usd": "0.50", "grace_percent": 10})
    assert impact()["level"] == "over"


def test_costs_follow_a_job_to_its_new_client(site: Site) -> None:
    job_id = site.started()
    Trainer(site.world, job_id).through("finalization")
    site.dana.call("PATCH", f"/api/jobs/{job_id}", {"client_id": "acme", "project_id": "p1"})
    shown = site.dana.call("GET", "/api/costs").data
    assert [row["client_id"] for row in shown["by_client"]] == ["acme"]
    assert [row["project_id"] for row in shown["by_project"]] == ["p1"]


def test_the_wish_to_stop_when_the_gpu_idles_is_taken_shown_and_changed_while_it_runs(site: Site) -> None:
    job_id = site.started(stop_on_low_gpu=True)
    shown = site.dana.call("GET", f"/api/jobs/{job_id}").data
    assert shown["stop_on_low_gpu"] is True
    assert shown["cost"]["reserve"] == {"usd": "0.45", "seconds": 600, "measured_from_jobs": 0}
    changed = site.dana.call("PATCH", f"/api/jobs/{job_id}", {"stop_on_low_gpu": False})
    assert (changed.status, changed.data["stop_on_low_gpu"]) == (200, False)
    draft = site.draft(seed=9)
    assert site.dana.call("GET", f"/api/jobs/{draft}").data["cost"]["reserve"] is None
