"""Jobs made of other jobs: clones, retries from the beginning and from a checkpoint, and what is proposed."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from chalicelib.domain.end_reasons import EndReason
from chalicelib.domain.job import JobStatus
from chalicelib.use_cases.again import change_job

from tests.backend.routes.site import CANCEL, CONFIRMED, Site, differing_keys
from tests.lifecycle.trainer import Trainer

EXAMPLES = Path(__file__).resolve().parents[3] / "contracts" / "examples"
WORDS: dict[str, Any] = {
    "name": "Harbour",
    "description": "First",
    "notes": "**why**",
    "tags": ["poc"],
    "stop_on_low_gpu": True,
}


def trained(site: Site, *steps: int, **changes: Any) -> str:
    """A job in training with stored checkpoints, at step 7 unless said otherwise."""
    job_id = site.started(**changes)
    trainer = Trainer(site.world, job_id).through("model_loading").stage("training", "active")
    for step in steps or (7,):
        trainer.train(step, step).checkpoint(step)
    return job_id


def ended(site: Site, reason: EndReason, **changes: Any) -> str:
    """A job that ended for this reason after it stored a checkpoint at step 7."""
    job_id = trained(site, **changes)
    site.dana.call("POST", f"/api/jobs/{job_id}/cancel", CANCEL)
    site.world.machine.work()
    status = JobStatus.CANCELLED if reason is EndReason.USER_CANCELLED else JobStatus.FAILED
    change_job(site.world.jobs, job_id, lambda job: replace(job, status=status, end_reason=reason))
    return job_id


def retry(site: Site, job_id: str, **body: Any) -> Any:
    return site.dana.call("POST", f"/api/jobs/{job_id}/retry", body)


def test_a_clone_is_a_draft_with_the_same_configuration_and_words(site: Site) -> None:
    job_id = site.started(spend_cap_usd="9.00", hyperparameters={"epochs": 2}, seed=7, **WORDS)
    was = site.dana.call("GET", f"/api/jobs/{job_id}").data
    made = site.miro.call("POST", f"/api/jobs/{job_id}/clone", {})
    assert (made.status, made.data["status"], made.data["created_by"]["name"]) == (
        201,
        "pending_configuration",
        "Miro",
    )
    same = (
        "configuration",
        "description",
        "notes",
        "tags",
        "dataset",
        "stop_on_low_gpu",
        "sample_questions",
    )
    assert {key: made.data[key] for key in same} == {key: was[key] for key in same}
    assert (made.data["name"], made.data["cost"]["spend_cap_usd"]) == ("Harbour (copy)", "9.00")
    assert made.data["origin"] == {
        "kind": "clone",
        "job_id": job_id,
        "job_name": "Harbour",
        "status": "provisioning",
        "from_step": None,
    }
    again = site.miro.call("POST", f"/api/jobs/{made.data['id']}/clone", {})
    assert again.data["name"] == "Harbour (copy 2)"
    assert site.world.job(job_id).status is JobStatus.PROVISIONING


def test_a_repeated_clone_with_the_same_key_is_one_clone(site: Site) -> None:
    job_id = site.draft()
    key = {"Idempotency-Key": "once"}
    first = site.dana.call("POST", f"/api/jobs/{job_id}/clone", {}, key)
    site.world.documents.put("organisation", {})
    assert (
        site.dana.call("POST", f"/api/jobs/{job_id}/clone", {}, key).data["id"]
        == first.data["id"]
        != site.dana.call("POST", f"/api/jobs/{job_id}/clone", {}).data["id"]
    )


def test_only_an_ended_job_is_retried_and_only_by_whom_it_belongs_to(site: Site) -> None:
    failed = ended(site, EndReason.TRAINER_CRASHED)
    assert (retry(site, site.started()).status, retry(site, site.draft()).status) == (409, 409)
    assert "retry" in site.dana.call("GET", f"/api/jobs/{failed}").data["allowed_actions"]
    assert site.miro.call("GET", f"/api/jobs/{failed}").data["allowed_actions"] == ["clone"]
    assert site.miro.call("POST", f"/api/jobs/{failed}/retry", {}).status == 403


def test_a_retry_starts_nothing_without_the_confirmations(site: Site) -> None:
    site.dana.call("PUT", "/api/budget", {"limit_usd": "500.00"})
    failed = ended(site, EndReason.TRAINER_CRASHED)
    draft = retry(site, failed)
    assert (draft.status, draft.data["status"]) == (201, "pending_configuration")
    unsure = {"acknowledged": {"configuration": True, "cost": False, "budget": True}}
    before = len(site.world.jobs.rows)
    assert retry(site, failed, start=unsure).status == 422
    assert len(site.world.jobs.rows) == before
    started = retry(site, failed, start=CONFIRMED)
    assert started.data["status"] in {"queued", "provisioning"}
    assert started.data["cost"]["spend_cap_usd"] == draft.data["estimate"]["spend_cap_usd"]
    assert started.data["id"] in [each.job_id for each in site.world.budgets.get().reservations]


def test_a_budget_that_does_not_allow_it_refuses_the_start_of_a_retry(site: Site) -> None:
    failed = ended(site, EndReason.TRAINER_CRASHED)
    site.dana.call("PUT", "/api/budget", {"limit_usd": "0.01", "grace_percent": 0})
    refused = retry(site, failed, start=CONFIRMED)
    assert (refused.status, refused.body["code"]) == (409, "budget_exceeded")


def test_a_retry_goes_on_from_a_copy_of_the_last_whole_checkpoint(site: Site) -> None:
    failed = ended(site, EndReason.PROVIDER_LOST)
    whole = retry(site, failed).data
    made = retry(site, failed, from_checkpoint=True, gpu={"tier": "on_demand"}, start=CONFIRMED)
    assert made.status == 201, made.body
    new = made.data["id"]
    assert made.data["origin"]["from_step"] == 7
    assert (made.data["checkpoint"]["step"], made.data["checkpoint"]["attempt"]) == (7, 0)
    assert made.data["configuration"]["gpu"]["tier"] == "on_demand"
    assert made.data["estimate"]["total_steps"] == whole["estimate"]["total_steps"]
    assert made.data["estimate"]["duration_hours"]["high"] < whole["estimate"]["duration_hours"]["high"]
    said = [event["message"] for event in site.dana.call("GET", f"/api/jobs/{new}/events").data["events"]]
    assert any("going on from step 7. Resuming from checkpoint of failed job may" in line for line in said)

    # The other job may go: nothing is shared with it.
    assert site.dana.call("DELETE", f"/api/jobs/{failed}").status == 200
    site.world.machine.work()
    trainer = Trainer(site.world, new).hello()
    offered = trainer.reply["checkpoint"]
    assert (offered["step"], offered["attempt"]) == (7, 0)
    wanted = [f"checkpoint/step-000007/{file['name']}" for file in offered["files"]]
    urls = site.pod(
        trainer,
        "urls",
        {
            "attempt": trainer.attempt,
            "fence": trainer.fence,
            "uploads": [],
            "downloads": wanted,
        },
    )
    assert urls.status == 200, urls.body
    reply = urls.body.get("data", urls.body)
    assert all(f"jobs/{new}/attempts/0/" in url for url in reply["downloads"].values())
    assert {key for key in site.world.files.objects if f"{new}/attempts/0/" in key}


def test_its_own_newer_checkpoint_takes_the_place_of_the_given_one(site: Site) -> None:
    new = retry(site, ended(site, EndReason.PROVIDER_LOST), from_checkpoint=True, start=CONFIRMED).data["id"]
    site.world.machine.work()
    trainer = Trainer(site.world, new).hello()
    trainer.through("model_loading").stage("training", "active")
    for step in (9, 11, 13):
        trainer.train(step - 1, step).checkpoint(step)
    assert [each.step for each in site.world.job(new).kept_checkpoints] == [13, 11, 9]
    assert not [key for key in site.world.files.objects if f"{new}/attempts/0/" in key]


def test_a_draft_with_a_checkpoint_keeps_what_the_checkpoint_belongs_to(site: Site) -> None:
    draft = retry(site, ended(site, EndReason.PROVIDER_LOST), from_checkpoint=True).data["id"]
    refused = site.dana.call("PATCH", f"/api/jobs/{draft}", {"hyperparameters": {"rank": 8}})
    assert (refused.status, list(refused.body["details"])) == (422, ["configuration"])
    cheaper = {"gpu": {"type": "NVIDIA A100 80GB PCIe", "count": 1, "tier": "spot"}, "name": "Cheaper"}
    changed = site.dana.call("PATCH", f"/api/jobs/{draft}", cheaper)
    assert (changed.status, changed.data["checkpoint"]["step"]) == (200, 7)
    assert site.dana.call("DELETE", f"/api/jobs/{draft}").status == 200
    assert not [key for key in site.world.files.objects if draft in key]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"hyperparameters": {"rank": 8}}, "hyperparameters"),
        ({"gpu": {"count": 2}}, "gpu.count"),
        ({"gpu": {"type": "NVIDIA Abacus"}}, "gpu.type"),
        ({"spend_cap_usd": "0.00"}, "spend_cap_usd"),
        ({"force": True}, "force"),
    ],
)
def test_what_a_checkpoint_or_nobody_allows_is_refused_by_name(
    site: Site, body: dict[str, Any], field: str
) -> None:
    reply = retry(site, ended(site, EndReason.PROVIDER_LOST), from_checkpoint=True, **body)
    assert (reply.status, list(reply.body["details"])) == (422, [field])


def test_without_a_whole_checkpoint_nothing_is_continued(site: Site) -> None:
    failed = ended(site, EndReason.PROVIDER_LOST)
    for key in [key for key in site.world.files.objects if "/checkpoints/" in key]:
        del site.world.files.objects[key]
    assert retry(site, failed, from_checkpoint=True).status == 409
    diverged = ended(site, EndReason.DIVERGED)
    assert retry(site, diverged, from_checkpoint=True).status == 409
    assert retry(site, diverged).status == 201


def proposed(site: Site, job_id: str) -> tuple[Any, dict[str, Any]]:
    reply = site.dana.call("GET", f"/api/jobs/{job_id}/retry")
    assert reply.status == 200, reply.body
    return reply.data["advised"], {each["id"]: each for each in reply.data["options"]}


def test_each_proposal_shows_its_price_and_can_be_asked_for_as_it_is(site: Site) -> None:
    failed = ended(site, EndReason.OUT_OF_MEMORY)
    advised, options = proposed(site, failed)
    assert advised == "smaller_batch"
    assert list(options)[-1] == "same"
    halved = options["smaller_batch"]["request"]["hyperparameters"]
    had = site.world.job(failed).configuration.hyperparameters
    assert halved["batch_size"] * halved["gradient_accumulation_steps"] == had.effective_batch
    assert options["larger_gpu"]["from_step"] == 7
    for option in options.values():
        assert Decimal(option["estimate"]["cost_usd"]["high"]) > 0
        made = retry(site, failed, **option["request"])
        assert made.status == 201, made.body
        assert made.data["configuration"]["summary"] == option["summary"]
        assert made.data["cost"]["spend_cap_usd"] == option["estimate"]["spend_cap_usd"]
    whole = site.dana.call("GET", f"/api/jobs/{failed}/retry").body
    example = json.loads((EXAMPLES / "retry.json").read_text("utf-8"))
    for reply in (whole, example):
        for option in reply["data"]["options"]:
            option["request"]["hyperparameters"] = option["request"]["gpu"] = None
    assert differing_keys(whole, example) == []


@pytest.mark.parametrize(
    ("reason", "first", "change"),
    [
        (EndReason.PROVIDER_LOST, "on_demand", {"gpu": {"tier": "on_demand"}}),
        (EndReason.HARD_CAP, "higher_cap", {"spend_cap_usd": "12.00"}),
        (EndReason.DIVERGED, "lower_rate", {"hyperparameters": {"learning_rate": 0.0001}}),
        (EndReason.TRAINER_CRASHED, "continue", {"from_checkpoint": True}),
        (EndReason.USER_CANCELLED, "continue", {"from_checkpoint": True}),
    ],
)
def test_what_went_wrong_decides_what_is_proposed(
    site: Site, reason: EndReason, first: str, change: dict[str, Any]
) -> None:
    job_id = ended(site, reason, spend_cap_usd="8.00")
    advised, options = proposed(site, job_id)
    assert advised == first == next(iter(options))
    assert change.items() <= options[first]["request"].items()


def test_nothing_is_advised_where_the_same_again_would_end_the_same(site: Site) -> None:
    advised, options = proposed(site, ended(site, EndReason.BAD_DATASET))
    assert advised is None
    assert "same" in options


def test_a_proposal_that_cannot_be_had_says_so(site: Site) -> None:
    failed = ended(site, EndReason.TRAINER_CRASHED)
    site.dana.call("DELETE", f"/api/datasets/{site.world.job(failed).dataset.id}")
    _, options = proposed(site, failed)
    assert {each["problem"] for each in options.values()} == {"Dataset not found or access denied"}
    assert retry(site, failed).status == 404


def test_a_job_that_has_not_ended_has_no_proposals(site: Site) -> None:
    assert site.dana.call("GET", f"/api/jobs/{site.draft()}/retry").status == 409


def test_kept_checkpoints_are_listed_and_each_can_be_downloaded(site: Site) -> None:
    job_id = trained(site, 7, 9)
    listed = site.miro.call("GET", f"/api/jobs/{job_id}/checkpoints")
    assert [each["step"] for each in listed.data["checkpoints"]] == [9, 7]
    example = json.loads((EXAMPLES / "checkpoints.json").read_text("utf-8"))
    assert differing_keys(listed.body, example) == []
    for step in (9, 7):
        links = site.miro.call("POST", f"/api/jobs/{job_id}/checkpoints/{step}/download", {}).data
        assert links["step"] == step
        assert {file["name"] for file in links["files"]} >= {"adapter_model.safetensors"}
    assert site.miro.call("POST", f"/api/jobs/{job_id}/checkpoints/8/download", {}).status == 404
    for key in [key for key in site.world.files.objects if "step-000009/" in key]:
        del site.world.files.objects[key]
    gone = site.miro.call("POST", f"/api/jobs/{job_id}/checkpoints/9/download", {})
    assert (gone.status, "no longer whole" in gone.body["error"]) == (404, True)
