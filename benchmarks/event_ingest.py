"""What one batch of trainer events costs in CPU, from the gateway's event to the reply. Prints one JSON line.

    python benchmarks/event_ingest.py [--quick]

A batch of fifteen points goes through the real application: Chalice's dispatch, body validation, signature, fold, one
write, reply. Stores are in memory, so this is our own work and says nothing about DynamoDB. The peer is the least that
any receiver does with the same body, in turns with ours in the same process: `json.loads` and pydantic validation.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backend")]

from app import app
from chalicelib import bootstrap
from chalicelib.routes.webhook_bodies import EventsBody
from chalicelib.settings import settings
from chalicelib.signatures import sign

from tests.backend.identity.world import ENVIRONMENT
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World

POINTS = 15
# Dispatch, one HMAC, the fold and one write may together cost three times what reading the body costs.
GOAL = {"ratio_to_parsing": 4.0}
RESOURCE = "/webhooks/pods/{job_id}/events"


class Context:
    """What AWS hands a Lambda beside its event, as far as the application looks."""

    aws_request_id = "benchmark"
    function_name = "APIHandler"
    memory_limit_in_mb = "1024"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:000000000000:function:APIHandler"


@contextmanager
def in_memory(world: World) -> Iterator[None]:
    """The application on the world's stores; everything is put back afterwards."""
    environment = {**ENVIRONMENT, "STATE_MACHINE_ARN": "arn:fake"}
    ports: dict[str, Any] = {
        "jobs": world.jobs,
        "progress": world.progress,
        "files": world.files,
        "workflow": world.machine,
        "clock": world.clock,
    }
    replaced = {name: getattr(bootstrap, name) for name in (*ports, "secret")}
    missing = {name for name in environment if name not in os.environ}
    kept = {name: os.environ[name] for name in environment if name in os.environ}
    os.environ.update(environment)
    settings.cache_clear()
    for name, port in ports.items():
        setattr(bootstrap, name, _giving(port))
    bootstrap.secret = lambda _parameter: "master"  # type: ignore[assignment]
    try:
        yield
    finally:
        for name, original in replaced.items():
            setattr(bootstrap, name, original)
        os.environ.update(kept)
        for name in missing:
            os.environ.pop(name, None)
        settings.cache_clear()


def _giving(port: Any) -> Callable[[], Any]:
    return lambda: port


def batch(trainer: Trainer, first_step: int) -> bytes:
    """A body as the trainer sends it: every value of a point that a GPU gives."""
    points = [
        trainer.point(
            step,
            learning_rate=1.8e-4,
            grad_norm=0.731 + step / 1e6,
            tokens_per_second=1912.4,
            gpu_utilization=94.0,
            gpu_memory_gb=68.2,
            gpu_memory_total_gb=80.0,
            cost_usd=1.2345,
        )
        for step in range(first_step, first_step + POINTS)
    ]
    body = {
        "attempt": trainer.attempt,
        "fence": trainer.fence,
        "incarnation": trainer.incarnation,
        "first_sequence": trainer.sequence,
        "events": points,
    }
    trainer.sequence += POINTS
    return json.dumps(body).encode()


def gateway_event(trainer: Trainer, body: bytes) -> dict[str, Any]:
    """What API Gateway makes of the signed request."""
    stamp = int(trainer.world.clock.now.timestamp())
    return {
        "resource": RESOURCE,
        "path": RESOURCE.replace("{job_id}", trainer.job_id),
        "httpMethod": "POST",
        "headers": {
            "content-type": "application/json",
            "webhook-id": f"msg_{trainer.sequence}",
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign(trainer.secret, f"msg_{trainer.sequence}", stamp, body),
        },
        "multiValueHeaders": {"content-type": ["application/json"]},
        "multiValueQueryStringParameters": None,
        "pathParameters": {"job_id": trainer.job_id},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": RESOURCE,
            "httpMethod": "POST",
            "path": RESOURCE,
            "requestId": "benchmark",
            "identity": {"sourceIp": "127.0.0.1"},
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def seconds_of(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, which other programs on the machine do not lengthen much."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def _accepted(reply: Any, expected_sequence: int) -> None:
    content = json.loads(reply["body"])
    if reply["statusCode"] != 200 or content["data"]["next_sequence"] != expected_sequence:
        raise RuntimeError(f"The batch was not taken: {reply['statusCode']} {reply['body']}")


def measure(batches: int) -> dict[str, Any]:
    """Medians over all batches of one job in training, ours and the peer's in turns."""
    world = World()
    trainer = Trainer(world, world.running()).hello()
    for stage in ("preprocessing", "model_loading"):
        trainer.stage(stage)
    trainer.stage("training", "active")
    ours: list[float] = []
    peers: list[float] = []
    with in_memory(world):
        for number in range(batches + 20):
            body = batch(trainer, 1 + number * POINTS)
            event = gateway_event(trainer, body)
            peer, _ = seconds_of(lambda body=body: EventsBody.model_validate(json.loads(body)))  # type: ignore[misc]
            own, reply = seconds_of(lambda event=event: app(event, Context()))  # type: ignore[misc]
            _accepted(reply, trainer.sequence)
            # The first ones build validators and routes; a warm Lambda has them.
            if number >= 20:
                peers.append(peer)
                ours.append(own)
    stored = sum(len(block.rows) for block in world.progress.blocks(trainer.job_id))
    if stored != (batches + 20) * POINTS:
        raise RuntimeError(f"{stored} points are stored, {(batches + 20) * POINTS} were sent.")
    median, least = statistics.median(ours), statistics.median(peers)
    return {
        "batches": batches,
        "points_per_batch": POINTS,
        "batch_milliseconds": round(median * 1000, 3),
        "parsing_milliseconds": round(least * 1000, 3),
        "events_per_second": round(POINTS / median),
        "ratio_to_parsing": round(median / least, 2),
    }


def main() -> int:
    """0 when the goal is met, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="300 batches instead of 3,000")
    figures = measure(300 if parser.parse_args().quick else 3000)
    met = all(figures[name] <= limit for name, limit in GOAL.items())
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    line = {"benchmark": "event_ingest", "figures": figures, "goal": GOAL, "met": met, "machine": machine}
    print(json.dumps(line))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
