"""The merged model loads with transformers alone, file by file as stored, and says what the adapter says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from safetensors.torch import load_file, save_file
from trainer.config import Address, parse_job
from trainer.errors import StoppedError
from trainer.model import Loaded, add_adapters, memory_plan
from trainer.model_cache import load_tokenizer
from trainer.training_memory import BatchChoice
from trainer.upload import Transfers
from trainer.webhooks import ControlPlane
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import CPU, JOB_ID, SECRET, Said, job_file
from trainer import merge


@pytest.fixture
def transfers(plane: FakeControlPlane) -> Iterator[Transfers]:
    with httpx.Client() as client:
        control = ControlPlane(plane.url, JOB_ID, SECRET, client)
        address = Address(JOB_ID, 1, plane.fence, plane.url)
        yield Transfers(control, address, client, base_seconds=1e-7)


@pytest.fixture
def base(models_dir: Path) -> Path:
    return next(models_dir.glob("*@*"))


@pytest.fixture
def job(plane: FakeControlPlane) -> Any:
    return parse_job(json.dumps(job_file(plane, export={"merged": True})))


def trained(base: Path, job: Any) -> Loaded:
    """The tiny model with an adapter that changes what it says."""
    peft = add_adapters(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), job)
    for name, parameter in peft.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    plan = memory_plan(job, peft.config, CPU)
    batch = BatchChoice(1, False, 0, True)
    return Loaded(peft.eval(), peft.get_base_model(), load_tokenizer(base), batch, plan)


def export(
    tmp_path: Path, job: Any, base: Path, loaded: Loaded, transfers: Transfers, said: Said, **more: Any
) -> merge.Merged | None:
    arguments: dict[str, Any] = {"told_to_finish": lambda: False, "check": lambda: None} | more
    return merge.export_merged(
        tmp_path / "artifacts" / "merged", job, base, loaded, transfers=transfers, say=said, **arguments
    )


def store(plane: FakeControlPlane, folder: Path) -> Path:
    """What storage holds of the merged model, as files."""
    folder.mkdir()
    for name, content in plane.stored("artifacts/merged/").items():
        (folder / name).write_bytes(content)
    return folder


def test_a_model_of_several_files_loads_with_transformers_and_answers_like_the_adapter(
    plane: FakeControlPlane,
    transfers: Transfers,
    base: Path,
    job: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(merge, "SHARD_BYTES", 1_500_000)
    loaded, said = trained(base, job), Said()
    merged = export(tmp_path, job, base, loaded, transfers, said)
    assert merged is not None
    assert merged.precision == "float32"
    assert {file.name for file in merged.files} == {
        f"merged/{name}" for name in plane.stored("artifacts/merged/")
    }
    assert not (tmp_path / "artifacts" / "merged").exists()
    folder = store(plane, tmp_path / "stored")
    assert len(list(folder.glob("model-*-of-*.safetensors"))) > 2
    assert all(path.stat().st_size < 1_600_000 for path in folder.glob("*.safetensors"))
    whole = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template == loaded.tokenizer.chat_template
    ids = torch.tensor([tokenizer("Where do I get a lamp near the harbour?")["input_ids"]])
    with torch.no_grad():
        expected, got = loaded.peft(input_ids=ids).logits, whole(input_ids=ids).logits
        with loaded.peft.disable_adapter():
            assert (loaded.peft(input_ids=ids).logits - expected).abs().max() > 0.1
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


def test_the_base_keeps_its_own_precision_and_every_other_tensor_its_bytes(
    plane: FakeControlPlane, transfers: Transfers, base: Path, job: Any, tmp_path: Path
) -> None:
    half = tmp_path / "half"
    half.mkdir()
    tensors = {name: tensor.bfloat16() for name, tensor in load_file(base / "model.safetensors").items()}
    save_file(tensors, half / "model.safetensors", metadata={"format": "pt"})
    (half / "config.json").write_bytes((base / "config.json").read_bytes())
    loaded = trained(base, job)
    merged = export(tmp_path, job, half, loaded, transfers, Said())
    assert merged is not None
    assert merged.precision == "bfloat16"
    got = load_file(store(plane, tmp_path / "stored") / "model.safetensors")
    assert set(got) == set(tensors)
    layer = loaded.core.get_submodule("model.layers.1.self_attn.q_proj")
    change = layer.get_delta_weight("default")
    for name, tensor in tensors.items():
        adapted = name.split(".")[-2] in job.hyperparameters.target_modules
        assert torch.equal(got[name], tensor) is not adapted, name
    name = "model.layers.1.self_attn.q_proj.weight"
    assert torch.equal(got[name], (tensors[name].float() + change).bfloat16())


def spoil_quantised(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "quantization_config": {"bits": 4}}))


def spoil_names(folder: Path) -> None:
    tensors = {f"other.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors")


def spoil_precision(folder: Path) -> None:
    tensors = {
        name: tensor.to(torch.float8_e4m3fn)
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    save_file(tensors, folder / "model.safetensors")


def spoil_bytes(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0not json")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_quantised, "published quantised"),
        (spoil_names, "do not hold model.layers.0.mlp.down_proj.weight"),
        (spoil_precision, "published in F8_E4M3"),
        (spoil_bytes, "could not be made"),
    ],
)
def test_a_base_that_cannot_be_merged_is_a_warning_and_the_run_goes_on(
    spoil: Any,
    reason: str,
    plane: FakeControlPlane,
    transfers: Transfers,
    base: Path,
    job: Any,
    tmp_path: Path,
) -> None:
    other, said = tmp_path / "other", Said()
    other.mkdir()
    for name in ("config.json", "model.safetensors"):
        (other / name).write_bytes((base / name).read_bytes())
    spoil(other)
    merged = export(tmp_path, job, other, trained(base, job), transfers, said)
    assert merged is not None
    assert (merged.files, merged.precision) == ((), None)
    assert reason in str(merged.problem)
    assert [event["code"] for event in said if event["type"] == "warning"] == ["no_merged_model"]
    assert "The adapter is stored" in said[-1]["message"]


def test_storage_that_fails_costs_the_merged_model_and_nothing_else(
    plane: FakeControlPlane, transfers: Transfers, base: Path, job: Any, tmp_path: Path
) -> None:
    plane.storage_failures = [503] * 99
    merged = export(tmp_path, job, base, trained(base, job), transfers, Said())
    assert merged == merge.Merged(problem="storage did not take all of its files")


def test_a_run_that_ends_early_makes_none_and_one_that_was_not_asked_says_nothing(
    transfers: Transfers, base: Path, job: Any, tmp_path: Path
) -> None:
    said = Said()
    loaded = trained(base, job)
    assert export(tmp_path, replace(job, export_merged=False), base, loaded, transfers, said) is None
    assert said == []
    merged = export(tmp_path, job, base, loaded, transfers, said, told_to_finish=lambda: True)
    assert merged == merge.Merged(problem="the spend cap was near")


def test_a_spend_cap_that_comes_near_while_merging_ends_the_merge_and_not_the_run(
    transfers: Transfers, base: Path, job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "SHARD_BYTES", 2_200_000)
    told = iter([False, False, True])
    said = Said()
    loaded = trained(base, job)
    merged = export(tmp_path, job, base, loaded, transfers, said, told_to_finish=lambda: next(told))
    assert merged == merge.Merged(problem="the spend cap was near")
    assert [event["code"] for event in said if event["type"] == "warning"] == ["no_merged_model"]
    assert not (tmp_path / "artifacts" / "merged").exists()


def test_a_stop_is_obeyed_while_merging(transfers: Transfers, base: Path, job: Any, tmp_path: Path) -> None:
    def check() -> None:
        raise StoppedError("cancelled")

    with pytest.raises(StoppedError):
        export(tmp_path, job, base, trained(base, job), transfers, Said(), check=check)
    assert not (tmp_path / "artifacts" / "merged").exists()


def test_a_merge_whose_process_was_killed_twice_is_not_tried_again(
    transfers: Transfers, base: Path, job: Any, tmp_path: Path
) -> None:
    (tmp_path / "merge.starts").write_text("..")
    merged = export(tmp_path, job, base, trained(base, job), transfers, Said())
    assert merged is not None
    assert "ended in the middle of it twice" in str(merged.problem)
