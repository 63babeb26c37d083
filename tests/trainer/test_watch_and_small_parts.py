"""Divergence, curves, evidence, threads, memory readings: small parts with exact rules."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from trainer.evidence import Evidence, PointLog, known_losses
from trainer.progress import Progress
from trainer.resources import cpu_threads, free_memory_bytes

from trainer import watch


def feed(progress: Progress, losses: list[float]) -> list[watch.Verdict]:
    verdicts = []
    for loss in losses:
        verdicts.append(watch.judge(progress, loss, 1.0))
        progress.step += 1
        progress.losses.append(loss)
    return verdicts


def test_one_loss_that_is_no_number_is_skipped_with_a_warning_and_three_in_a_row_stop() -> None:
    progress = Progress()
    first, good, *rest = feed(progress, [math.nan, 2.0, math.inf, math.nan, math.nan])
    assert not first.apply
    assert "step 1 was not a number" in str(first.warning)
    assert good == watch.Verdict(True)
    assert [bool(verdict.stop) for verdict in rest] == [False, False, True]


def test_a_gradient_that_is_no_number_is_never_applied() -> None:
    assert not watch.judge(Progress(), 1.0, math.inf).apply


def test_noise_and_single_spikes_do_not_stop_a_run() -> None:
    losses = [2.0 + math.sin(step) for step in range(200)]
    losses[120] = 30.0
    assert all(verdict.stop is None for verdict in feed(Progress(), losses))


def test_a_loss_that_stays_high_is_warned_of_once_and_then_stopped() -> None:
    verdicts = feed(Progress(), [2.0] * 30 + [9.0] * 60)
    warned = [at for at, verdict in enumerate(verdicts) if verdict.warning]
    stopped = [at for at, verdict in enumerate(verdicts) if verdict.stop]
    assert len(warned) == 1
    assert stopped[0] - warned[0] == watch.MAX_EXPLODING_STEPS
    assert "Lower the learning rate" in str(verdicts[stopped[0]].stop)


def test_a_long_curve_keeps_its_ends_and_its_scale() -> None:
    progress = Progress(losses=[float(step) for step in range(5000)])
    curve = progress.curve()
    assert len(curve) == 200
    assert curve[0] == [1, 0.0]
    assert curve[-1] == [5000, 4999.0]


def test_the_final_training_loss_is_the_mean_of_the_last_tenth() -> None:
    assert Progress(losses=[9.0] * 18 + [1.0, 3.0]).final_training_loss() == 2.0
    assert Progress().final_training_loss() is None


def test_evidence_pairs_the_losses_of_steps_that_ran_twice(tmp_path: Path) -> None:
    log = PointLog(tmp_path / "points")
    for step, loss in [(9, 1.9), (10, 1.8), (11, 1.7), (12, 1.6)]:
        log.append(step, loss)
    with (tmp_path / "points").open("a") as file:
        file.write("[13, 1.")
    evidence = Evidence(10, "hash", known_losses([tmp_path / "points"]))
    assert evidence.add(11, 1.7) is None
    event = evidence.add(12, 1.61)
    assert event is not None
    assert event["steps"] == [
        {"step": 11, "before": 1.7, "after": 1.7},
        {"step": 12, "before": 1.6, "after": 1.61},
    ]
    assert (event["resumed_from_step"], event["state_sha256"]) == (10, "hash")
    assert evidence.add(13, 1.5) is None


def test_without_overlap_the_evidence_is_the_state_hash_alone() -> None:
    event = Evidence(10, "hash", {9: 1.0}).event()
    assert event is not None
    assert event["steps"] == []


@pytest.mark.parametrize(
    ("requested", "cores", "threads"),
    [(None, 1, 1), (None, 2, 1), (None, 8, 7), ("4", 2, 4), ("0", 8, 7), ("many", 8, 7)],
)
def test_threads_follow_the_variable_and_otherwise_leave_a_core_free(
    requested: str | None, cores: int, threads: int
) -> None:
    assert cpu_threads(requested, cores) == threads


def test_free_memory_is_the_smaller_of_machine_and_container(tmp_path: Path) -> None:
    meminfo, limit, used = tmp_path / "meminfo", tmp_path / "max", tmp_path / "current"
    meminfo.write_text("MemTotal: 100 kB\nMemAvailable: 80 kB\n")
    assert free_memory_bytes(meminfo, limit, used) == 80 * 1024
    limit.write_text("50000\n")
    used.write_text("20000\n")
    assert free_memory_bytes(meminfo, limit, used) == 30000
    limit.write_text("max\n")
    assert free_memory_bytes(meminfo, limit, used) == 80 * 1024
