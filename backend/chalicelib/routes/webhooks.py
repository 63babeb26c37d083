"""What pods post. The signature is checked against the secret of the very attempt the body names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap, telling
from chalicelib.domain.job_file import attempt_secret
from chalicelib.routes.http import Call, endpoint, parse_body
from chalicelib.routes.webhook_bodies import EventsBody, HelloBody, PodBody, UrlsBody
from chalicelib.settings import settings
from chalicelib.signatures import verify
from chalicelib.use_cases.greet_agent import greet_agent
from chalicelib.use_cases.issue_urls import issue_urls
from chalicelib.use_cases.record_events import Inbox, record_events
from chalicelib.use_cases.sample_price import sample_price

bp = Blueprint(__name__)


def _signed(call: Call, model: type[PodBody]) -> Any:
    """The parsed body of a call that its attempt signed."""
    body = parse_body(model, call.raw_body)
    master = bootstrap.secret(settings().webhook_secret_parameter)
    secret = attempt_secret(master, call.path["job_id"], body.attempt, body.fence)
    verify(secret, call.headers, call.raw_body, call.now)
    return body


@endpoint(
    bp, "POST", "/webhooks/pods/{job_id}/hello", role=None, raw=True, summary="An agent's process started"
)
def post_hello(call: Call) -> Mapping[str, Any]:
    body: HelloBody = _signed(call, HelloBody)
    return greet_agent(
        call.path["job_id"],
        body.attempt,
        body.fence,
        body.process,
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        workflow=bootstrap.workflow(),
        now=call.now,
    )


@endpoint(
    bp, "POST", "/webhooks/pods/{job_id}/events", role=None, raw=True, summary="A batch of trainer events"
)
def post_events(call: Call) -> Mapping[str, Any]:
    body: EventsBody = _signed(call, EventsBody)
    return record_events(
        call.path["job_id"],
        attempt=body.attempt,
        fence=body.fence,
        incarnation=body.incarnation,
        first_sequence=body.first_sequence,
        events=[event.model_dump(mode="json") for event in body.events],
        inbox=Inbox(
            jobs=bootstrap.jobs(),
            progress=bootstrap.progress(),
            files=bootstrap.files(),
            workflow=bootstrap.workflow(),
            started=lambda job: telling.teller(call.now)("job_started", job),
            warn=telling.warner(),
            look_at_price=lambda job_id: sample_price(
                job_id,
                jobs=bootstrap.jobs(),
                attempts=bootstrap.attempts(),
                progress=bootstrap.progress(),
                cloud=bootstrap.cloud(),
                warn=telling.warner(),
                now=call.now,
            ),
            timings=settings().timings,
        ),
        now=call.now,
    )


@endpoint(
    bp, "POST", "/webhooks/pods/{job_id}/urls", role=None, raw=True, summary="Presigned links for a pod"
)
def post_urls(call: Call) -> Mapping[str, Any]:
    body: UrlsBody = _signed(call, UrlsBody)
    return issue_urls(
        call.path["job_id"],
        attempt=body.attempt,
        fence=body.fence,
        uploads=[upload.model_dump() for upload in body.uploads],
        downloads=body.downloads,
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        files=bootstrap.files(),
    )
