"""Statistics of cancellations and pauses over HTTP, the advice made from them, and a warning about what was cancelled."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from chalicelib.domain.identity import Role
from chalicelib.use_cases.again import change_job

from tests.backend.routes.site import CANCEL, DRAFT, GPU, Site, differing_keys
from tests.fakes import START

EXAMPLE = Path(__file__).resolve().parents[3] / "contracts" / "examples" / "stops.json"


def cancelled(site: Site, **changes: Any) -> str:
    job_id = site.started(**changes)
    site.dana.call("POST", f"/api/jobs/{job_id}/cancel", CANCEL)
    site.world.machine.work()
    return job_id


def read(site: Site, query: str = "") -> Any:
    # Facts are brought up to date at most once a minute.
    site.world.clock.advance(61)
    return site.person("mia", Role.MANAGER).call("GET", f"/api/statistics/stops{query}")


def test_managers_see_what_was_cancelled_by_whom_and_why(site: Site) -> None:
    for epochs in (1, 2):
        cancelled(site, hyperparameters={"epochs": epochs})
    site.draft()
    reply = read(site)
    found = reply.data["cancellations"]
    assert (reply.data["jobs"], found["ended"], found["cancelled"], found["rate"]) == (2, 2, 2, None)
    assert found["reasons"] == [
        {"id": "not_improving", "label": "Loss not decreasing / Training not improving", "count": 2}
    ]
    assert float(found["saved_usd"]) > 0
    (dana,) = reply.data["people"]
    assert (dana["person"]["name"], dana["cancellations"]["cancelled"]) == ("Dana", 2)
    assert differing_keys(reply.body, json.loads(EXAMPLE.read_text("utf-8"))) == []


def test_members_do_not(site: Site) -> None:
    assert site.miro.call("GET", "/api/statistics/stops").status == 403


def test_only_the_days_asked_for_count_and_deleted_jobs_stay_counted(site: Site) -> None:
    job_id = cancelled(site)
    assert read(site).data["jobs"] == 1
    site.dana.call("DELETE", f"/api/jobs/{job_id}")
    assert read(site).data["jobs"] == 1
    site.world.clock.advance(timedelta(days=8).total_seconds())
    assert read(site, "?days=7").data["jobs"] == 0
    assert read(site, "?days=0").status == 422


def test_advice_comes_from_own_history_or_not_at_all(site: Site) -> None:
    running = site.started(hyperparameters={"epochs": 9})
    ask = f"/api/jobs/{running}/pause-advice"
    assert site.miro.call("GET", ask).data == {"advice": None}
    noon = START.replace(hour=12)
    ended = cancelled(site)

    def with_history(job: Any) -> Any:
        times = {"started_at": noon, "ended_at": noon + timedelta(hours=48)}
        return replace(job, **times, losses=(noon,) * 6, changed_at=site.world.clock.now)

    change_job(site.world.jobs, ended, with_history)
    site.world.clock.advance(61)
    advice = site.miro.call("GET", ask).data["advice"]
    assert (advice["reduction_percent"], advice["interruptions"], advice["time_zone"]) == (100, 6, "UTC")
    assert "reduce spot interruption risk by 100%" in advice["sentence"]
    assert advice["basis"].startswith("From 6 interruptions in 48 hours")
    bought = site.draft(gpu={**GPU, "tier": "on_demand"})
    assert site.miro.call("GET", f"/api/jobs/{bought}/pause-advice").data == {"advice": None}


def test_a_configuration_that_was_cancelled_warns_before_it_starts_again(site: Site) -> None:
    def warned(**changes: Any) -> bool:
        site.world.clock.advance(61)
        estimate = site.miro.call("POST", "/api/jobs/estimate", {**DRAFT, **changes}).data
        return "cancelled_before" in {each["code"] for each in estimate["warnings"]}

    assert not warned()
    cancelled(site)
    assert warned()
    assert not warned(hyperparameters={"epochs": 2})
    draft = site.draft()
    shown = site.dana.call("GET", f"/api/jobs/{draft}").data["estimate"]["warnings"]
    assert "Previous job was cancelled. This will start a completely new training run." in {
        each["message"] for each in shown
    }
