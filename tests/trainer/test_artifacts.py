"""What a user gets, opened as a user would: `sha256sum`, plain peft and plain transformers in clean processes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from trainer.rows import read_rows

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import (
    SECRET,
    as_jsonl,
    conversations,
    finished,
    job_file,
    trainer_process,
    wait_until,
)
from trainer import data

pytestmark = pytest.mark.slow

# No trainer on this program's path: what it measures is what a stranger would measure.
MEASURE = """
import json, sys
from pathlib import Path
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
torch.set_num_threads(1)
kind, base, folder, rows = sys.argv[1:5]
settings = {"dtype": torch.float32}
if kind == "nf4":
    settings["quantization_config"] = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32)
if kind == "merged":
    folder = folder + "/merged"
model = AutoModelForCausalLM.from_pretrained(folder if kind == "merged" else base, **settings)
if kind != "merged":
    from peft import PeftModel
    model = PeftModel.from_pretrained(model, folder)
for layer in model.modules():
    # Some CPUs infer 4-bit layers in bf16 by default; the stated loss was computed in float32.
    if hasattr(layer, "support_avx512bf16_for_cpu"):
        layer.support_avx512bf16_for_cpu = False
model.eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
losses = {}
for number, line in enumerate(Path(rows).read_text().splitlines()):
    row = json.loads(line)
    encoded = tokenizer.apply_chat_template(
        row["messages"], tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = torch.tensor([encoded["input_ids"]]), torch.tensor(encoded["assistant_masks"]).bool()
    with torch.no_grad():
        logs = torch.log_softmax(model(input_ids=ids).logits[0, :-1].float(), -1)
    picked = logs.gather(1, ids[0, 1:, None])[:, 0][mask[1:]]
    losses[row["line"]] = [-picked.sum().item(), len(picked)]
assert not any(name.split(".")[0] == "trainer" for name in sys.modules)
print(json.dumps(losses))
"""


@dataclass
class Artifacts:
    """The artefacts of a finished run, as files."""

    folder: Path
    rows: Path
    base: Path
    event: dict[str, Any]
    card: str

    def measured(self, kind: str) -> dict[str, list[float]]:
        """[summed loss, tokens] of every held-out line, by a clean process."""
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, kind, self.base, self.folder, self.rows],
            env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=180,
        )
        losses: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
        return losses

    def stated_rows(self) -> list[dict[str, Any]]:
        """validation_losses.jsonl."""
        text = (self.folder / "validation_losses.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]


def run(models_dir: Path, folder: Path, quantization: str) -> Artifacts:
    base = next(models_dir.glob("*@*"))
    with FakeControlPlane(SECRET, as_jsonl(conversations(30))) as plane:
        job = job_file(
            plane, quantization=quantization, export={"merged": True}, hyperparameters={"epochs": 2}
        )
        with trainer_process(plane, job, models_dir, folder / "work"):
            wait_until(lambda: finished(plane), "the run is finished", 240)
        assert plane.problems == []
        assert plane.of_type("warning") == []
        target = folder / "artifacts"
        for name, content in plane.stored("artifacts/").items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (folder / "all.jsonl").write_bytes(plane.files["dataset"])
        _, held_out = data.split(read_rows(folder / "all.jsonl", "chat"), job["seed"])
        lines = plane.files["dataset"].decode().splitlines()
        rows = [json.dumps({**json.loads(lines[at]), "line": at + 1}) + "\n" for at in held_out]
        (folder / "held_out.jsonl").write_text("".join(rows))
        (event,) = plane.of_type("artifacts")
    return Artifacts(target, folder / "held_out.jsonl", base, event, (target / "README.md").read_text())


@pytest.fixture(scope="module")
def plain(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    return run(models_dir, tmp_path_factory.mktemp("plain"), "none")


@pytest.fixture(scope="module")
def quantised(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    return run(models_dir, tmp_path_factory.mktemp("quantised"), "nf4")


def mean(losses: dict[str, list[float]]) -> float:
    return sum(total for total, _ in losses.values()) / sum(tokens for _, tokens in losses.values())


def test_the_checksums_verify_with_the_usual_program(plain: Artifacts) -> None:
    def verified() -> subprocess.CompletedProcess[str]:
        command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
        return subprocess.run(command, cwd=plain.folder, capture_output=True, text=True, check=False)

    good = verified()
    assert good.returncode == 0, good.stdout + good.stderr
    files = {str(path.relative_to(plain.folder)) for path in plain.folder.rglob("*") if path.is_file()}
    assert {line.split(":")[0] for line in good.stdout.splitlines()} == files - {"SHA256SUMS"}
    assert {file["name"] for file in plain.event["files"]} == files
    damaged = plain.folder / "merged" / "config.json"
    content = damaged.read_bytes()
    damaged.write_bytes(content + b" ")
    assert verified().returncode == 1
    damaged.write_bytes(content)


def test_the_merged_model_gives_the_stated_losses_with_transformers_alone(plain: Artifacts) -> None:
    summary = plain.event["summary"]
    measured = plain.measured("merged")
    assert mean(measured) == pytest.approx(summary["validation_loss"], abs=1e-4)
    assert summary["validation_loss"] < summary["base_validation_loss"] - 0.01
    assert "the base's own weights in float32" in plain.card
    for row in plain.stated_rows():
        total, tokens = measured[str(row["line"])]
        assert tokens == row["tokens"]
        assert total / tokens == pytest.approx(row["loss"], abs=1e-4)


def test_every_measured_conversation_is_listed_with_its_losses(plain: Artifacts) -> None:
    rows, summary = plain.stated_rows(), plain.event["summary"]
    assert len(rows) == summary["conversations"]["evaluated"] == summary["conversations"]["validation"]
    tokens = sum(row["tokens"] for row in rows)
    for key, stated in (("loss", "validation_loss"), ("base_loss", "base_validation_loss")):
        assert sum(row[key] * row["tokens"] for row in rows) / tokens == pytest.approx(summary[stated])
    by_line = {row["line"]: row for row in rows}
    worst = summary["worst_rows"]
    assert [row["line"] for row in worst] == sorted(by_line, key=lambda line: -by_line[line]["loss"])[:10]
    assert all(by_line[row["line"]]["loss"] == row["loss"] for row in worst)


def test_an_adapter_trained_on_four_bits_gives_the_stated_loss_on_four_bits(quantised: Artifacts) -> None:
    stated = quantised.event["summary"]["validation_loss"]
    assert mean(quantised.measured("nf4")) == pytest.approx(stated, abs=1e-4)
    assert abs(mean(quantised.measured("plain")) - stated) > 1e-3


def test_the_merged_model_of_a_four_bit_job_was_never_quantised_and_the_card_says_so(
    quantised: Artifacts,
) -> None:
    assert mean(quantised.measured("merged")) == pytest.approx(mean(quantised.measured("plain")), abs=1e-4)
    text = " ".join(quantised.card.split())
    assert "the base in 4 bits; the merged model was never quantised, so its losses differ slightly" in text
    settings = json.loads((quantised.folder / "merged" / "config.json").read_text())
    assert "quantization_config" not in settings
    assert settings == json.loads((quantised.base / "config.json").read_text())


def test_the_card_and_the_summary_say_what_was_trained_on(plain: Artifacts) -> None:
    summary = plain.event["summary"]
    tokens, counted = summary["tokens"], summary["conversations"]
    # Two epochs: every example twice.
    assert tokens["trained"] == 2 * tokens["per_epoch"]
    assert tokens["supervised"] == 2 * tokens["supervised_per_epoch"]
    assert counted["training"] + counted["validation"] == 30
    assert counted["folded_systems"] == counted["truncated"] == counted["skipped"] == 0
    for value in (tokens["per_epoch"], tokens["supervised_per_epoch"], tokens["longest_conversation"]):
        assert re.search(rf"\b{value:,}\b", plain.card), value
    assert not re.search(r"\bstars?\b|quality score", plain.card, re.IGNORECASE)
    for path in plain.folder.rglob("*"):
        if path.is_file() and path.suffix != ".safetensors":
            assert b"/tmp/" not in path.read_bytes(), path


def test_the_merged_files_are_stored_as_announced(plain: Artifacts) -> None:
    for file in plain.event["files"]:
        content = (plain.folder / file["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["size_bytes"], file["sha256"])
    assert any(file["name"] == "merged/model.safetensors" for file in plain.event["files"])
