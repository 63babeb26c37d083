"""How fast this trainer is beside what people would use instead. Prints one JSON line.

    python benchmarks/trainer_throughput.py [--quick] [--model tiny|medium] [--conversations N] [--rounds N]

Peers: TRL's SFTTrainer with packing (the faster of its two ways to reach the effective batch), and transformers'
Trainer with batches grouped by length. Same model, conversations, adapters, effective batch, optimizer, learning rate
and loss mask; one process each, several rounds in turn with other seeds. Speed is useful tokens (no padding) a second
of the training stage; memory is the peak during training less what was resident before it; loss is that of held-out
conversations after the same tokens, computed by one judge for all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PATHS = [str(ROOT), str(ROOT / "trainer"), str(ROOT / "infrastructure" / "local")]
sys.path[:0] = PATHS

TRAINERS = ("ours", "trl_packed", "trl_accumulated", "grouped")
TRL = ("trl_packed", "trl_accumulated")
GOAL = {"times_trl_packed": 1.8, "times_grouped": 1.3, "loss_at_most_times_best_peer": 1.02}


def one_run(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The figures of one process of benchmarks/throughput/worker.py."""
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    own = {"PYTHONPATH": os.pathsep.join(PATHS), "OMP_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.throughput.worker", json.dumps(recipe), str(folder)],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{recipe['trainer']} failed:\n{done.stderr[-3000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def collect(folder: Path, conversations: int, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """All runs of each trainer; each round starts with another one, so that none always runs first."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in TRAINERS}
    for number in range(rounds):
        turn = number % len(TRAINERS)
        for name in (*TRAINERS[turn:], *TRAINERS[:turn]):
            recipe = {"trainer": name, "conversations": conversations, "seed": number}
            figures = one_run(recipe, folder)
            runs[name].append(figures)
            speed = figures["tokens"] / figures["seconds"]
            print(f"round {number + 1} of {rounds}: {name} {speed:.0f} tokens/s", file=sys.stderr)
    return runs


def _median(runs: list[dict[str, Any]], value: str) -> float:
    return float(statistics.median(run[value] for run in runs))


def _ratio(ours: list[dict[str, Any]], theirs: list[dict[str, Any]], value: str) -> float:
    """Median over the rounds of theirs / ours."""
    pairs = zip(ours, theirs, strict=True)
    return float(statistics.median(their[value] / our[value] for our, their in pairs))


def figures_of(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Ratios to each peer, and the plain numbers behind them."""
    ours = runs["ours"]
    trl = min(TRL, key=lambda name: _median(runs[name], "seconds"))
    peers = {"trl_packed": runs[trl], "grouped": runs["grouped"]}
    best_loss = min(statistics.mean(run["loss"] for run in of) for of in peers.values())
    losses = {name: [run["loss"] for run in of] for name, of in runs.items()}
    return {
        **{f"times_{name}": round(_ratio(ours, of, "seconds"), 2) for name, of in peers.items()},
        **{f"cpu_times_{name}": round(_ratio(ours, of, "cpu_seconds"), 2) for name, of in peers.items()},
        **{
            f"memory_share_of_{name}": round(1 / _ratio(ours, of, "training_bytes"), 2)
            for name, of in peers.items()
        },
        "loss_at_most_times_best_peer": round(statistics.mean(losses["ours"]) / best_loss, 4),
        "faster_trl": trl,
        "tokens_per_second": {
            name: round(_median(of, "tokens") / _median(of, "seconds")) for name, of in runs.items()
        },
        "peak_mb": {name: round(_median(of, "training_bytes") / 1e6) for name, of in runs.items()},
        "loss": {name: round(statistics.mean(of), 4) for name, of in losses.items()},
        "loss_spread": {name: round(statistics.pstdev(of), 4) for name, of in losses.items()},
        "flops_utilisation": {
            name: round(
                statistics.median(run["model_flops"] / run["seconds"] / run["machine_flops"] for run in of),
                3,
            )
            for name, of in runs.items()
        },
        "machine_gflops": round(_median(ours, "machine_flops") / 1e9, 1),
        "parameters": ours[0]["parameters"],
        "tokens": ours[0]["tokens"],
        "rounds": len(ours),
    }


def main() -> int:
    """0 when every goal is met, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one round of 40 conversations instead of five of 200"
    )
    parser.add_argument("--model", choices=("tiny", "medium"), default="tiny")
    parser.add_argument("--conversations", type=int)
    parser.add_argument("--rounds", type=int)
    asked = parser.parse_args()
    from benchmarks.throughput.models import folder_of

    conversations = asked.conversations or (40 if asked.quick else 200)
    rounds = asked.rounds or (1 if asked.quick else 5)
    figures = {"model": asked.model, **figures_of(collect(folder_of(asked.model), conversations, rounds))}
    met = (
        figures["times_trl_packed"] >= GOAL["times_trl_packed"]
        and figures["times_grouped"] >= GOAL["times_grouped"]
        and figures["loss_at_most_times_best_peer"] <= GOAL["loss_at_most_times_best_peer"]
    )
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    line = {
        "benchmark": "trainer_throughput",
        "figures": figures,
        "goal": GOAL,
        "met": met,
        "machine": machine,
    }
    print(json.dumps(line))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
