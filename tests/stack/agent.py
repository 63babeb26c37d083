"""Posts to the webhooks as the pod of an attempt would: signed bodies, one call at a time, as they are."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import httpx
from chalicelib.domain.job_file import attempt_secret
from chalicelib.signatures import sign

from tests.stack.world import World


class Agent:
    """The voice of the newest attempt of a job."""

    def __init__(self, world: World, job_id: str, attempt: int = 1) -> None:
        name = str(world.ledger(job_id)[-1]["name"])
        self.fence = name.rpartition("-")[2]
        self.attempt = attempt
        self._job_id = job_id
        self._url = f"{world.outputs['site_url']}/webhooks/pods/{job_id}"
        parameter = f"/{world.outputs['deployment']}/webhook-secret"
        reply = world.aws("ssm").get_parameter(Name=parameter, WithDecryption=True)
        self._master = str(reply["Parameter"]["Value"])

    def post(
        self,
        kind: str,
        body: dict[str, Any],
        at: int | None = None,
        signature: str | None = None,
        message_id: str | None = None,
    ) -> httpx.Response:
        """The reply to a body that is completed and signed for its attempt, unless told otherwise."""
        sent = {"attempt": self.attempt, "fence": self.fence, **body}
        content = json.dumps(sent).encode()
        stamp = int(time.time()) if at is None else at
        identity = message_id or str(uuid.uuid4())
        secret = attempt_secret(self._master, self._job_id, int(sent["attempt"]), str(sent["fence"]))
        headers = {
            "webhook-id": identity,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signature or sign(secret, identity, stamp, content),
            "Content-Type": "application/json",
        }
        return httpx.post(f"{self._url}/{kind}", content=content, headers=headers, timeout=30)
