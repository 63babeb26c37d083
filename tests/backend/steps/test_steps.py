"""The deployed Lambdas themselves: what the machine sends them, what they send back, what they do by the clock."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chalicelib import bootstrap
from chalicelib.domain.errors import JobAlreadyEnding, NotFound, ServiceUnavailable
from chalicelib.domain.gpu import PodRequest, Tier
from chalicelib.domain.job import JobStatus
from chalicelib.domain.notification import Notification

from tests.application import application
from tests.backend.routes.site import CANCEL, Site
from tests.backend.steps.conftest import Context
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import H100


def _invoke(name: str, event: Any = None) -> Any:
    return application().handler_map[name](event or {}, Context())


def test_the_deployed_lambdas_take_a_job_from_its_start_to_its_model(site: Site) -> None:
    job_id = site.started()
    Trainer(site.world, job_id).through("finalization")
    job = site.world.job(job_id)
    assert job.status is JobStatus.COMPLETED
    assert site.world.pods(job_id) == []
    assert site.world.costs.of_job(job_id)[0].amount_usd == job.cost_usd
    assert set(site.world.told()) == {"job_queued", "job_started", "job_completed", "artifact_ready"}


def test_the_deployed_lambdas_replace_a_stopped_pod(site: Site) -> None:
    job_id = site.started()
    trainer = Trainer(site.world, job_id).through("model_loading")
    site.world.cloud.stop(trainer.pod_id)
    site.world.machine.advance(60)
    assert site.world.attempt(job_id).number == 2
    assert [pod.id != trainer.pod_id for pod in site.world.pods(job_id)] == [True]


def test_the_deployed_lambdas_cancel_a_run(site: Site) -> None:
    job_id = site.started()
    site.dana.call("POST", f"/api/jobs/{job_id}/cancel", CANCEL)
    site.world.machine.work()
    assert site.world.job(job_id).status is JobStatus.CANCELLED


def test_a_settled_job_makes_room_for_the_next_at_once(site: Site) -> None:
    bootstrap.documents().put("organisation", {"concurrency_limit": 1})
    first = site.started()
    second = site.started(hyperparameters={"epochs": 7})
    assert site.world.job(second).status is JobStatus.QUEUED
    Trainer(site.world, first).error("diverged")
    assert site.world.job(second).status is JobStatus.PROVISIONING


def test_what_a_pod_is_told_carries_no_secret_but_its_own(site: Site) -> None:
    job_id = site.started()
    request = site.world.cloud.create_calls[0]
    told = json.loads(request.env["LORA_PIPELINE_JOB"])
    assert told["job_id"] == job_id
    assert told["api_url"] == "http://127.0.0.1:9"
    assert set(request.env) == {"LORA_PIPELINE_JOB", "LORA_PIPELINE_WEBHOOK_SECRET"}
    assert "master" not in json.dumps(dict(request.env))


def test_the_sweeper_removes_a_stray_and_starts_what_waits(site: Site) -> None:
    site.world.cloud.adopt_stranger(
        PodRequest("test-job_00000000000000zz-a1-00000000", "image", H100.type, 1, Tier.SPOT, {})
    )
    swept = _invoke("SweepPods")
    assert swept["leaked_pods"] == ("test-job_00000000000000zz-a1-00000000",)
    assert site.world.cloud.billed_pods == {}
    assert bootstrap.documents().get("door") is None, "nobody answered at the public address"


def test_the_minute_schedule_starts_what_may_start(site: Site) -> None:
    job_id = site.world.submit()
    # The job's entering of the queue is written into the queue's history once.
    assert _invoke("DispatchQueue") == {"started": [job_id], "queue_events": 1, "approvals_tidied": 0}
    assert _invoke("DispatchQueue") == {"started": [], "queue_events": 0, "approvals_tidied": 0}
    assert [event.kind for event in site.queue_events.rows.values()] == ["added"]


@pytest.mark.parametrize(
    "name", ["ProvisionPod", "PollPod", "PrepareRecovery", "SettleJob", "CollectArtifacts"]
)
def test_a_step_of_a_job_that_is_gone_says_so_by_name(site: Site, name: str) -> None:
    with pytest.raises(NotFound):
        _invoke(name, {"job_id": "job_0000000000000000", "run": 1, "timings": {}})


def test_an_older_run_rents_nothing(site: Site) -> None:
    job_id = site.world.submit()
    with pytest.raises(JobAlreadyEnding):
        _invoke("ProvisionPod", {"job_id": job_id, "run": 7, "timings": {}})
    assert site.world.cloud.create_calls == []


def test_a_settlement_whose_notice_could_not_be_stored_is_repeated_until_it_is_told(site: Site) -> None:
    job_id = site.world.running()
    Trainer(site.world, job_id).hello().error("trainer_crashed")
    told, site.world.notifications.rows = site.world.notifications.rows, {}
    add = site.world.notifications.add

    def unavailable(notification: Notification) -> bool:
        raise ServiceUnavailable("The database did not answer.")

    site.world.notifications.add = unavailable  # type: ignore[method-assign]
    event = {"job_id": job_id, "run": 1, "timings": {}}
    with pytest.raises(ServiceUnavailable):
        _invoke("SettleJob", event)
    site.world.notifications.add = add  # type: ignore[method-assign]
    _invoke("SettleJob", event)
    assert site.world.notifications.rows.keys() == told.keys()
