"""RunPod's JSON and the domain's types. Unknown fields are ignored, missing ones tolerated, save the id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from chalicelib.adapters import runpod_values as values
from chalicelib.adapters.runpod_values import UnreadableReplyError
from chalicelib.domain.errors import ProviderRefusedRequest
from chalicelib.domain.gpu import GpuOffer, Pod, PodBill, PodRequest, PodStatus, Tier

# From RunPod's document: the body of a create request, environment included, may not be larger.
MAX_CREATE_BYTES = 102_400
NETWORK_VOLUME_PATH = "/workspace"

CLOUD_OF_TIER = {Tier.SPOT: "COMMUNITY", Tier.ON_DEMAND: "SECURE"}
_TIER_OF_CLOUD = {cloud: tier for tier, cloud in CLOUD_OF_TIER.items()}
_AVAILABILITIES = ("NONE", "LOW", "MEDIUM", "HIGH")


def create_body(request: PodRequest) -> bytes:
    """The body of POST /v2/pods. ProviderRefusedRequest when it is larger than RunPod accepts."""
    gpu: dict[str, Any] = {"id": request.gpu_id, "count": request.gpu_count}
    if request.min_cuda_version is not None:
        gpu["minCudaVersion"] = request.min_cuda_version
    body: dict[str, Any] = {
        "name": request.name,
        "image": request.image,
        "cloud": CLOUD_OF_TIER[request.tier],
        "gpu": gpu,
        "disk": request.disk_gb,
        "env": dict(request.env),
    }
    if request.data_center_ids:
        body["dataCenterIds"] = list(request.data_center_ids)
    if request.network_volume_id is not None:
        body["mounts"] = {"network": [{"volumeId": request.network_volume_id, "path": NETWORK_VOLUME_PATH}]}
    if request.args is not None:
        body["args"] = request.args
    encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    if len(encoded) > MAX_CREATE_BYTES:
        raise ProviderRefusedRequest(
            f"The create request has {len(encoded)} bytes and RunPod accepts {MAX_CREATE_BYTES}: "
            "shrink the job file or hand it over by URL."
        )
    return encoded


def pod(body: Any) -> Pod:
    """Raises UnreadableReplyError for what has no id: a pod that cannot be named cannot be deleted."""
    if not isinstance(body, Mapping) or not isinstance(body.get("id"), str) or not body["id"]:
        raise UnreadableReplyError("a pod without an id")
    gpu = values.mapping(body.get("gpu"))
    return Pod(
        id=body["id"],
        name=values.text(body.get("name")) or "",
        status=_status(body.get("status")),
        price_usd_per_hour=values.decimal(body.get("cost")) or Decimal(0),
        gpu_id=values.text(gpu.get("id")),
        gpu_count=values.integer(gpu.get("count")) or 1,
        tier=_TIER_OF_CLOUD.get(str(body.get("cloud"))),
        data_center_id=values.text(body.get("dataCenterId")),
        created_at=values.moment(body.get("createdAt")),
        started_at=values.moment(body.get("startedAt")),
        uptime_seconds=values.integer(values.mapping(body.get("runtime")).get("uptime")),
    )


def pods_page(body: Mapping[str, Any]) -> tuple[list[Pod], str | None]:
    """Pods of one page and the cursor of the next; None: this was the last. Raises UnreadableReplyError."""
    entries = body.get("pods")
    if not isinstance(entries, list):
        raise UnreadableReplyError("a listing without pods")
    pagination = values.mapping(body.get("pagination"))
    cursor = values.text(pagination.get("nextCursor")) or None
    if pagination.get("hasNextPage") and cursor is None:
        raise UnreadableReplyError("a listing with a next page and no cursor to it")
    has_next = pagination.get("hasNextPage", cursor is not None)
    return [pod(entry) for entry in entries], cursor if has_next else None


def offers(secure: Mapping[str, Any], community: Mapping[str, Any]) -> tuple[GpuOffer, ...]:
    """One offer per GPU type from the catalogue as asked for each cloud. Raises UnreadableReplyError."""
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for listing in (secure, community):
        entries = listing.get("gpus")
        if not isinstance(entries, list):
            raise UnreadableReplyError("a catalogue without gpus")
        for entry in entries:
            gpu_id = values.text(values.mapping(entry).get("id"))
            if gpu_id:
                by_id.setdefault(gpu_id, []).append(entry)
    return tuple(_offer(gpu_id, entries) for gpu_id, entries in by_id.items())


def _offer(gpu_id: str, entries: list[Mapping[str, Any]]) -> GpuOffer:
    facts = entries[0]
    prices = values.mapping(facts.get("price"))
    counts = values.mapping(facts.get("maxCount"))
    # The price of a cloud that does not carry the type is filled in all the same: the flags decide.
    on_cloud = {tier: facts.get(cloud.lower()) is True for tier, cloud in CLOUD_OF_TIER.items()}
    centers: dict[str, None] = {}
    for entry in entries:
        for center in values.items(entry.get("dataCenters")):
            name = values.text(values.mapping(center).get("id"))
            if name and values.mapping(center).get("availability") != "NONE":
                centers[name] = None
    return GpuOffer(
        gpu_id=gpu_id,
        name=values.text(facts.get("name")) or gpu_id,
        memory_gb=values.integer(facts.get("memory")) or 0,
        price_usd_per_hour={
            tier: (values.decimal(prices.get(cloud.lower())) or None) if on_cloud[tier] else None
            for tier, cloud in CLOUD_OF_TIER.items()
        },
        max_count={
            tier: (values.integer(counts.get(cloud.lower())) or 0) if on_cloud[tier] else 0
            for tier, cloud in CLOUD_OF_TIER.items()
        },
        availability=_best_availability(entry.get("availability") for entry in entries),
        data_center_ids=tuple(centers),
    )


def _best_availability(found: Iterable[Any]) -> str:
    ranks = [_AVAILABILITIES.index(level) for level in found if level in _AVAILABILITIES]
    return _AVAILABILITIES[max(ranks, default=0)]


def bill(body: Mapping[str, Any], pod_id: str) -> PodBill | None:
    """The sum over the pod's records; None when nothing is billed yet. Raises UnreadableReplyError."""
    records = body.get("records")
    if not isinstance(records, list):
        raise UnreadableReplyError("a bill without records")
    amounts = [
        values.decimal(record.get("totalAmount"))
        for record in records
        if isinstance(record, Mapping) and record.get("podId") == pod_id
    ]
    if not amounts:
        return None
    if any(amount is None for amount in amounts):
        raise UnreadableReplyError("a billing record without totalAmount")
    return PodBill(pod_id=pod_id, total_usd=sum((amount for amount in amounts if amount), Decimal(0)))


def log_line(event_data: str) -> str | None:
    """The text of one log event, with its source; None when it carries none."""
    try:
        event = json.loads(event_data)
    except ValueError:
        return None
    line = values.mapping(event).get("line")
    return f"[{values.mapping(event).get('source', 'container')}] {line}" if isinstance(line, str) else None


def _status(value: Any) -> PodStatus:
    try:
        return PodStatus(value)
    except ValueError:
        return PodStatus.UNKNOWN
