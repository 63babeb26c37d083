"""Asking for a promotion and deciding it, as requests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.backend.identity.pool import Caller, Reply
from tests.backend.routes.site import Site

EXAMPLES = Path(__file__).resolve().parents[3] / "contracts" / "examples"
WHY = "The client presents these results on Friday morning and needs two days to check every answer by hand."
ASK = {"reason": "client_deadline", "justification": WHY}
LINK = re.compile(r"https://lora\.example/approvals/(apr_\w+)#decision=(approve|deny)&token=([\w-]+)")


def ask(site: Site, job_id: str, by: Caller | None = None, **changes: Any) -> Reply:
    return (by or site.dana).call("POST", f"/api/jobs/{job_id}/promotion", {**ASK, **changes})


def decide(site: Site, approval_id: str, by: Caller, decision: str = "approve", **more: Any) -> Reply:
    return by.call("POST", f"/api/approvals/{approval_id}/decision", {"decision": decision, **more})


def nobody(site: Site) -> Caller:
    return Caller(site.client)


def line(site: Site) -> list[str]:
    return [each["id"] for each in site.dana.call("GET", "/api/queue").data["queued"]]


def mails_to(site: Site, to: str) -> list[dict[str, str]]:
    return [mail for mail in site.world.notifier.mails if mail["to"] == to]


def token_for(site: Site, to: str) -> str:
    """Of the newest link that was mailed to this person."""
    links = LINK.findall("".join(mail["text"] for mail in mails_to(site, to)))
    return str(links[-1][2])
