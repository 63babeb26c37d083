"""What a refusal from RunPod means, in the words of the domain.

Rows follow RunPod's REST v2 document and what its users have recorded; texts of the older APIs are
recognised too, because the same back end writes them.
"""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from chalicelib.domain.errors import (
    NoCapacity,
    ProviderAccessDenied,
    ProviderBalanceTooLow,
    ProviderError,
    ProviderKeyRefused,
    ProviderRefusedRequest,
    ProviderReplyLost,
    ProviderThrottled,
    ProviderUnavailable,
)

_NO_CAPACITY = re.compile(
    r"no longer any instances available"
    r"|no instances (are )?currently available"
    r"|does not have the resources to deploy your pod"
    r"|SUPPLY_CONSTRAINT",
    re.IGNORECASE,
)
_NO_FUNDS = re.compile(
    r"account balance is too low|INSUFFICIENT_BALANCE|spend(ing)? limit|insufficient (funds|balance|credit)",
    re.IGNORECASE,
)
_MISSING_SCOPE = re.compile(r"scope|permission|api key", re.IGNORECASE)
_EDGE = re.compile(r"error code: 10\d\d")
_LONGEST_QUOTE = 300


def said(reply: httpx.Response) -> str:
    """What the reply says, cut to quote: a problem's detail and errors, or the start of the text."""
    problem = _problem(reply)
    parts: list[str] = []
    if problem is not None:
        parts = [str(problem[key]) for key in ("detail", "error", "message") if problem.get(key)][:1]
        errors = problem.get("errors")
        if isinstance(errors, list):
            parts += [str(error) for error in errors]
    text = "; ".join(parts) or reply.text.strip()
    return text[:_LONGEST_QUOTE]


def says_gone(reply: httpx.Response) -> bool:
    """A 404 from the API itself. A page from some proxy proves nothing about a pod that costs money."""
    return reply.status_code == 404 and (not reply.content or _problem(reply) is not None)


def of_create(reply: httpx.Response, retry_after_seconds: float | None) -> ProviderError:
    """The error for a create that was not answered with 2xx."""
    text = said(reply)
    status = reply.status_code
    if status in (400, 500) and _NO_CAPACITY.search(text):
        return NoCapacity(f"RunPod has no such machine free: {text}", {"status": status, "recognised": True})
    if status == 402 or (status in (400, 500) and _NO_FUNDS.search(text)):
        return ProviderBalanceTooLow(
            f"RunPod refuses new pods for lack of funds: {text} "
            "Add credit or raise the spend limit in the RunPod console."
        )
    if status >= 500 or status == 408:
        return ProviderReplyLost(
            f"RunPod answered {status} to create ({text}). "
            "A pod may exist and cost money: look for it by name before anything else."
        )
    if status == 400:
        # Definite, and another candidate may do. When every candidate answers so, our request is wrong.
        return NoCapacity(f"RunPod refuses this combination: {text}", {"status": status, "recognised": False})
    if status == 403 and not _EDGE.search(text) and not _MISSING_SCOPE.search(text):
        return ProviderAccessDenied(f"RunPod does not let this account use this GPU pool: {text}")
    return _of_any(reply, text, retry_after_seconds, "create")


def of_repeatable(reply: httpx.Response, call: str, retry_after_seconds: float | None) -> ProviderError:
    """The error for a call that can be repeated without harm. `call`: like "GET /pods"."""
    text = said(reply)
    if reply.status_code >= 500 or reply.status_code in (404, 408):
        # A 404 only comes here when it is not RunPod's own.
        return ProviderUnavailable(f"RunPod answered {reply.status_code} to {call}: {text}")
    return _of_any(reply, text, retry_after_seconds, call)


def _of_any(reply: httpx.Response, text: str, retry_after_seconds: float | None, call: str) -> ProviderError:
    """Statuses that mean the same on every call."""
    status = reply.status_code
    if status == 401:
        return ProviderKeyRefused(
            f"RunPod refuses the account key: {text}. Put a working key into the secret and try again."
        )
    if status == 429:
        return ProviderThrottled(f"RunPod asks for fewer calls: {text}", retry_after_seconds)
    if status == 403 and _EDGE.search(text):
        return ProviderRefusedRequest(
            f"RunPod's edge turned the client away ({text}): it wants a User-Agent of its own, set one."
        )
    if status == 403:
        return ProviderKeyRefused(
            f"The account key may not do this ({call}): {text}. Give the key full access to pods and billing."
        )
    if status == 413:
        return ProviderRefusedRequest(
            f"The request is larger than RunPod accepts ({text}): shrink the environment or arguments."
        )
    return ProviderRefusedRequest(f"RunPod refuses {call} with {status}: {text}", {"status": status})


def _problem(reply: httpx.Response) -> dict[str, Any] | None:
    try:
        body = json.loads(reply.content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
