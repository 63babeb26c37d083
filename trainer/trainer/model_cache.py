"""Base models on disk: a complete folder per hub id and revision, fetched once and used offline
afterwards."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainer.config import BaseModel
from trainer.errors import DiskFullError, ModelUnavailableError

log = logging.getLogger(__name__)

TOKENIZER_FILES = [
    "tokenizer*",
    "special_tokens_map.json",
    "chat_template*",
    "vocab*",
    "merges.txt",
    "config.json",
    "*.model",
]
# Weights of other frameworks and the unconverted originals would double the download.
UNWANTED_FILES = ["*.pth", "*.h5", "*.msgpack", "*.onnx", "*.gguf", "original/*", "consolidated*", "*.bin"]


# Between two looks for a folder that another process is filling.
WAIT_SECONDS = 0.5


class ModelCache:
    """The folder on the network volume that holds base models. One that does not fetch waits for another
    process to do so."""

    def __init__(self, root: Path, base: BaseModel, fetches: bool = True) -> None:
        self._fetches = fetches
        self._root = root
        self._base = base
        self.folder = root / base.folder_name

    @property
    def complete(self) -> bool:
        """Whether the model is here. Folders are renamed into place when complete, so presence is enough."""
        return (self.folder / "config.json").exists()

    def tokenizer_folder(self) -> Path:
        """A folder with the tokenizer; fetches only its files when the model is not cached yet."""
        if self.complete or not self._fetches:
            return self.fetch()
        partial = self._root / f"{self._base.folder_name}.tokenizer"
        if not (partial / "config.json").exists():
            self._download(partial, allow=TOKENIZER_FILES)
        return partial

    def fetch(self) -> Path:
        """The model's folder, downloaded when it is not here. Raises ModelUnavailableError or
        DiskFullError."""
        while not self.complete and not self._fetches:
            threading.Event().wait(WAIT_SECONDS)
        if not self.complete:
            self._download(self.folder, ignore=UNWANTED_FILES)
            shutil.rmtree(self._root / f"{self._base.folder_name}.tokenizer", ignore_errors=True)
        return self.folder

    def _download(
        self, target: Path, allow: list[str] | None = None, ignore: list[str] | None = None
    ) -> None:
        import huggingface_hub

        # Per process, so that two pods filling the same volume never write into one folder; a
        # killed download's
        # folder is found again by nobody, so it is removed by the next one that succeeds.
        temporary = target.with_name(f"{target.name}.partial-{os.getpid()}")
        try:
            huggingface_hub.snapshot_download(
                self._base.hub_id,
                revision=self._base.revision,
                local_dir=temporary,
                allow_patterns=allow,
                ignore_patterns=ignore,
            )
            shutil.rmtree(temporary / ".cache", ignore_errors=True)
            temporary.rename(target)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if (target / "config.json").exists():
                return
            raise _explain(self._base, error) from error
        except Exception as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise _explain(self._base, error) from error


def _explain(base: BaseModel, error: Exception) -> Exception:
    import errno

    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return DiskFullError(
            f"There is no room for {base.name} on the model volume. Enlarge the volume or remove other "
            "models."
        )
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ModelUnavailableError(
        f"{base.name} ({base.hub_id} at {base.revision}) is not in the model cache and could not be "
        f"downloaded: {reason}. "
        "Check the model's name, revision and access terms on the hub, then retry the job.",
        hub_id=base.hub_id,
    )


class Lazy:
    """Makes a value when it is first asked for, and then keeps it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._value: Any = None

    def __call__(self) -> Any:
        """The value."""
        if self._value is None:
            self._value = self._make()
        return self._value


def load_tokenizer(folder: Path) -> Any:
    """The model's tokenizer, read from disk only."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
