"""What happens when a file lands in storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap
from chalicelib.domain.dataset import dataset_id_of
from chalicelib.observed import observed
from chalicelib.use_cases.validate_dataset import validate_dataset

bp = Blueprint(__name__)

SPARE_MILLISECONDS = 20_000  # left to write the verdict before the Lambda is ended


@bp.lambda_function(name="ValidateDataset")
@observed("ValidateDataset")
def check_arrived_files(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """event: S3's notification, or {"dataset_id"} from the sweeper for a file whose notification was lost."""
    return {"datasets": {dataset_id: check(dataset_id, context) for dataset_id in dataset_ids_of(event)}}


def check(dataset_id: str, context: Any) -> str | None:
    """The dataset's status after its file was checked; None when there is no such dataset."""
    dataset = validate_dataset(
        dataset_id,
        datasets=bootstrap.datasets(),
        files=bootstrap.files(),
        clock=bootstrap.clock(),
        is_out_of_time=lambda: remaining_milliseconds(context) < SPARE_MILLISECONDS,
    )
    return None if dataset is None else dataset.status.value


def dataset_ids_of(event: Mapping[str, Any]) -> list[str]:
    """Ids in the order they came, each once. Keys in notifications are URL-encoded."""
    if "dataset_id" in event:
        return [str(event["dataset_id"])]
    keys = [unquote_plus(str(record["s3"]["object"]["key"])) for record in event.get("Records", [])]
    found = [dataset_id for key in keys if (dataset_id := dataset_id_of(key)) is not None]
    return list(dict.fromkeys(found))


def remaining_milliseconds(context: Any) -> int:
    asked = getattr(context, "get_remaining_time_in_millis", None)
    return int(asked()) if asked is not None else 900_000
