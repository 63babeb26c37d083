"""Optional end of stage 4: the whole model with the adapter added in, for servers that load no adapters.

The base's own files are read tensor by tensor in the precision they were published in, so nothing is ever merged
into 4-bit weights, and no more than one file of the result is in memory or on the pod's disk at a time.
"""

from __future__ import annotations

import json
import logging
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from trainer import events
from trainer.config import Job
from trainer.errors import StoppedError, SupersededError, UploadFailedError
from trainer.model import Loaded
from trainer.upload import StoredFile, Transfers, describe

log = logging.getLogger(__name__)

FOLDER = "merged"
# Storage takes at most 5 GB at once.
SHARD_BYTES = 4_000_000_000
# One event names all files.
MOST_SHARDS = 70
PRECISIONS = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
# Few at a time, so that a stop or the spend cap is heard in between.
UPLOAD_TRIES = 3
UPLOAD_ROUNDS = 7
MOST_STARTS = 2


class MergeRefusedError(Exception):
    """The base model cannot be merged; the message says why."""


@dataclass(frozen=True)
class Merged:
    """What became of the merged model: its stored files and their precision, or why there are none."""

    files: tuple[StoredFile, ...] = ()
    precision: str | None = None
    problem: str | None = None


@dataclass(frozen=True)
class _Tensor:
    """One tensor of the base model, where it lies and how large it is."""

    name: str
    path: Path
    size_bytes: int
    kind: str


def export_merged(
    folder: Path,
    job: Job,
    base_folder: Path,
    loaded: Loaded,
    told_to_finish: Callable[[], bool],
    transfers: Transfers,
    say: events.Say,
    check: Callable[[], None],
) -> Merged | None:
    """Store the merged model where the job asks for it; None where it does not.

    Whatever goes wrong is a warning and a sentence in the result: the adapter is stored already and must not be
    lost over this. Only `check` may end the run.
    """
    if not job.export_merged:
        return None

    def go_on() -> None:
        check()
        if told_to_finish():
            # What is stored of it so far would be of no use, and must not cost the adapter its own end.
            raise MergeRefusedError("the spend cap was near")

    try:
        _count_start(folder)
        return _export(folder, base_folder, loaded, transfers, say, go_on)
    except (StoppedError, SupersededError):
        raise
    except MergeRefusedError as error:
        return _without(str(error), say)
    except UploadFailedError:
        log.exception("the merged model could not be stored")
        return _without("storage did not take all of its files", say)
    except Exception as error:
        log.exception("the merged model could not be made")
        return _without(f"it could not be made ({type(error).__name__}: {error})", say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _without(reason: str, say: events.Say) -> Merged:
    message = f"The adapter is stored, but without a merged model: {reason}."
    say(events.note("warning", message, "no_merged_model"), True)
    return Merged(problem=reason)


def _export(
    folder: Path,
    base_folder: Path,
    loaded: Loaded,
    transfers: Transfers,
    say: events.Say,
    go_on: Callable[[], None],
) -> Merged:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    layers = _adapted_layers(loaded)
    tensors = list(_tensors(base_folder))
    precision = _precision(tensors, layers)
    shards = _shards(tensors)
    files: list[StoredFile] = []
    for number, shard in enumerate(shards):
        go_on()
        path = folder / _shard_name(number, len(shards))
        message = f"Merging the adapter into the base model ({number + 1} of {len(shards)} files)..."
        say(events.stage("finalization", message, 0.87 + 0.06 * number / len(shards)), True)
        save_file({each.name: _merged(each, layers) for each in shard}, path, metadata={"format": "pt"})
        files.append(describe(path, FOLDER))
        _store(transfers, files[-1:], go_on)
        path.unlink()
    _write_rest(folder, base_folder, loaded, shards)
    rest = [describe(path, FOLDER) for path in sorted(folder.iterdir())]
    _store(transfers, rest, go_on)
    return Merged((*files, *rest), precision)


def _count_start(folder: Path) -> None:
    """Count the starts beside the artefacts: a process that the kernel kills for memory must not try for ever."""
    note = folder.parents[1] / "merge.starts"
    if note.exists() and len(note.read_text()) >= MOST_STARTS:
        raise MergeRefusedError("the process ended in the middle of it twice, perhaps for want of memory")
    with note.open("a") as file:
        file.write(".")


def _store(transfers: Transfers, files: list[StoredFile], go_on: Callable[[], None]) -> None:
    for rounds_left in reversed(range(UPLOAD_ROUNDS)):
        go_on()
        try:
            transfers.upload(f"artifacts/{FOLDER}", files, attempts=UPLOAD_TRIES)
            break
        except UploadFailedError:
            if not rounds_left:
                raise


def _adapted_layers(loaded: Loaded) -> dict[str, Any]:
    """Layers with an adapter, under the name of the weight it changes."""
    return {
        f"{name}.weight": layer for name, layer in loaded.core.named_modules() if hasattr(layer, "lora_A")
    }


def _tensors(base_folder: Path) -> Iterator[_Tensor]:
    """Every tensor of the base model, from the headers of its files (8 bytes of length, then JSON)."""
    settings = json.loads((base_folder / "config.json").read_text(encoding="utf-8"))
    if "quantization_config" in settings:
        raise MergeRefusedError("the base model is published quantised")
    for path in sorted(base_folder.glob("*.safetensors")):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            start, end = entry["data_offsets"]
            yield _Tensor(name, path, end - start, entry["dtype"])


def _precision(tensors: list[_Tensor], layers: dict[str, Any]) -> str:
    """The precision of the weights that change; raises MergeRefusedError when they cannot be changed."""
    kinds = {tensor.name: tensor.kind for tensor in tensors}
    missing = sorted(set(layers) - set(kinds))
    if missing:
        raise MergeRefusedError(f"the base model's files do not hold {missing[0]} under that name")
    changed = {kinds[name] for name in layers}
    strange = sorted(changed - set(PRECISIONS))
    if strange:
        raise MergeRefusedError(f"the base model is published in {strange[0]}, which cannot be added to")
    return " and ".join(sorted(PRECISIONS[kind] for kind in changed))


def _shards(tensors: list[_Tensor]) -> list[list[_Tensor]]:
    """The tensors in files of at most SHARD_BYTES."""
    shards: list[list[_Tensor]] = [[]]
    filled = 0
    for tensor in tensors:
        if tensor.size_bytes > SHARD_BYTES:
            raise MergeRefusedError(f"{tensor.name} alone is larger than a stored file may be")
        if filled + tensor.size_bytes > SHARD_BYTES:
            shards.append([])
            filled = 0
        shards[-1].append(tensor)
        filled += tensor.size_bytes
    if len(shards) > MOST_SHARDS:
        raise MergeRefusedError(f"it would be {len(shards)} files, and at most {MOST_SHARDS} are stored")
    return shards


def _merged(tensor: _Tensor, layers: dict[str, Any]) -> torch.Tensor:
    """The tensor as it is, or with its adapter added: W + alpha / r * B A (Hu et al. 2021), summed in fp32."""
    with safe_open(tensor.path, "pt") as file:
        weight: torch.Tensor = file.get_tensor(tensor.name)
    layer = layers.get(tensor.name)
    if layer is None:
        return weight
    with torch.no_grad():
        down, up = (each["default"].weight.detach().float().cpu() for each in (layer.lora_A, layer.lora_B))
        change = layer.scaling["default"] * (up @ down)
        if layer.fan_in_fan_out:
            change = change.T
        merged: torch.Tensor = (weight.float() + change).to(weight.dtype).contiguous()
    return merged


def _shard_name(number: int, count: int) -> str:
    return "model.safetensors" if count == 1 else f"model-{number + 1:05d}-of-{count:05d}.safetensors"


def _write_rest(folder: Path, base_folder: Path, loaded: Loaded, shards: list[list[_Tensor]]) -> None:
    """Settings, tokenizer with chat template, and the index of several files."""
    for name in ("config.json", "generation_config.json"):
        if (base_folder / name).exists():
            shutil.copyfile(base_folder / name, folder / name)
    loaded.tokenizer.save_pretrained(folder)
    if len(shards) > 1:
        index = {
            "metadata": {"total_size": sum(each.size_bytes for shard in shards for each in shard)},
            "weight_map": {
                each.name: _shard_name(number, len(shards))
                for number, shard in enumerate(shards)
                for each in shard
            },
        }
        text = json.dumps(index, indent=2) + "\n"
        (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
