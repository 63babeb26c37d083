"""The one error tree. Class names are the state machine's vocabulary; `code` is the API's machine word.

Adapters translate vendor errors into these, steps let them fly, routes map them to HTTP in `routes/http.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class AppError(Exception):
    """Base of everything this application raises on purpose.

    message: a sentence a user can read, saying what is wrong and what to do.
    details: JSON-ready extra facts; for `ValidationFailed` a map field -> messages.
    """

    code = "internal_error"

    def __init__(self, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


# --- what a caller did ------------------------------------------------------------------------------------


class MalformedRequest(AppError):
    """The request cannot be read at all: not JSON, not an object, a broken parameter."""

    code = "malformed_request"


class NotSignedIn(AppError):
    code = "not_signed_in"


class NotAllowed(AppError):
    code = "not_allowed"


class NotFound(AppError):
    code = "not_found"


class WrongStatus(AppError):
    """The state of the thing does not allow it now."""

    code = "wrong_status"


class BudgetExceeded(WrongStatus):
    """What the job may cost does not fit what is left of this month's budget; details: the figures."""

    code = "budget_exceeded"


class StaleWrite(AppError):
    """Someone else wrote first. Reread and decide again."""

    code = "stale_write"


class StaleAttempt(AppError):
    """Events of an attempt that is no longer the job's current one."""

    code = "stale_attempt"


class PayloadTooLarge(AppError):
    code = "payload_too_large"


class ValidationFailed(AppError):
    """The request is well formed and asks for something that cannot be had."""

    code = "validation_failed"

    def __init__(
        self, fields: Mapping[str, Sequence[str]], message: str = "Some fields need attention."
    ) -> None:
        super().__init__(message, {name: list(messages) for name, messages in fields.items()})


class TooManyRequests(AppError):
    code = "too_many_requests"


class ServiceUnavailable(AppError):
    """Something we depend on is down; trying again later is right."""

    code = "service_unavailable"


class StorageUnavailable(ServiceUnavailable):
    code = "storage_unavailable"


# --- the GPU provider -------------------------------------------------------------------------------------


class ProviderError(AppError):
    code = "provider_error"


class ProviderThrottled(ProviderError):
    """429. `retry_after_seconds` is what the provider asked for."""

    code = "provider_throttled"

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ProviderUnavailable(ProviderError):
    """5xx, timeout or reset on a call that is safe to repeat."""

    code = "provider_unavailable"


class ProviderReplyLost(ProviderError):
    """5xx, timeout or reset on create: a billing pod may exist. List by name before anything else."""

    code = "provider_reply_lost"


class NoCapacity(ProviderError):
    """A definite refusal to create: nothing was rented, another candidate may do."""

    code = "no_capacity"


class ProviderRefusedRequest(ProviderError):
    """Our request is wrong (422, 413, or 400 from every candidate). Retrying cannot help."""

    code = "provider_refused_request"


class ProviderBalanceTooLow(ProviderError):
    """402: the whole account is out of funds. Walk no fallbacks."""

    code = "provider_balance_too_low"


class ProviderKeyRefused(ProviderError):
    """401, or a scope missing: the account key does not work."""

    code = "provider_key_refused"


class ProviderAccessDenied(ProviderError):
    """403 for one GPU pool: skip the candidate."""

    code = "provider_access_denied"


class PodStillListed(ProviderError):
    """Deleted and still billed: look again in a few seconds."""

    code = "pod_still_listed"


# --- how a run ends: names the state machine matches --------------------------------------------------------


class RunEnded(AppError):
    """Base of the reasons that take a run straight to termination."""

    code = "run_ended"


class JobCancelled(RunEnded):
    code = "job_cancelled"


class PauseRequested(RunEnded):
    code = "pause_requested"


class PodInterrupted(RunEnded):
    """The provider told the pod that it takes it away: recovered at once, without waiting for silence."""

    code = "pod_interrupted"


class PodCannotStart(RunEnded):
    """The provider's log says that no machine will ever start this pod."""

    code = "pod_cannot_start"


class TrainingFinished(RunEnded):
    """The trainer was done before it heard of the pause."""

    code = "training_finished"


class HardCapReached(RunEnded):
    """The spend cap itself is reached: no more second is bought."""

    code = "hard_cap_reached"


class TrainingFailed(RunEnded):
    """The trainer reported an error; its end reason is in the job's progress."""

    code = "training_failed"


class JobAlreadyEnding(RunEnded):
    """A restarted run of a job whose ending is written: only terminate and settle."""

    code = "job_already_ending"


class PodLostTooOften(RunEnded):
    code = "pod_lost_too_often"


class DeadlinePassed(RunEnded):
    """A stage, provisioning or a checkpoint took longer than its deadline."""

    code = "deadline_passed"


class ArtifactsIncomplete(RunEnded):
    """A file the trainer announced is missing or differs in storage."""

    code = "artifacts_incomplete"
