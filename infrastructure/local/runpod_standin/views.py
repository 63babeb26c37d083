"""Pods and bills as the API shows them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from runpod_standin import container, meter
from runpod_standin.ledger import Span
from runpod_standin.pods import Pods
from runpod_standin.records import ERROR, EXITED, PROVISIONING, RUNNING, STARTING, PodRecord

LEGAL_ACTIONS: dict[str, list[str]] = {
    PROVISIONING: ["stop", "terminate"],
    STARTING: ["stop", "terminate"],
    RUNNING: ["stop", "restart", "terminate"],
    EXITED: ["start", "terminate"],
    ERROR: ["start", "terminate"],
}


def rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pod_view(pods: Pods, record: PodRecord, now: datetime, ghost_status: str | None = None) -> dict[str, Any]:
    """Pod of the API. `ghost_status`: show this status, as a listing that lags behind a deletion does."""
    request = record.request
    status = ghost_status or record.status
    facts = pods.kinds[record.gpu_id].facts
    is_up = status == RUNNING and record.runtime_ready
    return {
        "id": record.id,
        "name": record.name,
        "image": request.get("image", ""),
        "args": request.get("args", ""),
        "disk": request.get("disk", 20),
        "ports": request.get("ports", []),
        "env": record.env,
        "registry": request.get("registry"),
        "status": status,
        "actions": LEGAL_ACTIONS.get(status, []),
        "mounts": request.get("mounts", {}),
        "gpu": {
            "id": record.gpu_id,
            "count": record.gpu_count,
            "vcpuCount": facts.get("vcpuCount", 8) * record.gpu_count,
            "memory": facts.get("ram", 64) * record.gpu_count,
        },
        "cloud": record.cloud,
        "dataCenterId": record.data_center_id,
        "cudaVersion": record.cuda_version,
        "ssh": _ssh(record, is_up),
        "template": None,
        "cost": float(pods.ledger.open_rate(record.id)),
        "locked": False,
        "globalNetworking": {"enabled": False},
        "runtime": _runtime(record, now) if is_up else None,
        "createdAt": rfc3339(record.created_at),
        "startedAt": rfc3339(record.started_at) if record.started_at else None,
    }


def _published_ports(record: PodRecord) -> list[dict[str, Any]]:
    shown = []
    for offset, port in enumerate(record.request.get("ports", [])):
        number, _, kind = port.partition("/")
        public = container.ssh_port(record) if number == "22" else container.ssh_port(record) + 10000 + offset
        shown.append({"private": int(number), "public": public, "type": kind, "ip": container.PUBLIC_IP})
    return shown


def _runtime(record: PodRecord, now: datetime) -> dict[str, Any]:
    return {
        "uptime": record.uptime_seconds(now),
        "gpus": [{"util": 0, "memoryUtil": 0} for _ in range(record.gpu_count)],
        "cpu": {"util": 0},
        "memory": {"util": 0},
        "ports": _published_ports(record),
    }


def _ssh(record: PodRecord, is_up: bool) -> dict[str, Any]:
    user = f"{record.id}-{record.sequence:08x}"
    proxy = {"host": "ssh.runpod.io", "port": 22, "username": user, "command": f"ssh {user}@ssh.runpod.io"}
    direct = None
    if is_up and "22/tcp" in record.request.get("ports", []):
        port = container.ssh_port(record)
        direct = {
            "host": container.PUBLIC_IP,
            "port": port,
            "username": "root",
            "command": f"ssh root@{container.PUBLIC_IP} -p {port}",
        }
    return {"proxy": proxy, "direct": direct}


def ledger_view(pods: Pods, record: PodRecord, now: datetime) -> dict[str, Any]:
    """What tests ask about a pod, also long after its end. Dollars and seconds are numbers."""
    spans = pods.ledger.spans(record.id)
    return {
        "id": record.id,
        "name": record.name,
        "status": record.status,
        "gpu_id": record.gpu_id,
        "gpu_count": record.gpu_count,
        "cloud": record.cloud,
        "created_at": rfc3339(record.created_at),
        "started_at": rfc3339(record.started_at) if record.started_at else None,
        "ended_at": rfc3339(record.ended_at) if record.ended_at else None,
        "price_usd_per_hour": float(pods.ledger.open_rate(record.id)),
        "cost_usd": float(round(meter.cost_usd(spans, now), 9)),
        "billed_seconds": float(meter.billed_seconds(spans, now)),
        "pid": record.pid,
        "restarts": record.restarts,
    }


def _amounts(total: Decimal) -> dict[str, float]:
    shown = float(round(total, 9))
    return {"totalAmount": shown, "gpuAmount": shown, "cpuAmount": 0.0, "diskAmount": 0.0}


def bill_view(
    spans: list[Span], bucket: str, start: datetime, end: datetime, now: datetime, pod_id: str | None
) -> dict[str, Any]:
    """ListPodBillingResponse over the buckets that begin in [start, end)."""
    records = []
    total = Decimal(0)
    for (owner, begins), amount in sorted(meter.by_bucket(spans, bucket, now).items()):
        if not start <= begins < end:
            continue
        total += amount
        borders = {"startTime": rfc3339(begins), "endTime": rfc3339(meter.bucket_end(begins, bucket))}
        records.append({**borders, "podId": owner, **_amounts(amount)})
    query = {"startTime": rfc3339(start), "endTime": rfc3339(end), "bucketSize": bucket}
    return {
        "records": records,
        "metadata": {
            "query": {**query, "podId": pod_id} if pod_id else query,
            "recordCount": len(records),
            "totals": _amounts(total),
            "uniquePodCount": len({record["podId"] for record in records}),
        },
    }
