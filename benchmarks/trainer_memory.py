"""How near the memory estimate is to what a step really takes. Prints one JSON line.

    python benchmarks/trainer_memory.py [--quick]

Each configuration runs two steps of the trainer's own forward and backward pass in a fresh process on the CPU.
Measured is the peak of the process less what was resident before the model existed; predicted is the sum that decides
the micro-batch (trainer/training_memory.py). What the estimate promises is that a run which should fit does: the
measured peak never above predicted / 0.86, the share of a GPU it is allowed to fill, and not so far below that GPUs
larger than needed are asked for.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PATHS = [str(ROOT), str(ROOT / "trainer"), str(ROOT / "infrastructure" / "local")]
sys.path[:0] = PATHS

GOAL = {"highest_share_of_predicted": 1.16, "lowest_share_of_predicted": 0.6}


@dataclass(frozen=True)
class Setting:
    """One measured run: a Llama-like decoder, LoRA on all its projections, one row of `tokens`."""

    hidden: int
    layers: int
    vocabulary: int
    tokens: int
    rank: int = 16
    recompute: bool = False
    eight_bit: bool = False


SETTINGS = (
    Setting(256, 8, 8192, 2048),
    Setting(512, 8, 32000, 2048),
    Setting(512, 8, 32000, 4096, recompute=True),
    Setting(512, 8, 32000, 2048, rank=128),
    Setting(512, 8, 32000, 2048, rank=128, eight_bit=True),
    Setting(768, 12, 32000, 1024),
    Setting(768, 12, 32000, 2048, recompute=True),
    Setting(576, 30, 49152, 1024),
)


def worker(setting: Setting) -> dict[str, int]:
    """Two steps; predicted and measured bytes."""
    import torch
    from peft import LoraConfig, get_peft_model
    from trainer.chat import Example
    from trainer.training_memory import CPU_FIXED_BYTES, Plan, needed_bytes
    from transformers import LlamaConfig, LlamaForCausalLM

    from benchmarks.throughput.worker import resident_bytes
    from trainer import fused, loss, model

    torch.set_num_threads(1)
    before = resident_bytes("VmRSS")
    config = LlamaConfig(
        vocab_size=setting.vocabulary,
        hidden_size=setting.hidden,
        intermediate_size=setting.hidden * 8 // 3 // 32 * 32,
        num_hidden_layers=setting.layers,
        num_attention_heads=setting.hidden // 64,
        num_key_value_heads=setting.hidden // 64,
        tie_word_embeddings=True,
        pad_token_id=0,
    )
    peft = get_peft_model(
        LlamaForCausalLM(config),
        LoraConfig(r=setting.rank, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    fused.fuse_adapters(peft)
    core: Any = peft.get_base_model()
    bounded = model.bound_attention(core)
    if setting.recompute:
        core.activation_checkpointing_enable({"use_reentrant": False})
    peft.train()
    trainable = [each for each in peft.parameters() if each.requires_grad]
    optimizer: Any
    if setting.eight_bit:
        from bitsandbytes.optim.adamw import AdamW8bit

        optimizer = AdamW8bit(trainable, lr=1e-4)  # type: ignore[no-untyped-call]
    else:
        optimizer = torch.optim.AdamW(trainable, lr=1e-4)
    ids = tuple(5 + at % (setting.vocabulary - 5) for at in range(setting.tokens))
    example = Example(1, ids, tuple(at % 2 == 0 for at in range(setting.tokens)))
    # What building the model left behind is not a step's memory.
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    for _ in range(2):
        loss.summed_loss(core, loss.packed([example], [0], torch.device("cpu"), bounded)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    plan = Plan(
        model.shape_of(config), setting.rank, ("all-linear",), False, setting.eight_bit, 4, CPU_FIXED_BYTES
    )
    return {
        "predicted": needed_bytes(plan, setting.tokens, setting.recompute),
        "measured": resident_bytes("VmHWM") - before,
    }


def run(setting: Setting) -> dict[str, Any]:
    """One worker process."""
    own = {"PYTHONPATH": os.pathsep.join(PATHS), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    # Otherwise glibc keeps freed tensors for later, and the process's size says little about what is in use.
    own["MALLOC_MMAP_THRESHOLD_"] = str(256 * 1024)
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), "--worker", json.dumps(asdict(setting))],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-3000:])
    found = json.loads(done.stdout.splitlines()[-1])
    share = round(found["measured"] / found["predicted"], 3)
    sizes = {f"{name}_mb": round(value / 1e6) for name, value in found.items()}
    print(f"{setting}: {sizes} {share}", file=sys.stderr)
    return {**asdict(setting), **sizes, "share": share}


def main() -> int:
    """0 when every measured peak lies within the goal, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small configuration instead of eight")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        print(json.dumps(worker(Setting(**json.loads(asked.worker)))))
        return 0
    rows = [run(setting) for setting in (SETTINGS[:1] if asked.quick else SETTINGS)]
    shares = [row["share"] for row in rows]
    figures = {
        "highest_share_of_predicted": max(shares),
        "lowest_share_of_predicted": min(shares),
        "runs": rows,
    }
    met = (
        max(shares) <= GOAL["highest_share_of_predicted"] and min(shares) >= GOAL["lowest_share_of_predicted"]
    )
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    line = {"benchmark": "trainer_memory", "figures": figures, "goal": GOAL, "met": met, "machine": machine}
    print(json.dumps(line))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
