"""What job routes accept."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from chalicelib.domain.configure import ConfigurationRequest
from chalicelib.routes.http import Body, Query
from chalicelib.use_cases.create_job import Words

_MOST_TEXT = 5000


def decimal_text(value: Any) -> Any:
    """Money and other exact numbers travel as decimal strings; a float would already have lost cents."""
    if value is None or isinstance(value, str):
        return value
    raise ValueError('Money is written as a string, e.g. "7.50".')


Text = Annotated[StrictStr, Field(max_length=_MOST_TEXT)]
Id = Annotated[StrictStr, Field(max_length=200)]
Money = Annotated[
    Annotated[Decimal, Field(max_digits=12, decimal_places=4, allow_inf_nan=False)] | None,
    BeforeValidator(decimal_text),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class GpuBody(_Strict):
    type: Id
    count: Annotated[StrictInt, Field(ge=1, le=64)] = 1
    tier: Id


class Acknowledged(_Strict):
    configuration: StrictBool = False
    cost: StrictBool = False
    budget: StrictBool = False


class StartBody(Body):
    acknowledged: Acknowledged
    override_justification: Text | None = None


class EstimateBody(Body):
    dataset_id: Id
    preset_id: Id
    hyperparameters: dict[Id, Any] = Field(default_factory=dict, max_length=40)
    gpu: GpuBody
    base_model: Id
    seed: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)] = 42
    export_merged: StrictBool = False

    def as_configuration(self) -> ConfigurationRequest:
        return ConfigurationRequest(
            preset_id=self.preset_id,
            base_model_id=self.base_model,
            gpu_type=self.gpu.type,
            gpu_count=self.gpu.count,
            tier=self.gpu.tier,
            hyperparameters=self.hyperparameters,
            seed=self.seed,
            export_merged=self.export_merged,
        )


class AskEstimateBody(EstimateBody):
    """job_id: the draft this is about, which is no rival of itself and may go on from a checkpoint."""

    job_id: Id | None = None


class WordsBody(Body):
    name: Text | None = None
    description: Text | None = None
    notes: Text | None = None
    tags: list[Id] | None = Field(default=None, max_length=100)
    client_id: Id | None = None
    project_id: Id | None = None
    sample_questions: list[Text] | None = Field(default=None, max_length=20)
    stop_on_low_gpu: StrictBool | None = None

    def as_words(self) -> Words:
        return Words(
            self.name,
            self.description,
            self.notes,
            self.tags,
            self.client_id,
            self.project_id,
            self.sample_questions,
            self.stop_on_low_gpu,
        )


class CreateJobBody(WordsBody, EstimateBody):
    spend_cap_usd: Money = None
    start: StartBody | None = None


class EditJobBody(WordsBody):
    """Every field is optional; the configuration fields come together."""

    dataset_id: Id | None = None
    preset_id: Id | None = None
    hyperparameters: dict[Id, Any] | None = Field(default=None, max_length=40)
    gpu: GpuBody | None = None
    base_model: Id | None = None
    seed: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)] | None = None
    export_merged: StrictBool | None = None
    spend_cap_usd: Money = None


class CancelBody(Body):
    reason: Id
    notes: Annotated[StrictStr, Field(max_length=500)] | None = None
    confirmed: StrictBool


class ResumeGpuBody(_Strict):
    type: Id | None = None
    tier: Id | None = None


class ResumeBody(Body):
    """All of it may be left out: then the job goes on as it was."""

    gpu: ResumeGpuBody | None = None
    spend_cap_usd: Money = None


class LiveQuery(Query):
    cursor: Annotated[str, Field(max_length=400)] | None = None


class MetricsQuery(Query):
    cursor: Annotated[str, Field(max_length=400)] | None = None
    max_points: Annotated[int, Field(ge=10, le=20_000)] = 2000
    x: Annotated[str, Field(pattern="^(step|time|usd)$")] = "step"


class EventsQuery(Query):
    type: Annotated[str, Field(max_length=200)] | None = None
    search: Annotated[str, Field(max_length=200)] | None = None
    from_: Annotated[str | None, Field(max_length=40, alias="from")] = None
    to: Annotated[str, Field(max_length=40)] | None = None
    sort: Annotated[str, Field(pattern="^(asc|desc)$")] = "desc"
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class SequencesQuery(Query):
    """ids: two to four job ids between commas."""

    ids: Annotated[str, Field(max_length=400)]


class CompareQuery(SequencesQuery):
    cursor: Annotated[str, Field(max_length=2000)] | None = None
    max_points: Annotated[int, Field(ge=10, le=4000)] = 800
