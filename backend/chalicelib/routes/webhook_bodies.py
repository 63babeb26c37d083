"""What pods may post: the models behind contracts/{hello,trainer_event,urls}.schema.json, held to them by a test."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictInt, StrictStr

from chalicelib.routes.http import Body

Number = Annotated[float | None, Field(allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[StrictStr, Field(max_length=4000)]
Name = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,120}$")]
Sha256 = Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[StrictInt, Field(ge=0, le=10**15)]
# Far from the ends of the calendar, so that no time zone can push it over them.
Moment = Annotated[
    AwareDatetime, Field(ge=datetime(2020, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]
Share = Annotated[float, Field(ge=0, le=1)]
Stage = Literal["preprocessing", "model_loading", "training", "finalization"]


_DEEPEST = 20
_GREATEST = 10**30


def _storable(value: Any) -> Any:
    """The value, when every part of it can be stored and sent on: `1e999` is JSON and reads as infinity, and half of a
    surrogate pair is a string that no encoding can write."""
    rest: list[tuple[Any, int]] = [(value, 0)]
    while rest:
        part, depth = rest.pop()
        if depth > _DEEPEST:
            raise ValueError("is nested too deeply")
        if isinstance(part, dict):
            rest += [(each, depth + 1) for pair in part.items() for each in pair]
        elif isinstance(part, list):
            rest += [(each, depth + 1) for each in part]
        elif isinstance(part, str):
            part.encode("utf-8")
        elif isinstance(part, int | float) and not abs(part) <= _GREATEST:
            raise ValueError("contains a number that cannot be stored")
    return value


_MOST_SUMMARY_BYTES = 200_000


def _small(summary: dict[str, Any]) -> dict[str, Any]:
    """It lives in the progress row, and a row holds 400 KB at most."""
    if len(json.dumps(summary)) > _MOST_SUMMARY_BYTES:
        raise ValueError(f"must be at most {_MOST_SUMMARY_BYTES:,} bytes as JSON")
    return summary


Facts = Annotated[dict[str, Any], AfterValidator(_storable)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class FilePart(_Part):
    name: Name
    size_bytes: Count
    sha256: Sha256


class ArtifactPart(_Part):
    """A merged model keeps the names that transformers looks for, in a folder of its own."""

    name: Annotated[StrictStr, Field(pattern=r"^(merged/)?[A-Za-z0-9][A-Za-z0-9._-]{0,120}$")]
    size_bytes: Count
    sha256: Sha256


class StageEvent(_Part):
    type: Literal["stage"]
    at: Moment
    stage: Stage
    state: Literal["active", "completed"]
    message: Annotated[StrictStr, Field(max_length=500)]
    progress: Share
    data: Facts = Field(default_factory=dict)


class PlanEvent(_Part):
    type: Literal["plan"]
    at: Moment
    total_steps: Annotated[StrictInt, Field(ge=1)]
    steps_per_epoch: Annotated[StrictInt, Field(ge=1)]
    epochs: Annotated[StrictInt, Field(ge=1)]
    training_conversations: Count
    validation_conversations: Count
    training_tokens: Count
    training_pairs: Count | None = None
    supervised_tokens: Count | None = None
    truncated_conversations: Count | None = None
    skipped_conversations: Count | None = None
    micro_batch_size: Count | None = None


class MetricsEvent(_Part):
    type: Literal["metrics"]
    at: Moment
    step: Count
    epoch: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    training_loss: Number = None
    validation_loss: Number = None
    perplexity: Number = None
    learning_rate: Number = None
    grad_norm: Number = None
    tokens_per_second: Number = None
    gpu_utilization: Number = None
    gpu_memory_gb: Number = None
    gpu_memory_total_gb: Number = None
    cost_usd: Number = None


class CheckpointEvent(_Part):
    type: Literal["checkpoint"]
    at: Moment
    step: Count
    path: Annotated[StrictStr, Field(pattern=r"^checkpoints/step-[0-9]{6}$")]
    reason: Literal["interval", "pause", "finish", "cancel", "terminating"]
    files: Annotated[list[FilePart], Field(min_length=1, max_length=100)]
    upload_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    state_sha256: StrictStr | None = None


class ArtifactsEvent(_Part):
    type: Literal["artifacts"]
    at: Moment
    path: Literal["artifacts"]
    files: Annotated[list[ArtifactPart], Field(min_length=1, max_length=100)]
    summary: Annotated[dict[str, Any], AfterValidator(_storable), AfterValidator(_small)]


class ResumeEvent(_Part):
    type: Literal["resume_evidence"]
    at: Moment
    resumed_from_step: Count
    steps: Annotated[list[dict[StrictStr, Finite]], Field(max_length=1000)]
    state_sha256: StrictStr | None = None


class ToldEvent(_Part):
    type: Literal["info", "warning", "stopping"]
    at: Moment
    message: Annotated[StrictStr, Field(max_length=2000)]
    code: StrictStr | None = None
    data: Facts = Field(default_factory=dict)


class ErrorEvent(_Part):
    type: Literal["error"]
    at: Moment
    end_reason: Literal[
        "out_of_memory",
        "bad_dataset",
        "bad_configuration",
        "model_unavailable",
        "diverged",
        "upload_failed",
        "checkpoint_mismatch",
        "trainer_crashed",
        "disk_full",
    ]
    message: Text
    step: Count | None = None
    stack: Annotated[StrictStr, Field(max_length=20_000)] | None = None
    data: Facts = Field(default_factory=dict)


Event = Annotated[
    StageEvent
    | PlanEvent
    | MetricsEvent
    | CheckpointEvent
    | ArtifactsEvent
    | ResumeEvent
    | ToldEvent
    | ErrorEvent,
    Field(discriminator="type"),
]


class PodBody(Body):
    attempt: Annotated[StrictInt, Field(ge=1, le=10**6)]
    fence: Annotated[StrictStr, Field(max_length=100)]


class HelloBody(PodBody):
    trainer_version: Annotated[StrictStr, Field(max_length=200)]
    process: Annotated[StrictStr, Field(min_length=8, max_length=64)] | None = None
    image_digest: Annotated[StrictStr, Field(max_length=300)] | None = None
    gpu: Facts | None = None


class EventsBody(PodBody):
    incarnation: Annotated[StrictInt, Field(ge=1, le=10**6)]
    first_sequence: Count
    events: Annotated[list[Event], Field(max_length=500)]


class Upload(_Part):
    path: Annotated[
        StrictStr,
        Field(pattern=r"^(checkpoints/step-[0-9]{6}|artifacts(/merged)?)/[A-Za-z0-9][A-Za-z0-9._-]{0,120}$"),
    ]
    size_bytes: Annotated[StrictInt, Field(ge=0, le=5_000_000_000)]
    sha256: Sha256


Download = Annotated[
    StrictStr, Field(pattern=r"^(dataset|checkpoint/(step-[0-9]{6}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,120})$")
]


class UrlsBody(PodBody):
    uploads: Annotated[list[Upload], Field(max_length=50)]
    downloads: Annotated[list[Download], Field(max_length=50)]
