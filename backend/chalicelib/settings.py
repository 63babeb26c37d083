"""Environment -> one frozen Settings, read on first use."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

# Seconds, but for the last. Every wait of the state machine and every threshold of the lifecycle; tests pass shorter
# ones.
DEFAULT_TIMINGS: Mapping[str, float] = {
    "agent_poll_seconds": 40,  # how often a pod that has not called home is looked at
    "provisioning_deadline_seconds": 1200,
    "heartbeat_seconds": 30,  # silence after which the pod is polled
    "silent_pod_deadline_seconds": 300,  # RUNNING but silent this long: replaced
    "preprocessing_deadline_seconds": 7200,
    "model_loading_deadline_seconds": 7200,
    "training_deadline_seconds": 345600,
    "finalization_deadline_seconds": 7200,
    "checkpoint_deadline_seconds": 600,
    "recovery_backoff_seconds": 5,
    "no_capacity_backoff_seconds": 60,
    "termination_poll_seconds": 5,
    "termination_handover_seconds": 60,
    "termination_alert_seconds": 300,
    "report_interval_seconds": 15,
    "watched_interval_seconds": 5,
    "dead_man_seconds": 900,
    "checkpoint_every_seconds": 300,
    "most_recoveries": 3,  # of pods that were lost, in one go; resuming starts anew
    "low_gpu_seconds": 900,  # GPU utilization below 20 % this long is warned of
    "billing_lag_seconds": 3600,  # the provider's bill for a pod is looked at so long after its end
    "billing_complete_seconds": 86400,  # a bill below our own count is believed only then
}


@dataclass(frozen=True, slots=True)
class Settings:
    version: str
    deployment: str
    table_prefix: str
    bucket: str
    state_machine_arn: str
    public_url: str
    report_url: str
    runpod_api_base_url: str
    runpod_key_parameter: str
    webhook_secret_parameter: str
    trainer_image: str
    network_volume_id: str | None
    user_pool_id: str
    user_pool_client_id: str
    owner_email: str
    mail_from: str
    alerts_topic_arn: str
    local_models: bool
    timings: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_TIMINGS))


def from_environment(env: Mapping[str, str]) -> Settings:
    """KeyError naming the variable when one is missing."""
    timings: dict[str, Any] = {**DEFAULT_TIMINGS, **json.loads(env.get("TIMINGS") or "{}")}
    return Settings(
        version=env.get("VERSION", "0.1.0"),
        deployment=env["DEPLOYMENT"],
        table_prefix=env["TABLE_PREFIX"],
        bucket=env["BUCKET"],
        state_machine_arn=env.get("STATE_MACHINE_ARN", ""),
        public_url=env["PUBLIC_URL"].rstrip("/"),
        # The functions that need it are told where the API itself is; the site forwards what pods send as well.
        report_url=(env.get("REPORT_URL") or env["PUBLIC_URL"]).rstrip("/"),
        runpod_api_base_url=env["RUNPOD_API_BASE_URL"],
        runpod_key_parameter=env["RUNPOD_KEY_PARAMETER"],
        webhook_secret_parameter=env["WEBHOOK_SECRET_PARAMETER"],
        trainer_image=env["TRAINER_IMAGE"],
        network_volume_id=env.get("NETWORK_VOLUME_ID") or None,
        user_pool_id=env["USER_POOL_ID"],
        user_pool_client_id=env["USER_POOL_CLIENT_ID"],
        owner_email=env["OWNER_EMAIL"],
        mail_from=env.get("MAIL_FROM", ""),
        alerts_topic_arn=env.get("ALERTS_TOPIC_ARN", ""),
        local_models=env.get("LOCAL_MODELS") == "true",
        timings=timings,
    )


@cache
def settings() -> Settings:
    return from_environment(os.environ)
