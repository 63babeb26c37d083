"""Rows that are written all the time are billed by the KB, so their documents are kept compressed; old ones stay readable."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from typing import Any

import boto3
import pytest
from chalicelib.adapters.dynamo import documents
from chalicelib.adapters.dynamo.jobs import DynamoJobs
from chalicelib.adapters.dynamo.progress import DynamoProgress
from chalicelib.adapters.dynamo.tables import TABLES
from chalicelib.domain.metrics import PointBlock
from chalicelib.domain.progress import Progress, Reached, StageRecord

from tests.builders import a_job
from tests.contracts.conftest import PREFIX
from tests.fakes import START

pytestmark = pytest.mark.slow

JOB_ID = "job_0000000000000001"
UNIT_BYTES = 1024


@pytest.fixture
def dynamodb(aws: None) -> Any:
    for table in TABLES:
        documents.bind(table, PREFIX).create_table(billing_mode="PAY_PER_REQUEST", wait=True)
    return boto3.client("dynamodb")


def _item(dynamodb: Any, table: str, **key: Any) -> dict[str, Any]:
    found: dict[str, Any] = dynamodb.get_item(TableName=f"{PREFIX}-{table}", Key=key)["Item"]
    return found


def _point(step: int) -> dict[str, Any]:
    return {
        "step": step,
        "epoch": step / 700,
        "training_loss": 1.2345678 + step / 977,
        "learning_rate": 0.0002 / step,
        "grad_norm": 0.731 + step / 1013,
        "tokens_per_second": 1912.4 + step / 7,
        "gpu_utilization": 94.0,
        "gpu_memory_gb": 68.2,
        "cost_usd": step * 0.003173,
        "at": START.isoformat(),
    }


def _row_in_training() -> Progress:
    """As it is after hours, with a task token as long as those of AWS."""
    return Progress(
        JOB_ID,
        run=1,
        attempt=1,
        fence="abcd1234",
        token=secrets.token_urlsafe(600),
        waiting_for="AwaitTraining",
        reached=Reached.MODEL_LOADING,
        stages={
            name: StageRecord("completed", f"{name} done", 1.0, START, START)
            for name in ("preprocessing", "model_loading", "training")
        },
        latest=_point(4711),
        previous=_point(4710),
        pace=tuple((1795677111.25 + 15.01 * mark, 3 * mark) for mark in range(40)),
        plan={"total_steps": 14_400, "steps_per_epoch": 4_800, "epochs": 3, "training_tokens": 9_000_000},
    )


def test_a_progress_row_of_a_long_job_costs_two_write_units(dynamodb: Any) -> None:
    saved = DynamoProgress(PREFIX).save(_row_in_training(), expected=None)
    item = _item(dynamodb, "progress", job_id={"S": JOB_ID})
    assert "document" not in item
    assert len(item["packed"]["B"]) < 2 * UNIT_BYTES - 100
    assert DynamoProgress(PREFIX).get(JOB_ID) == saved


def test_a_block_of_points_is_packed_and_comes_back_equal(dynamodb: Any) -> None:
    rows = DynamoProgress(PREFIX)
    block = PointBlock(JOB_ID, 1, tuple(_point(step) for step in range(1, 16)))
    rows.save(_row_in_training(), expected=None, block=block)
    assert "packed" in _item(dynamodb, "metrics", job_id={"S": JOB_ID}, revision={"N": "1"})
    assert list(rows.blocks(JOB_ID)) == [block]


def test_a_small_document_stays_readable_in_a_console(dynamodb: Any) -> None:
    DynamoProgress(PREFIX).save(Progress(JOB_ID, run=3), expected=None)
    item = _item(dynamodb, "progress", job_id={"S": JOB_ID})
    assert json.loads(item["document"]["S"])["run"] == 3


def test_a_row_that_grows_and_shrinks_has_one_document_at_a_time(dynamodb: Any) -> None:
    jobs = DynamoJobs(PREFIX)
    small = jobs.save(a_job(), expected=None)
    large = jobs.save(replace(small, notes="x" * 5000), expected=small)
    key = {"S": large.id}
    assert "document" not in _item(dynamodb, "jobs", id=key)
    assert jobs.get(large.id) == large
    assert list(jobs.changed_since(None)) == [large]


def test_rows_of_an_older_version_are_read_and_written_on(dynamodb: Any) -> None:
    rows = DynamoProgress(PREFIX)
    before = rows.save(_row_in_training(), expected=None)
    plain = {"S": documents.dump(before)}
    item = {"job_id": {"S": JOB_ID}, "version_number": {"N": "1"}, "document": plain}
    dynamodb.put_item(TableName=f"{PREFIX}-progress", Item=item)
    assert rows.get(JOB_ID) == before
    after = rows.save(replace(before, step=7), expected=before)
    assert rows.get(JOB_ID) == after
    assert "document" not in _item(dynamodb, "progress", job_id={"S": JOB_ID})
