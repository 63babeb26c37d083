"""What AWS bills, counted from metered invocations: requests, gigabyte-seconds, request units, log bytes.

DynamoDB by its documented rules: a write unit a started KB, twice in a transaction; a read unit 4 KB, half of it when
eventually consistent. A write counts again for each index of its table, and once more where its key there moves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

# What a write of an item costs again in the indexes of its table: 1 each, 2 where the item moves in it. Every change
# of a job moves it in `by_changed_at`; its status, which moves it in `by_status`, changes ten times in a job; in `by_dataset` it
# is while it is under way.
INDEX_WRITES: Mapping[str, int] = {
    "jobs": 4,
    "datasets": 1,
    "models": 1,
    "cost_records": 1,
    "audit_log": 1,
    "notifications": 1,
    "users": 1,
    "tokens": 1,
}
# The share of a core that a Lambda gets grows with its memory, up to a whole one. Time is not taken from the clock, which
# on a busy machine says how busy it is, but put together from CPU time and what calls take within a region.
MEMORY_OF_A_CORE_MB, AWS_CALL_MILLISECONDS = 1769, 10.0
# These ask the GPU provider as well, whose answers are not metered.
ASK_THE_PROVIDER = ("-SweepPods", "-ProvisionPod", "-PollPod", "-TerminatePod", "-RefreshCatalog")
PROVIDER_MILLISECONDS = 1000.0
# START, END and REPORT of each invocation, and what CloudWatch adds to each line.
PLATFORM_LINES, PLATFORM_BYTES, LINE_OVERHEAD_BYTES = 3, 330, 26
# A task token of Step Functions has some 800 characters more than the stand-in's. The progress row holds one, and
# compression makes no less of it than the 600 bytes that such characters stand for.
TOKEN_TABLE, TOKEN_EXTRA_BYTES = "progress", 600
S3_PUTS = {"PutObject", "ListObjectsV2", "CopyObject", "CreateMultipartUpload", "UploadPart"}
S3_GETS = {"GetObject", "HeadObject"}
# Share of webhooks that the template's sampling rule lets through, health checks among them; everything else that comes
# less than once a second is traced, but for the schedules of each minute, whose functions do not begin traces.
TRACED = 0.01
UNTRACED = ("-SweepPods", "-DispatchQueue")

Units = dict[str, float]


def of_invocations(lines: Iterable[Mapping[str, Any]]) -> Units:
    """Units of many invocations."""
    return plus(*(of_invocation(line) for line in lines))


def of_invocation(line: Mapping[str, Any]) -> Units:
    """Units of one invocation."""
    route = line["route"]
    requests = float(route is not None)
    lines = line["log_lines"] + PLATFORM_LINES
    own = {
        "api_requests": requests,
        "cloudfront_requests": 0.0 if _past_the_site(route) else requests,
        "traces": _traces(line),
        "lambda_requests": 1.0,
        "lambda_gb_seconds": math.ceil(milliseconds(line)) / 1000 * line["memory_mb"] / 1024,
        "log_bytes": float(line["log_bytes"] + PLATFORM_BYTES + lines * LINE_OVERHEAD_BYTES),
    }
    return plus(own, *(_of_call(call) for call in line["calls"]))


def _past_the_site(route: str | None) -> bool:
    """What pods and the sweeper ask: they call the API's own address, not the site's."""
    return route is not None and ("/webhooks/" in route or route.endswith("/api/health"))


def milliseconds(line: Mapping[str, Any]) -> float:
    """What an invocation takes on AWS: its CPU time on the share of a core it gets, and its calls one after the other."""
    share = min(1.0, line["memory_mb"] / MEMORY_OF_A_CORE_MB)
    calls = sum(not call.get("presigned") for call in line["calls"])
    provider = PROVIDER_MILLISECONDS if str(line["function"]).endswith(ASK_THE_PROVIDER) else 0.0
    return float(line["cpu_milliseconds"] / share + calls * AWS_CALL_MILLISECONDS + provider)


def _traces(line: Mapping[str, Any]) -> float:
    route = line["route"]
    if route is not None:
        return TRACED if _past_the_site(route) else 1.0
    # A step is traced with its execution, which counts once.
    return float(line["job_id"] is None and not str(line["function"]).endswith(UNTRACED))


def _of_call(call: Mapping[str, Any]) -> Units:
    service, operation = call["service"], call["operation"]
    if service == "dynamodb":
        return {"write_units": _writes(call), "read_units": _reads(call)}
    if service == "s3":
        return {"s3_puts": float(operation in S3_PUTS), "s3_gets": float(operation in S3_GETS)}
    if service == "sns":
        return {"notices": 1.0}
    return {"mails": 1.0} if operation == "SendEmail" else {}


def _writes(call: Mapping[str, Any]) -> float:
    factor = 2 if call["operation"] == "TransactWriteItems" else 1
    total = 0.0
    for item in call.get("written", ()):
        name = _table(item["table"])
        size = item["bytes"] + (TOKEN_EXTRA_BYTES if name == TOKEN_TABLE else 0)
        units = max(1, math.ceil(size / 1024))
        total += units * factor + units * INDEX_WRITES.get(name, 0)
    return total


def _reads(call: Mapping[str, Any]) -> float:
    if call["operation"] not in {"GetItem", "Query", "Scan", "BatchGetItem"}:
        return 0.0
    size = sum(call.get("read_bytes", ()))
    if _table(call["table"] or "") == TOKEN_TABLE:
        size += TOKEN_EXTRA_BYTES
    return float(max(1, math.ceil(size / 4096))) * (1.0 if call["consistent"] else 0.5)


def _table(name: str) -> str:
    """Without the deployment's prefix."""
    return name.rpartition("-")[2]


def times(units: Mapping[str, float], factor: float) -> Units:
    """So many of them."""
    return {kind: amount * factor for kind, amount in units.items()}


def plus(*parts: Mapping[str, float]) -> Units:
    """All together."""
    total: Units = {}
    for part in parts:
        for kind, amount in part.items():
            total[kind] = total.get(kind, 0.0) + amount
    return total


def line_through(
    shorter: Mapping[str, float], longer: Mapping[str, float], few: int, many: int
) -> tuple[Units, Units]:
    """(fixed, each): of two runs with few and many of something, what every run costs and what each one adds."""
    each = times(plus(longer, times(shorter, -1)), 1 / (many - few))
    return plus(shorter, times(each, -few)), each
