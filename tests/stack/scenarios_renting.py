"""Renting goes wrong: lost replies, refusals, no capacity, listings that lag, pods that never start."""

from __future__ import annotations

from typing import Any

from tests.stack.breakage import forget_the_account, holders, let_the_account_be_tried
from tests.stack.invariants import End
from tests.stack.scene import Play, Scenario, Scene

NO_POD = (0, 0)


def _create(fault: str, end: End | None = None, **parameters: Any) -> Play:
    """A job whose create calls meet a fault."""

    def play(scene: Scene) -> None:
        job_id = scene.draft(end)
        scene.arm(fault, job_id, **parameters)
        scene.begin(job_id)

    return play


def reply_dropped_and_listed_late(scene: Scene) -> None:
    job_id = scene.draft()
    scene.arm("list_lag_new", job_id, count=1, calls=2)
    scene.arm("drop_reply", job_id, operation="create", count=1)
    scene.begin(job_id)


def reply_dropped_and_listed_too_late(scene: Scene) -> None:
    job_id = scene.draft(End(pods=(2, 2), stray=1), steps=60, step=0.3)
    scene.arm("list_lag_new", job_id, count=1, calls=6)
    scene.arm("drop_reply", job_id, operation="create", count=1)
    scene.begin(job_id)
    scene.until(lambda: len(scene.billed(job_id)) == 2, "two pods are billed")

    def swept() -> bool:
        scene.world.invoke("SweepPods")
        return len(scene.billed(job_id)) == 1

    scene.until(swept, "the sweeper has ended the stray")


def no_capacity_first(scene: Scene) -> None:
    job_id = scene.draft()
    scene.arm("no_capacity", job_id, count=1)
    scene.begin(job_id)
    scene.until_final(job_id)
    said = [event["message"] for event in scene.world.api.events(job_id)]
    assert len([message for message in said if message.startswith("No capacity:")]) == 1, said


def no_capacity_anywhere_then_back(scene: Scene) -> None:
    job_id = scene.draft()
    scene.arm("no_capacity", job_id)
    scene.begin(job_id)
    scene.until(lambda: _requeued(scene, job_id), "the job is back in the queue")
    waiting = scene.job(job_id)
    assert "GPU" in waiting["status_sentence"], waiting["status_sentence"]
    assert waiting["cost"]["accruing"] is False
    assert job_id not in holders(scene.world)
    assert scene.world.ledger(job_id) == []
    scene.disarm(job_id)
    _started_again(scene, job_id)


def _requeued(scene: Scene, job_id: str) -> bool:
    job = scene.job(job_id)
    return bool(job["status"] == "queued" and job["attempts"])


def _started_again(scene: Scene, job_id: str) -> None:
    def started() -> bool:
        scene.world.invoke("DispatchQueue")
        return bool(scene.job(job_id)["status"] != "queued")

    scene.until(started, "its turn comes again")


def _account_refused(fault: str, **parameters: Any) -> Play:
    """The account itself is refused, and later works again. A second job must not even be tried meanwhile."""

    def play(scene: Scene) -> None:
        first, second = scene.draft(title=" first"), scene.draft(title=" second")
        try:
            for job_id in (first, second):
                scene.arm(fault, job_id, **parameters)
            scene.begin(first)
            scene.until(lambda: _requeued(scene, first), "the refused job waits in the queue")
            scene.begin(second)
            scene.world.invoke("DispatchQueue")
            assert scene.job(second)["status"] == "queued"
            assert scene.job(second)["attempts"] == [], "it would only have been refused too"
            assert [pod for job_id in (first, second) for pod in scene.world.ledger(job_id)] == []
            for job_id in (first, second):
                scene.disarm(job_id)
            let_the_account_be_tried(scene.world)
            _started_again(scene, first)
            _started_again(scene, second)
            scene.finish()
        finally:
            forget_the_account(scene.world)

    return play


def _never_starts(fault: str) -> Play:
    def play(scene: Scene) -> None:
        job_id = scene.draft(End(pods=(2, 2)))
        scene.arm(fault, job_id, count=1)
        scene.begin(job_id)

    return play


TABLE = (
    Scenario(
        "create-reply-dropped",
        "the reply to create is lost after the pod was made",
        "the pod is found by its name, one pod",
        _create("drop_reply", count=1),
    ),
    Scenario(
        "create-cut-before",
        "the connection closes before create does anything",
        "the next candidate is asked, one pod",
        _create("drop_before", count=1),
    ),
    Scenario(
        "create-500-before",
        "create answers 500 and has done nothing",
        "the next candidate is asked, one pod",
        _create("error_500_before", count=1),
    ),
    Scenario(
        "create-500-after",
        "create answers 500 and has made the pod",
        "the pod is found by its name, one pod",
        _create("error_500_after", count=1),
    ),
    Scenario(
        "create-hangs",
        "create does not answer for five seconds and has done nothing",
        "the next candidate is asked, one pod",
        _create("timeout_hang", count=1, seconds=5),
    ),
    Scenario(
        "create-429",
        "create is throttled twice",
        "asked again, one pod",
        _create("throttle_429", operation="create", count=2, retry_after_seconds=1),
    ),
    Scenario(
        "create-403-pool",
        "the account may not use the first GPU pool",
        "the next candidate is asked, one pod",
        _create("access_denied_403", count=1),
    ),
    Scenario(
        "no-capacity-first",
        "the asked GPU is taken",
        "the next candidate is asked, one pod",
        no_capacity_first,
    ),
    Scenario(
        "no-capacity-anywhere",
        "nobody has a GPU, later somebody has",
        "back to the queue without a pod and without a slot, then one pod",
        no_capacity_anywhere_then_back,
    ),
    Scenario(
        "request-422",
        "the provider refuses the request of every candidate",
        "failed as `provider_refused`, no pod",
        _create("unprocessable_422", End("failed", "provider_refused", NO_POD)),
    ),
    Scenario(
        "account-402",
        "the account has no funds, later it has",
        "no job fails, no pod, nobody else is tried; then both jobs complete",
        _account_refused("balance_402"),
        alone=True,
    ),
    Scenario(
        "account-401",
        "the account's key is refused on create, later it works",
        "no job fails, no pod, nobody else is tried; then both jobs complete",
        _account_refused("key_401", operation="create"),
        alone=True,
    ),
    Scenario(
        "list-lags-new",
        "the reply to create is lost and two listings miss the new pod",
        "the pod is found by the third look, one pod",
        reply_dropped_and_listed_late,
        alone=True,
    ),
    Scenario(
        "list-lags-too-long",
        "the reply to create is lost and six listings miss the new pod",
        "another pod is rented, the sweeper ends the stray one",
        reply_dropped_and_listed_too_late,
        alone=True,
    ),
    Scenario(
        "stuck-in-provisioning",
        "the pod never leaves PROVISIONING",
        "replaced after the deadline of provisioning",
        _never_starts("stuck_provisioning"),
    ),
    Scenario(
        "running-without-runtime",
        "the pod says RUNNING with a null runtime for good",
        "replaced after the deadline of provisioning",
        _never_starts("running_without_runtime"),
    ),
)
