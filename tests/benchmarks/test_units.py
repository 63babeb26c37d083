"""The counting behind the published AWS bill, on invocations small enough to count by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from benchmarks.storm.prices import MONTHLY_USD, PRICES_USD, after_free_tier_usd, cost_usd
from benchmarks.storm.stage import most_at_once, share_at
from benchmarks.storm.units import TOKEN_EXTRA_BYTES, line_through, milliseconds, of_invocation, plus, times


def _invocation(*calls: dict[str, Any], **changes: Any) -> dict[str, Any]:
    line: dict[str, Any] = {
        "function": "lora-pipeline-SettleJob",
        "route": None,
        "job_id": "job_1",
        "memory_mb": 512,
        "cpu_milliseconds": 1.0,
        "log_lines": 2,
        "log_bytes": 100,
        "calls": list(calls),
    }
    return {**line, **changes}


def _write(operation: str, *items: tuple[str, int]) -> dict[str, Any]:
    listed = [{"table": f"lora-pipeline-{table}", "kind": "Put", "bytes": size} for table, size in items]
    return {"service": "dynamodb", "operation": operation, "written": listed}


def _read(operation: str, table: str, sizes: list[int], consistent: bool) -> dict[str, Any]:
    return {
        "service": "dynamodb",
        "operation": operation,
        "table": f"lora-pipeline-{table}",
        "consistent": consistent,
        "read_bytes": sizes,
    }


def _put() -> dict[str, Any]:
    return {"service": "s3", "operation": "PutObject"}


def test_time_is_cpu_time_on_a_share_of_a_core_and_a_while_for_each_call() -> None:
    line = _invocation(_read("GetItem", "jobs", [1], True), {"presigned": True, **_put()}, memory_mb=1769)
    assert milliseconds(line) == 1.0 + 10.0
    assert milliseconds(line | {"memory_mb": 1769 / 2}) == 2.0 + 10.0
    assert milliseconds(line | {"memory_mb": 10_000}) == 1.0 + 10.0
    assert milliseconds(line | {"function": "lora-pipeline-SweepPods"}) == 1.0 + 10.0 + 1000.0


def test_time_is_billed_by_the_started_millisecond_and_memory() -> None:
    units = of_invocation(_invocation(cpu_milliseconds=99.2, memory_mb=2048))
    assert units["lambda_gb_seconds"] == pytest.approx(0.1 * 2)
    assert units["api_requests"] == 0
    # Two lines of its own, three of the platform.
    assert units["log_bytes"] == 100 + 330 + 5 * 26


@pytest.mark.parametrize(
    ("call", "units"),
    [
        (_write("PutItem", ("events", 1)), 1),
        (_write("PutItem", ("events", 1025)), 2),
        (_write("TransactWriteItems", ("events", 1025), ("metrics", 10)), 6),
        (_write("PutItem", ("jobs", 2048)), 2 + 4 * 2),
        (_write("PutItem", ("notifications", 300)), 1 + 1),
        (_write("PutItem", ("progress", 1024 - TOKEN_EXTRA_BYTES)), 1),
        (_write("PutItem", ("progress", 1025 - TOKEN_EXTRA_BYTES)), 2),
    ],
)
def test_a_write_costs_a_unit_a_started_kilobyte_twice_in_a_transaction_and_again_in_each_index(
    call: dict[str, Any], units: float
) -> None:
    assert of_invocation(_invocation(call))["write_units"] == units


@pytest.mark.parametrize(
    ("call", "units"),
    [
        (_read("GetItem", "jobs", [4096], True), 1),
        (_read("GetItem", "jobs", [4097], True), 2),
        (_read("Query", "jobs", [3000, 3000], False), 1),
        (_read("Query", "jobs", [], False), 0.5),
    ],
)
def test_a_read_costs_a_unit_4_kilobytes_and_half_when_it_may_be_late(
    call: dict[str, Any], units: float
) -> None:
    assert of_invocation(_invocation(call))["read_units"] == units


@pytest.mark.parametrize(
    ("line", "traces"),
    [
        ({"route": "POST /webhooks/pods/{job_id}/events"}, 0.01),
        ({"route": "GET /api/health", "job_id": None}, 0.01),
        ({"route": "GET /api/jobs/{job_id}"}, 1.0),
        ({"job_id": None, "function": "lora-pipeline-ExpireUploads"}, 1.0),
        ({"job_id": None, "function": "lora-pipeline-SweepPods"}, 0.0),
        ({}, 0.0),
    ],
)
def test_traces_are_counted_as_the_template_samples_them(line: dict[str, Any], traces: float) -> None:
    assert of_invocation(_invocation(**line))["traces"] == traces


@pytest.mark.parametrize(
    ("route", "requests"),
    [
        ("POST /webhooks/pods/{job_id}/events", 0),
        ("GET /api/health", 0),
        ("GET /api/jobs/{job_id}", 1),
        (None, 0),
    ],
)
def test_what_pods_send_and_the_sweeper_asks_does_not_go_through_the_site(
    route: str | None, requests: float
) -> None:
    units = of_invocation(_invocation(route=route))
    assert units["cloudfront_requests"] == requests
    assert units["api_requests"] == float(route is not None)


def test_a_line_through_two_runs_tells_what_is_fixed_and_what_each_batch_adds() -> None:
    fixed, each = line_through({"a": 10.0, "b": 3.0}, {"a": 30.0, "b": 3.0}, 20, 60)
    assert (fixed, each) == ({"a": 0.0, "b": 3.0}, {"a": 0.5, "b": 0.0})
    assert plus(fixed, times(each, 100)) == {"a": 50.0, "b": 3.0}


def test_what_aws_gives_away_is_taken_off_each_kind_alone() -> None:
    assert cost_usd({"api_requests": 1e6})["api_requests"] == Decimal("3.5")
    month = {"lambda_requests": 1_500_000.0, "traces": 50_000.0, "alarms": 17.0}
    assert after_free_tier_usd(month) == PRICES_USD["lambda_requests"] * 500_000 + MONTHLY_USD["alarms"] * 7


def test_pods_that_follow_one_another_are_not_at_once() -> None:
    def pod(begin: int, end: int | None) -> dict[str, Any]:
        def at(second: int) -> str:
            return f"2026-11-26T07:00:{second:02d}.000Z"

        return {"created_at": at(begin), "ended_at": None if end is None else at(end)}

    assert most_at_once([pod(0, 5), pod(5, 9), pod(6, None)]) == 2
    assert most_at_once([]) == 0


def test_the_share_of_few_values_is_the_greatest() -> None:
    assert share_at([3.0, 1.0, 2.0], 0.95) == 3.0
    assert share_at([float(number) for number in range(100)], 0.95) == 95.0
    assert share_at([], 0.5) == 0.0
