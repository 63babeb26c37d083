"""One model by its id."""

from __future__ import annotations

import re

from chalicelib.domain.errors import NotFound
from chalicelib.domain.model import Model
from chalicelib.ports import ModelStore

_ID = re.compile(r"mdl_[0-9a-z]{1,40}")


def read_model(model_id: str, *, models: ModelStore) -> Model:
    """NotFound for an id that names nothing, also for one that cannot be an id at all."""
    model = models.get(model_id) if _ID.fullmatch(model_id) else None
    if model is None:
        raise NotFound("There is no model with this id. It may have been deleted.")
    return model
