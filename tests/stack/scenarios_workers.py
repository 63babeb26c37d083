"""Processes of Lambda functions are killed while they work."""

from __future__ import annotations

import threading

from tests.stack.breakage import kill_workers
from tests.stack.invariants import End
from tests.stack.scene import Play, Scenario, Scene

# What the runtime says of a worker that was killed, in logs of whoever called it.
KILLED_WORKER = ("Runtime.ExitError", "ended before it answered")
HUNT_SECONDS = 0.05


class Hunter:
    """Kills workers of one function as soon as they appear, a number of times."""

    def __init__(self, scene: Scene, function: str, most: int) -> None:
        self.killed = 0
        self._scene, self._function, self._most = scene, function, most
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._hunt, daemon=True)

    def __enter__(self) -> Hunter:
        kill_workers(self._scene.world, self._function)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._scene.note(f"kill -9 of {self._function} x{self.killed}")

    def _hunt(self) -> None:
        while self.killed < self._most and not self._over.wait(HUNT_SECONDS):
            self.killed += kill_workers(self._scene.world, self._function)


def _hunted(function: str, most: int) -> Play:
    """A job during which workers of one function are killed while they work."""

    def play(scene: Scene) -> None:
        job_id = scene.start(End(pods=(1, 2), stray=1), steps=60, step=0.2)
        scene.until_checkpoint(job_id)
        with Hunter(scene, function, most) as hunter:
            # Nothing is asked of the API meanwhile: its own workers may be the hunted ones.
            scene.until(lambda: hunter.killed >= most, "workers were killed")

    return play


def killed_while_renting(scene: Scene) -> None:
    """The worker dies while create is on its way; nothing was made."""
    job_id = scene.draft()
    scene.arm("timeout_hang", job_id, operation="create", count=1, seconds=20)
    scene.begin(job_id)
    scene.until(lambda: scene.world.fired("timeout_hang", f"-{job_id}-"), "create is on its way")
    scene.note(f"kill -9 of {kill_workers(scene.world, 'ProvisionPod')} workers")


def killed_after_renting(scene: Scene) -> None:
    """The pod is made, the reply lost, and the worker dies while it looks for the pod."""
    job_id = scene.draft()
    scene.arm("list_lag_new", job_id, count=1, calls=2)
    scene.arm("drop_reply", job_id, operation="create", count=1)
    scene.begin(job_id)
    scene.until(lambda: scene.world.ledger(job_id), "the pod is made")
    scene.note(f"kill -9 of {kill_workers(scene.world, 'ProvisionPod')} workers")


def every_worker_killed(scene: Scene) -> None:
    job_id = scene.start(steps=80, step=0.2)
    scene.until_checkpoint(job_id)
    for _ in range(5):
        step = scene.job(job_id)["progress"]["step"]
        scene.note(f"kill -9 of {kill_workers(scene.world)} workers")
        scene.until(lambda: _is_past(scene, job_id, step), "reports arrive again")  # noqa: B023
    scene.finish()


def _is_past(scene: Scene, job_id: str, step: int) -> bool:
    try:
        job = scene.job(job_id)
    except AssertionError:
        # The worker that would have answered is among those killed.
        return False
    return bool(job["progress"]["step"] > step or job["is_final"])


TABLE = (
    Scenario(
        "worker-killed-renting",
        "the worker that rents is killed while create is on its way",
        "the step is tried again, one pod",
        killed_while_renting,
        alone=True,
        causes=KILLED_WORKER,
    ),
    Scenario(
        "worker-killed-after-renting",
        "the reply to create is lost, and the worker is killed while it looks for the pod",
        "the step is tried again and finds the pod by its name",
        killed_after_renting,
        alone=True,
        causes=KILLED_WORKER,
    ),
    Scenario(
        "worker-killed-webhook",
        "workers that receive reports are killed five times",
        "the trainer repeats what was not acknowledged, each step once",
        _hunted("APIHandler", 5),
        alone=True,
        causes=KILLED_WORKER,
    ),
    Scenario(
        "worker-killed-settling",
        "the worker that settles is killed twice",
        "settled once, slot freed",
        _hunted("SettleJob", 2),
        alone=True,
        causes=KILLED_WORKER,
    ),
    Scenario(
        "worker-killed-terminating",
        "the worker that ends pods is killed twice",
        "the pod is ended all the same",
        _hunted("TerminatePod", 2),
        alone=True,
        causes=KILLED_WORKER,
    ),
    Scenario(
        "workers-killed-often",
        "every worker is killed, five times, during training",
        "training goes on, each step once",
        every_worker_killed,
        alone=True,
        causes=KILLED_WORKER,
    ),
)
