"""Everything at random: ten jobs, and for minutes somebody kills pods, workers and the emulator. Seeded."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter

from tests.stack.breakage import kill_emulator, kill_workers, processes_of, send
from tests.stack.invariants import End
from tests.stack.scenarios_workers import KILLED_WORKER
from tests.stack.scene import Scenario, Scene

JOBS = 10
SEED = 7
# Whatever the world does to it, a job ends like this; a GPU that was lost too often is a clear ending too.
ANY_END = End(
    pods=(0, 100),
    also=(("failed", "provider_lost"), ("failed", "no_capacity")),
    # While our side is down nobody polls the meter.
    off_seconds=600,
)
WAYS = ("reclaim", "reclaim", "process", "workers", "workers", "workers", "emulator")
PAUSE_SECONDS = (1.0, 6.0)


def chaos(scene: Scene) -> None:
    """Ten jobs are kept going while things are killed; then quiet, until all have ended."""
    dice, done = random.Random(SEED + scene.number), Counter[str]()
    for number in range(JOBS):
        _one_more(scene, number, dice)
    deadline = time.monotonic() + scene.duration_seconds
    while time.monotonic() < deadline:
        if len(_unfinished(scene)) < JOBS:
            _one_more(scene, len(scene.ends), dice)
        way = dice.choice(WAYS)
        if _strike(scene, way, dice):
            done[way] += 1
        time.sleep(dice.uniform(*PAUSE_SECONDS))
    scene.note(", ".join(f"{way} x{count}" for way, count in sorted(done.items())))
    scene.note(f"{len(scene.ends)} jobs")
    scene.finish()
    ends = Counter(str(scene.job(job_id)["end_reason"]) for job_id in scene.ends)
    pods = [pod for job_id in scene.ends for pod in scene.world.ledger(job_id)]
    scene.note(f"{len(pods)} pods, {sum(pod['billed_seconds'] for pod in pods):.0f} s billed; {dict(ends)}")


def _one_more(scene: Scene, number: int, dice: random.Random) -> None:
    scene.start(ANY_END, title=f" {number}", steps=dice.randint(250, 500), step=0.2, every=10)


def _unfinished(scene: Scene) -> list[str]:
    return [job_id for job_id in scene.ends if not scene.job(job_id)["is_final"]]


def _strike(scene: Scene, way: str, dice: random.Random) -> bool:
    """One blow; False when there was nothing to hit."""
    if way == "emulator":
        kill_emulator(scene.world)
        scene.world.start()
        return True
    if way == "workers":
        return kill_workers(scene.world) > 0
    pods = [pod for job_id in scene.ends for pod in scene.billed(job_id)]
    if not pods:
        return False
    pod = dice.choice(pods)
    if way == "process":
        for pid in processes_of([pod]):
            send(pid, signal.SIGKILL)
    elif any(each["id"] == pod["id"] for each in scene.world.every_pod() if each["status"] == "RUNNING"):
        scene.world.reclaim(pod["id"], dice.choice(("TERM", "KILL")))
    return True


TABLE = (
    Scenario(
        "chaos",
        f"pods, workers and the emulator are killed at random under {JOBS} jobs",
        "after quiet: every job has ended, no unexplained pod-second",
        chaos,
        alone=True,
        causes=KILLED_WORKER,
        duration_seconds=60,
    ),
)
