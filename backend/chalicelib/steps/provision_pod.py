"""State ProvisionPod: {job_id, run, timings} -> {attempt, pod_id, adopted}."""

from __future__ import annotations

import secrets
import time
from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap, telling
from chalicelib.domain.base_models import find
from chalicelib.observed import observed
from chalicelib.settings import settings
from chalicelib.use_cases.again import the_job
from chalicelib.use_cases.provision_pod import Desk, Landlord, provision_pod
from chalicelib.use_cases.read_track_record import read_track_record

bp = Blueprint(__name__)


@bp.lambda_function(name="ProvisionPod")
@observed("ProvisionPod")
def handler(event: dict[str, Any], context: Any) -> Any:
    return provision_pod(event["job_id"], int(event["run"]), desk=desk(), landlord=landlord(event["job_id"]))


def desk() -> Desk:
    return Desk(
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        attempts=bootstrap.attempts(),
        cloud=bootstrap.cloud(),
        clock=bootstrap.clock(),
        new_fence=lambda: secrets.token_hex(4),
        sleep=time.sleep,
        documents=bootstrap.documents(),
        notifier=bootstrap.notifier(),
    )


def landlord(job_id: str) -> Landlord:
    chosen = settings()
    model = find(the_job(bootstrap.jobs(), job_id).configuration.base_model_id)
    if model is None:
        raise KeyError("the base model left the catalogue")
    return Landlord(
        deployment=chosen.deployment,
        report_url=chosen.report_url,
        image=chosen.trainer_image,
        master_secret=bootstrap.secret(chosen.webhook_secret_parameter),
        network_volume_id=chosen.network_volume_id,
        timings=chosen.timings,
        offers=telling.offers(),
        base_model={
            "id": model.id,
            "name": model.name,
            "hub_id": model.hub_id,
            "revision": model.revision,
            "license": model.license,
            "context_length": model.context_length,
            "parameters": model.parameters,
        },
        record=read_track_record(
            jobs=bootstrap.jobs(), documents=bootstrap.documents(), now=bootstrap.clock()()
        ),
    )
