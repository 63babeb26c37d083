"""The models of the organisation: searched, sorted, one page."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.model import Model
from chalicelib.ports import ModelStore


@dataclass(frozen=True, slots=True)
class ModelPage:
    models: tuple[Model, ...]
    page: int
    limit: int
    total: int

    @property
    def total_pages(self) -> int:
        return -(-self.total // self.limit)


def list_models(*, models: ModelStore, sort: str, search: str, page: int, limit: int) -> ModelPage:
    """sort: created_at (newest first) or quality (best first, then newest).

    search: every word must occur in the model's, dataset's, job's or base model's name.
    """
    words = search.casefold().split()
    found = [model for model in models.all() if all(word in _text(model) for word in words)]
    found.sort(key=lambda model: (model.created_at, model.id), reverse=True)
    if sort == "quality":
        found.sort(key=lambda model: model.quality.score, reverse=True)
    start = (page - 1) * limit
    return ModelPage(tuple(found[start : start + limit]), page, limit, len(found))


def _text(model: Model) -> str:
    names = (model.name, model.dataset.name, model.job_name, model.base_model.name)
    return "\n".join(names).casefold()
