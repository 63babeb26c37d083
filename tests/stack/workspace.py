"""A workspace as a team has it after a week: real jobs in every state, made on a running stack by simulated trainers."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.stack.breakage import set_slots
from tests.stack.scene import Scene
from tests.stack.world import World

WAITING = 12
LIST = "/dashboard/training-jobs"
MAKING, OPEN = 6, 2
DESCRIPTION = "Lanterns returned at the quay"
# Seconds a step takes in jobs that must still train when the last page was looked at.
SLOW_SECONDS = 1.0


@dataclass
class Workspace:
    """jobs: id by what became of the job: completed, recovered, failed, cancelled, paused, running, second, draft.
    waiting: ids of the queue, first to last."""

    world: World
    dataset_id: str
    jobs: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return str(self.world.outputs["site_url"])

    def status(self, kind: str) -> str:
        return str(self.world.api.job(self.jobs[kind])["status"])


def fill(world: World, dataset_id: str) -> Workspace:
    """Make all of it; two jobs go on training slowly, and the queue stands still behind them."""
    made = Workspace(world, dataset_id)
    scene = Scene(world, dataset_id, "workspace")
    set_slots(world, MAKING)
    made.jobs["draft"] = scene.draft(title=" draft")
    # First and alone, so that even a loaded machine takes its GPU away in the middle.
    made.jobs["recovered"] = scene.start(title=" recovered", steps=200, step=0.2)
    scene.until_checkpoint(made.jobs["recovered"])
    scene.reclaim(made.jobs["recovered"], "KILL")
    made.jobs["cancelled"] = scene.start(title=" cancelled", steps=400, step=0.2)
    made.jobs["paused"] = scene.start(title=" paused", steps=400, step=0.2)
    made.jobs["completed"] = scene.start(title=" completed", steps=120, step=0.05)
    made.jobs["failed"] = scene.start(title=" failed", fail="training")
    made.jobs["running"] = scene.start(title=" running", steps=3000, step=SLOW_SECONDS)
    _happen(scene, made)
    made.jobs["second"] = scene.start(title=" second", steps=3000, step=SLOW_SECONDS)
    set_slots(world, OPEN)
    made.waiting = [scene.start(title=f" waiting {n}", steps=50) for n in range(1, WAITING + 1)]
    scene.until_checkpoint(made.jobs["running"])
    return made


def _happen(scene: Scene, made: Workspace) -> None:
    """What befalls the jobs."""
    world, jobs = made.world, made.jobs
    scene.until_checkpoint(jobs["cancelled"])
    world.api.cancel(jobs["cancelled"])
    scene.until_checkpoint(jobs["paused"])
    world.api.post(f"/jobs/{jobs['paused']}/pause", {})
    world.api.patch(f"/jobs/{jobs['completed']}", {"description": DESCRIPTION, "tags": ["experiment"]})
    for kind in ("completed", "recovered", "failed", "cancelled"):
        scene.until_final(jobs[kind])
    scene.until(lambda: made.status("paused") == "paused", "the job is paused")


def pages_of(made: Workspace) -> dict[str, str]:
    """Every page with data of its own, by the name of its screenshot."""
    jobs = made.jobs
    model = made.world.api.job(jobs["completed"])["model_id"]
    several = ",".join(jobs[kind] for kind in ("completed", "recovered", "running", "failed"))
    return {
        "jobs": LIST,
        "queue": f"{LIST}?tab=queue",
        **{kind: f"/training-jobs/{job_id}" for kind, job_id in jobs.items() if kind != "second"},
        "metrics": f"/training-jobs/{jobs['recovered']}?tab=metrics",
        "event-log": f"/training-jobs/{jobs['running']}?tab=event-log",
        "timeline": f"/training-jobs/{jobs['recovered']}?tab=event-log&view=timeline",
        "artifacts": f"/training-jobs/{jobs['recovered']}?tab=artifacts",
        "compare": f"/training-jobs/compare?ids={several}",
        "new-job": f"/training-jobs/new?dataset={made.dataset_id}",
        "dataset": f"/datasets/{made.dataset_id}",
        "model": f"/models/{model}",
        "notifications": "/notifications",
        "approvals": "/approvals",
        "statistics": "/statistics",
    }
