"""What people and messengers do at a bad moment: cancels, too many jobs at once, words said twice or out of order."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from typing import Any

from tests.stack.agent import Agent
from tests.stack.breakage import holders, set_slots
from tests.stack.invariants import End, overlap_seconds
from tests.stack.scene import Scenario, Scene
from tests.stack.simulated_script import loss_at

CANCELLED = ("cancelled", "user_cancelled")


def cancel_while_provisioning(scene: Scene) -> None:
    job_id = scene.draft(End(*CANCELLED))
    scene.arm("stuck_provisioning", job_id, count=1)
    scene.begin(job_id)
    scene.until_stage(job_id, "provisioning")
    scene.world.api.cancel(job_id)


def cancel_while_recovering(scene: Scene) -> None:
    """The pod is gone and the new one does not start."""
    job_id = scene.start(End(*CANCELLED, pods=(1, 2)), steps=80, step=0.2)
    scene.until_checkpoint(job_id)
    scene.arm("stuck_provisioning", job_id)
    scene.reclaim(job_id, "KILL")
    scene.until(lambda: scene.job(job_id)["status"] == "recovering", "the job recovers")
    scene.world.api.cancel(job_id)


def cancel_during_an_outage(scene: Scene) -> None:
    """The provider answers neither list nor delete."""
    job_id = scene.start(End(*CANCELLED), steps=400, step=0.2)
    scene.until_checkpoint(job_id)
    scene.world.arm("list_500")
    scene.arm("delete_500", job_id)
    scene.note("list_500")
    scene.world.api.cancel(job_id)

    def handed_over() -> bool:
        job = scene.job(job_id)
        return bool(job["cost"]["cleanup_pending"] or job["is_final"])

    scene.until(handed_over, "the sweeper has it")
    assert scene.job(job_id)["status"] == "cancelling", "a pod that may be billed is not a cancelled job"
    scene.world.disarm()


def _paused(scene: Scene, job_id: str) -> dict[str, Any]:
    def read() -> dict[str, Any] | None:
        job = scene.job(job_id)
        assert not job["is_final"], f"{job['status']}: {job['status_sentence']}"
        return job if job["status"] == "paused" else None

    job = scene.until(read, "the job is paused")
    assert job["cost"]["accruing"] is False
    assert scene.billed(job_id) == []
    assert job_id not in holders(scene.world)
    return job


def pause_and_resume(scene: Scene) -> None:
    job_id = scene.start(End(pods=(2, 2), resumed=True), steps=150, step=0.2)
    scene.until_checkpoint(job_id)
    scene.world.api.post(f"/jobs/{job_id}/pause", {})
    _paused(scene, job_id)
    scene.world.api.post(f"/jobs/{job_id}/resume", {})


def lost_while_pausing(scene: Scene) -> None:
    """The pod hangs, so that it cannot store what it has, and is then taken away."""
    job_id = scene.start(End(pods=(2, 2), resumed=True), steps=150, step=0.2)
    scene.until_checkpoint(job_id)
    scene.signal(job_id, signal.SIGSTOP)
    scene.world.api.post(f"/jobs/{job_id}/pause", {})
    scene.reclaim(job_id, "KILL")
    _paused(scene, job_id)
    scene.world.api.post(f"/jobs/{job_id}/resume", {})


def two_jobs_one_slot(scene: Scene) -> None:
    set_slots(scene.world, 1)
    scene.note("limit of one job")
    try:
        first = scene.start(title=" first", steps=40, step=0.2)
        second = scene.start(title=" second", steps=20)
        scene.until_checkpoint(first)
        assert scene.job(second)["status"] == "queued"
        assert second not in holders(scene.world)
        scene.finish()
    finally:
        set_slots(scene.world, 8)
    pods = [pod for job_id in (first, second) for pod in scene.world.ledger(job_id)]
    assert overlap_seconds(pods) == 0, "two jobs were billed at once"


def words_twice_and_out_of_order(scene: Scene) -> None:
    """Beside the trainer somebody repeats what it said, says what comes later, and speaks for an attempt that is over."""
    job_id = scene.start(steps=120, step=0.2)
    scene.until_checkpoint(job_id)
    agent = Agent(scene.world, job_id)

    def said(first: int, *steps: int) -> int:
        points = [_point(step) for step in steps]
        body = {"incarnation": 1, "first_sequence": first, "events": points}
        return agent.post("events", body).status_code

    scene.note("old batches again, a batch of the future, an old incarnation, another fence")
    assert [said(0, 1, 2, 3) for _ in range(3)] == [200, 200, 200]
    assert said(100_000, 119, 120) == 200, "a gap is answered with the number that is wanted"
    assert agent.post("events", {"incarnation": 9, "first_sequence": 0, "events": []}).status_code == 409
    other = {"incarnation": 1, "first_sequence": 0, "events": [], "fence": "00000000"}
    assert agent.post("events", other).status_code == 409
    assert (
        agent.post("events", {"incarnation": 1, "first_sequence": 0, "events": []}, at=1).status_code == 401
    )
    assert scene.job(job_id)["progress"]["step"] < 119, "a step of the future was believed"


def _point(step: int) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"type": "metrics", "at": at, "step": step, "epoch": 0.1, "training_loss": loss_at(step)}


TABLE = (
    Scenario(
        "cancel-in-provisioning",
        "cancelled while its pod does not leave PROVISIONING",
        "cancelled, the pod ended",
        cancel_while_provisioning,
    ),
    Scenario(
        "cancel-while-recovering",
        "cancelled after its pod was taken away and before the next one works",
        "cancelled, every pod ended",
        cancel_while_recovering,
    ),
    Scenario(
        "cancel-in-an-outage",
        "cancelled while the provider answers neither list nor delete",
        "stays cancelling with its cost until the pod is known to be gone",
        cancel_during_an_outage,
        alone=True,
    ),
    Scenario(
        "pause-and-resume",
        "paused in training, then resumed",
        "no pod and no slot while paused, resumed from its checkpoint",
        pause_and_resume,
    ),
    Scenario(
        "lost-while-pausing",
        "the pod hangs and is taken away while the job pauses",
        "paused all the same, resumed from the checkpoint before",
        lost_while_pausing,
    ),
    Scenario(
        "two-jobs-one-slot",
        "two jobs are started with a limit of one",
        "the second waits without a pod; they are never billed at once",
        two_jobs_one_slot,
        alone=True,
    ),
    Scenario(
        "webhooks-twice-and-out-of-order",
        "signed batches come again, early, and for an attempt that is over",
        "each point once, nothing of the future, 409 and 401",
        words_twice_and_out_of_order,
    ),
)
