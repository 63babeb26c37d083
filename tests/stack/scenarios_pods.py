"""Pods go wrong: taken away, gone, stopped, silent, restarted, not to be deleted, in every stage of a job."""

from __future__ import annotations

import signal
from typing import Any

from tests.stack.breakage import remove_object, stored_keys
from tests.stack.invariants import End
from tests.stack.scene import Play, Scenario, Scene
from tests.stack.simulated_script import STATE

REPLACED = End(pods=(2, 2))
STAGES = ("provisioning", "model_loading", "training", "finalization")
# How the provider says it, and what the stand-in is told: the fault, and its parameters.
WAYS_TO_GO: dict[str, tuple[str, dict[str, Any]]] = {
    "disappears": ("disappear", {}),
    "error": ("error_status", {}),
    "exited": ("exit_seconds", {"seconds": 0}),
}


def _in_stage(scene: Scene, stage: str, end: End) -> str:
    """A job whose first process waits in the stage; in training it has a checkpoint and steps to go."""
    if stage == "training":
        job_id = scene.start(End(end.status, end.reason, end.pods, resumed=True), steps=60, step=0.2)
        scene.until_checkpoint(job_id)
        return job_id
    job_id = scene.draft(end, linger=stage)
    if stage == "provisioning":
        scene.arm("stuck_provisioning", job_id, count=1)
    scene.begin(job_id)
    scene.until_stage(job_id, stage)
    if stage == "provisioning":
        # Else it would meet the pod that follows.
        scene.until(lambda: scene.world.fired("stuck_provisioning", f"-{job_id}-"), "the pod is stuck")
    return job_id


def _reclaimed(stage: str, warning: str) -> Play:
    def play(scene: Scene) -> None:
        scene.reclaim(_in_stage(scene, stage, REPLACED), warning)

    return play


def _goes(stage: str, way: str) -> Play:
    fault, parameters = WAYS_TO_GO[way]

    def play(scene: Scene) -> None:
        job_id = _in_stage(scene, stage, REPLACED)
        scene.arm(fault, job_id, count=1, **parameters)

    return play


def restarts_three_times(scene: Scene) -> None:
    job_id = scene.draft(steps=60, step=0.2)
    scene.arm("restart_loop", job_id, count=3, after_seconds=2)
    scene.begin(job_id)
    scene.finish()
    assert scene.world.ledger(job_id)[0]["restarts"] == 3


def dies_while_loading(scene: Scene) -> None:
    job_id = scene.start(crash="model_loading")
    scene.note("the process exits")
    scene.finish()
    assert scene.world.ledger(job_id)[0]["restarts"] == 1


def dies_again_and_again(scene: Scene) -> None:
    scene.start(End("failed", "trainer_crashed"), crash="model_loading", crashes=99)
    scene.note("every process exits")


def silent_for_good(scene: Scene) -> None:
    job_id = _in_stage(scene, "training", REPLACED)
    scene.signal(job_id, signal.SIGSTOP)


def silent_for_a_while(scene: Scene) -> None:
    job_id = scene.start(steps=60, step=0.2)
    scene.until_checkpoint(job_id)
    scene.signal(job_id, signal.SIGSTOP)
    looks = scene.world.states(f"{job_id}-r1").count("PollPod")
    scene.until(
        lambda: scene.world.states(f"{job_id}-r1").count("PollPod") > looks, "the silent pod was looked at"
    )
    scene.signal(job_id, signal.SIGCONT)


def _delete_goes_wrong(fault: str, **parameters: Any) -> Play:
    def play(scene: Scene) -> None:
        job_id = scene.draft()
        scene.arm(fault, job_id, **parameters)
        scene.begin(job_id)

    return play


def delete_ignored_for_long(scene: Scene) -> None:
    job_id = scene.draft()
    scene.arm("delete_ignored", job_id)
    scene.begin(job_id)

    def handed_over() -> bool:
        job = scene.job(job_id)
        return bool(job["is_final"] and job["cost"]["cleanup_pending"])

    scene.until(handed_over, "what is left is the sweeper's")
    assert scene.job(job_id)["cost"]["accruing"] is True
    scene.disarm(job_id)


def checkpoint_lost(scene: Scene) -> None:
    """Storage loses the newest checkpoint; the one before it is still there."""
    job_id = scene.start(End(pods=(2, 2), resumed=True), steps=80, step=0.2)

    def second() -> bool:
        checkpoint = scene.job(job_id)["checkpoint"]
        return bool(checkpoint and checkpoint["step"] > 10)

    scene.until(second, "two checkpoints are stored")
    scene.signal(job_id, signal.SIGSTOP)
    step = scene.job(job_id)["checkpoint"]["step"]
    (key,) = [
        key for key in stored_keys(scene.world, f"jobs/{job_id}/") if key.endswith(f"step-{step:06d}/{STATE}")
    ]
    remove_object(scene.world, key)
    scene.note("newest checkpoint lost in storage")
    scene.reclaim(job_id, "KILL")


def result_not_stored(scene: Scene) -> None:
    scene.start(End("failed", "artifacts_incomplete"), forget="adapter_config.json")
    scene.note("a result file is announced and not stored")


def trainer_error(scene: Scene) -> None:
    scene.start(End("failed", "out_of_memory"), fail="training", reason="out_of_memory")
    scene.note("the trainer gives up")


TABLE = (
    *(
        Scenario(
            f"reclaimed-{warning.lower()}-{stage.replace('_', '-')}",
            f"a spot GPU is taken away {'with' if warning == 'TERM' else 'without'} warning in {stage}",
            "a second pod, no step lost" + (", resumed from a checkpoint" if stage == "training" else ""),
            _reclaimed(stage, warning),
        )
        for stage in STAGES
        for warning in ("TERM", "KILL")
    ),
    *(
        Scenario(
            f"pod-{way}-{stage.replace('_', '-')}",
            f"the pod {'disappears' if way == 'disappears' else f'is {way.upper()}'} in {stage}",
            "a second pod, no step lost" + (", resumed from a checkpoint" if stage == "training" else ""),
            _goes(stage, way),
        )
        for way in WAYS_TO_GO
        for stage in STAGES[1:]
    ),
    Scenario(
        "restart-loop",
        "the container dies and is started again three times",
        "the same pod, three processes, no step lost",
        restarts_three_times,
    ),
    Scenario(
        "process-dies-loading",
        "the trainer's process dies while the model loads",
        "the container starts again, the same pod",
        dies_while_loading,
    ),
    Scenario(
        "process-dies-for-ever",
        "every process of the trainer dies while the model loads",
        "failed as `trainer_crashed` after a few, the pod ended",
        dies_again_and_again,
    ),
    Scenario(
        "silent-for-good",
        "the pod is RUNNING and its trainer hangs in training",
        "replaced after the deadline of silence, resumed from a checkpoint",
        silent_for_good,
    ),
    Scenario(
        "silent-for-a-while",
        "the trainer hangs until the provider was asked about its pod, and goes on",
        "the same pod",
        silent_for_a_while,
    ),
    Scenario(
        "delete-500",
        "delete answers 500 six times",
        "asked again until it is gone",
        _delete_goes_wrong("delete_500", count=6),
    ),
    Scenario(
        "delete-429",
        "delete is throttled three times",
        "asked again until it is gone",
        _delete_goes_wrong("throttle_429", operation="delete", count=3),
    ),
    Scenario(
        "delete-ignored",
        "delete says yes twice and does nothing",
        "looked for again, deleted again",
        _delete_goes_wrong("delete_ignored", count=2),
    ),
    Scenario(
        "delete-ignored-for-long",
        "delete does nothing until long after the job has ended",
        "handed to the sweeper, the cost goes on being shown, then settled",
        delete_ignored_for_long,
    ),
    Scenario(
        "list-lags-deleted",
        "a deleted pod stays in six listings",
        "looked for until it is gone",
        _delete_goes_wrong("list_lag_deleted", count=1, calls=6),
    ),
    Scenario(
        "checkpoint-lost",
        "storage loses the newest checkpoint, then the pod is taken away",
        "resumed from the checkpoint before",
        checkpoint_lost,
    ),
    Scenario(
        "result-not-stored",
        "a result file is announced and not in storage",
        "failed as `artifacts_incomplete`, no model",
        result_not_stored,
    ),
    Scenario("trainer-error", "the trainer runs out of memory", "failed as `out_of_memory`", trainer_error),
)
