"""The organisation's settings, and what the concurrency limit does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chalicelib.domain.identity import Role

from tests.backend.routes.site import DRAFT, Site, differing_keys

EXAMPLE = Path(__file__).resolve().parents[3] / "contracts" / "examples" / "settings.json"


def _holders(site: Site) -> int:
    return len(site.world.jobs.slots().holders)


def _start(site: Site, count: int) -> list[str]:
    return [site.started(hyperparameters={"epochs": number}) for number in range(1, count + 1)]


def test_the_defaults_are_three_jobs_and_a_cap_a_fifth_above_the_estimate(site: Site) -> None:
    reply = site.dana.call("GET", "/api/settings")
    assert reply.data == {"concurrency_limit": 3, "default_cap_factor": "1.2", "pause_kept_days": 30}
    assert differing_keys(reply.body, json.loads(EXAMPLE.read_text("utf-8"))) == []


def test_what_is_not_given_stays_and_each_change_is_in_the_audit_log(site: Site) -> None:
    admin = site.person("ada", Role.ADMIN)
    assert admin.call("PUT", "/api/settings", {"concurrency_limit": 5}).status == 200
    changed = admin.call("PUT", "/api/settings", {"default_cap_factor": "1.5"})
    assert changed.data == {
        "concurrency_limit": 5,
        "default_cap_factor": "1.5",
        "pause_kept_days": 30,
    }
    assert admin.call("PUT", "/api/settings", {"concurrency_limit": 5}).data == changed.data
    lines = [line["details"] for line in site.world.audit.lines if line["action"] == "settings.change"]
    assert lines == [{"concurrency_limit": [3, 5]}, {"default_cap_factor": ["1.2", "1.5"]}]


def test_other_parts_of_the_organisation_s_document_survive_a_change(site: Site) -> None:
    site.world.documents.put("organisation", {"grace_usd": "20.00"})
    site.dana.call("PUT", "/api/settings", {"concurrency_limit": 2})
    stored = site.world.documents.get("organisation")
    assert stored == {
        "grace_usd": "20.00",
        "concurrency_limit": 2,
        "default_cap_factor": "1.2",
        "pause_kept_days": 30,
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"concurrency_limit": 0}, "concurrency_limit"),
        ({"concurrency_limit": 11}, "concurrency_limit"),
        ({"concurrency_limit": 2.5}, "concurrency_limit"),
        ({"concurrency_limit": True}, "concurrency_limit"),
        ({"default_cap_factor": "0.9"}, "default_cap_factor"),
        ({"default_cap_factor": "5.01"}, "default_cap_factor"),
        ({"default_cap_factor": 1.5}, "default_cap_factor"),
        ({"default_cap_factor": "NaN"}, "default_cap_factor"),
        ({"concurrency": 3}, "concurrency"),
        ({"pause_kept_days": 0}, "pause_kept_days"),
        ({"pause_kept_days": 366}, "pause_kept_days"),
        ({"pause_kept_days": "30"}, "pause_kept_days"),
    ],
)
def test_what_cannot_be_set_is_refused_by_name(site: Site, body: dict[str, Any], field: str) -> None:
    reply = site.dana.call("PUT", "/api/settings", body)
    assert (reply.status, list(reply.body["details"])) == (422, [field])
    assert site.world.documents.get("organisation") is None


def test_only_an_admin_reads_or_changes_them(site: Site) -> None:
    manager = site.person("mia", Role.MANAGER)
    assert manager.call("GET", "/api/settings").status == 403
    assert manager.call("PUT", "/api/settings", {"concurrency_limit": 9}).status == 403


def test_a_higher_limit_starts_waiting_jobs_at_once(site: Site) -> None:
    _start(site, 5)
    assert _holders(site) == 3
    site.dana.call("PUT", "/api/settings", {"concurrency_limit": 10})
    assert _holders(site) == 5


def test_a_limit_below_what_runs_ends_nothing_and_starts_nothing(site: Site) -> None:
    first, second, third, fourth = _start(site, 4)
    site.dana.call("PUT", "/api/settings", {"concurrency_limit": 1})
    site.world.limit = 1
    assert site.world.jobs.slots().holders == (first, second, third)
    for ended in (first, second):
        site.dana.call(
            "POST", f"/api/jobs/{ended}/cancel", {"reason": "testing", "notes": None, "confirmed": True}
        )
        site.world.machine.work()
        site.world.pass_minutes(2)
    assert site.world.job(fourth).status.value == "queued"
    assert site.world.jobs.slots().holders == (third,)


def test_the_default_cap_follows_the_setting(site: Site) -> None:
    def cap() -> str:
        return str(site.dana.call("POST", "/api/jobs/estimate", DRAFT).data["spend_cap_usd"])

    before = cap()
    site.dana.call("PUT", "/api/settings", {"default_cap_factor": "2"})
    assert float(cap()) == pytest.approx(float(before) * 2 / 1.2, abs=0.02)
