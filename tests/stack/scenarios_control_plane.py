"""Our own side goes wrong: the emulator, the whole machine, the door to it, the line to the provider."""

from __future__ import annotations

import signal
import time

from tests.stack.breakage import (
    kill_emulator,
    kill_pods,
    kill_stack,
    processes_of,
    send,
)
from tests.stack.invariants import End
from tests.stack.scene import Play, Scenario, Scene


def _in_training(scene: Scene, end: End, title: str = "") -> str:
    job_id = scene.start(end, title=title, steps=150, step=0.2)
    scene.until_checkpoint(job_id)
    return job_id


def _picked_up(scene: Scene, *job_ids: str) -> None:
    """The sweeper of every minute gives jobs whose execution died a new run; it may do so now."""

    def next_runs() -> bool:
        scene.world.invoke("SweepPods")
        jobs = [scene.job(job_id) for job_id in job_ids]
        return all(job["run"] > 1 or job["is_final"] for job in jobs)

    scene.until(next_runs, "new runs have taken over")


def emulator_killed(scene: Scene) -> None:
    job_id = _in_training(scene, End())
    pod = scene.pod(job_id)
    kill_emulator(scene.world)
    scene.note("kill -9 of the emulator")
    scene.world.start()
    assert scene.pod(job_id)["pid"] == pod["pid"], "the living pod is found again"
    _picked_up(scene, job_id)


def emulator_and_pods_killed(scene: Scene) -> None:
    job_id = _in_training(scene, End(pods=(2, 2), resumed=True))
    pids = processes_of(scene.world.ledger(job_id))
    kill_emulator(scene.world)
    for pid in pids:
        send(pid, signal.SIGKILL)
    scene.note("kill -9 of the emulator and of every pod")
    scene.world.start()
    _picked_up(scene, job_id)


def everything_killed(scene: Scene) -> None:
    """One job in training, one being rented, one in the queue's hands."""
    training = _in_training(scene, End(pods=(2, 2), resumed=True), " in training")
    renting = scene.draft(End(pods=(1, 2)), title=" renting")
    scene.arm("timeout_hang", renting, operation="create", count=1, seconds=60)
    scene.begin(renting)
    scene.until(lambda: scene.job(renting)["status"] == "provisioning", "create is on its way")
    kill_stack(scene.world, include_pods=True)
    scene.note("kill -9 of every process")
    scene.world.start()
    _picked_up(scene, training, renting)


def pods_killed_behind_the_providers_back(scene: Scene) -> None:
    job_id = _in_training(scene, End())
    kill_pods(scene.world, [job_id])
    scene.note("kill -9 of the trainer")


def _door_shut(refused: bool) -> Play:
    """Nothing reaches the site for longer than the dead man waits."""

    def play(scene: Scene) -> None:
        pods = (1, 1) if refused else (2, 2)
        job_id = scene.draft(End(pods=pods, resumed=not refused), dead_man=6, steps=150, step=0.2)
        if refused:
            scene.arm("self_delete_refused", job_id)
        scene.begin(job_id)
        scene.until_checkpoint(job_id)
        pod = scene.pod(job_id)
        site = int(scene.world.outputs["pids"]["site"])
        send(site, signal.SIGSTOP)
        scene.note("the site hangs")
        try:
            scene.until(lambda: _gave_up(scene, pod["id"]), "the pod wants to end itself")
        finally:
            send(site, signal.SIGCONT)

    return play


def _gave_up(scene: Scene, pod_id: str) -> bool:
    """The pod has asked for its deletion, with or without success."""
    log = scene.world.stack.home.runpod / "pods" / pod_id / "container.log"
    (status,) = [pod["status"] for pod in scene.world.every_pod() if pod["id"] == pod_id]
    return status == "TERMINATED" or "deleting the own pod was answered with 403" in log.read_text()


def provider_hangs(scene: Scene) -> None:
    """The provider's API does not answer at all while a pod works; nothing must be decided from that."""
    job_id = _in_training(scene, End())
    provider = int(scene.world.outputs["pids"]["runpod"])
    send(provider, signal.SIGSTOP)
    scene.note("the provider's API hangs")
    try:
        began = time.monotonic()
        step = scene.job(job_id)["progress"]["step"]
        scene.until(lambda: scene.job(job_id)["progress"]["step"] >= step + 40, "training goes on meanwhile")
        scene.note(f"for {time.monotonic() - began:.0f} s")
    finally:
        send(provider, signal.SIGCONT)


TABLE = (
    Scenario(
        "trainer-killed",
        "the trainer's process is killed behind the provider's back",
        "the container starts again, the same pod",
        pods_killed_behind_the_providers_back,
    ),
    Scenario(
        "emulator-killed",
        "the AWS emulator is killed while a pod trains, and started again",
        "the same pod and process, a new run takes over",
        emulator_killed,
        alone=True,
    ),
    Scenario(
        "emulator-and-pods-killed",
        "the AWS emulator and every pod are killed, the stack started again",
        "a second pod, resumed from a checkpoint",
        emulator_and_pods_killed,
        alone=True,
    ),
    Scenario(
        "everything-killed",
        "every process is killed while one job trains and another is being rented",
        "both complete",
        everything_killed,
        alone=True,
    ),
    Scenario(
        "door-shut",
        "nobody answers the pod for longer than its patience",
        "it gives itself back; another one resumes",
        _door_shut(refused=False),
        alone=True,
    ),
    Scenario(
        "door-shut-and-self-delete-refused",
        "nobody answers the pod for longer than its patience, and it may not delete itself",
        "it goes on when the door opens, the same pod",
        _door_shut(refused=True),
        alone=True,
    ),
    Scenario(
        "provider-hangs",
        "the provider's API does not answer while a pod trains",
        "nothing is decided, the same pod",
        provider_hangs,
        alone=True,
    ),
)
