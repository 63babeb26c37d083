"""Short-lived links to a model's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.model import ModelFile
from chalicelib.ports import Files, ModelStore
from chalicelib.use_cases.read_model import read_model

LINK_SECONDS = 900


@dataclass(frozen=True, slots=True)
class FileLink:
    file: ModelFile
    url: str


def download_model(
    model_id: str, names: Sequence[str] | None, *, models: ModelStore, files: Files
) -> tuple[FileLink, ...]:
    """Links to the named files, or to all when names is None; each works for 15 minutes.

    A file of the merged model is saved under its own name, without the folder: that is the name programs look for.

    NotFound without the model, ValidationFailed for a name it has no file of.
    """
    model = read_model(model_id, models=models)
    by_name = {file.name: file for file in model.files}
    wanted = list(by_name) if names is None else list(dict.fromkeys(names))
    if not wanted or any(name not in by_name for name in wanted):
        raise ValidationFailed({"files": [f"Choose one or more of: {', '.join(by_name)}."]})
    return tuple(
        FileLink(
            by_name[name],
            files.download_link(
                by_name[name].key,
                expires_in_seconds=LINK_SECONDS,
                file_name=name.rpartition("/")[2],
            ),
        )
        for name in wanted
    )
