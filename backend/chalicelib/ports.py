"""What use cases need from the outside, as Protocols. Adapters and fakes implement them; both pass one contract suite.

Every `save(after, expected=before)` is a conditional write: `expected=None` means "must not exist yet". Losing the race
raises `StaleWrite`; the caller rereads and decides again. Stores return frozen domain objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from chalicelib.domain.attempt import Attempt
from chalicelib.domain.dataset import Dataset
from chalicelib.domain.gpu import Capabilities, GpuOffer, Pod, PodBill, PodRequest
from chalicelib.domain.identity import ApiToken, User
from chalicelib.domain.job import Job
from chalicelib.domain.model import Model
from chalicelib.domain.notification import Notification
from chalicelib.domain.queue import Slots
from chalicelib.domain.termination import Termination
from chalicelib.ports_files import Files as Files
from chalicelib.ports_money import BudgetStore as BudgetStore
from chalicelib.ports_money import CostStore as CostStore
from chalicelib.ports_progress import ProgressStore as ProgressStore


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Now, aware UTC."""
        ...


class JobStore(Protocol):
    def get(self, job_id: str) -> Job | None: ...

    def save(self, after: Job, *, expected: Job | None) -> Job:
        """The saved job, its version raised by one."""
        ...

    def save_with_slots(
        self, after: Job, *, expected: Job, slots: Slots, expected_slots: Slots
    ) -> tuple[Job, Slots]:
        """Both or neither, in one transaction."""
        ...

    def slots(self) -> Slots: ...

    def delete(self, job: Job) -> None:
        """Leaves a tombstone in `changed_since` so that read models forget the job."""
        ...

    def by_status(self, status: str, limit: int = 1000) -> Sequence[Job]:
        """In the queue's order (`domain.queue.queue_key`): promoted ones, then oldest first, ties by id."""
        ...

    def under_way_with(self, dataset_id: str) -> Sequence[Job]:
        """Jobs that still need the dataset, by id."""
        ...

    def changed_since(self, changed_at: datetime | None, limit: int = 500) -> Sequence[Job | str]:
        """Jobs (or the id of a deleted one) whose `changed_at` is at or after the given time, oldest change first."""
        ...


class AttemptStore(Protocol):
    def get(self, job_id: str, number: int) -> Attempt | None: ...

    def of_job(self, job_id: str) -> Sequence[Attempt]: ...

    def save(self, after: Attempt, *, expected: Attempt | None) -> Attempt: ...


class DatasetStore(Protocol):
    def get(self, dataset_id: str) -> Dataset | None: ...

    def save(self, after: Dataset, *, expected: Dataset | None) -> Dataset: ...

    def all(self) -> Sequence[Dataset]:
        """Every dataset that is not deleted, newest first."""
        ...


class ModelStore(Protocol):
    def get(self, model_id: str) -> Model | None: ...

    def save(self, after: Model, *, expected: Model | None) -> Model: ...

    def all(self) -> Sequence[Model]:
        """Newest first."""
        ...


class UserStore(Protocol):
    def get(self, user_id: str) -> User | None: ...

    def by_email(self, email: str) -> User | None: ...

    def save(self, after: User, *, expected: User | None) -> User: ...

    def all(self) -> Sequence[User]: ...


class TokenStore(Protocol):
    def by_hash(self, token_hash: str) -> ApiToken | None: ...

    def of_user(self, user_id: str) -> Sequence[ApiToken]: ...

    def save(self, after: ApiToken, *, expected: ApiToken | None) -> ApiToken: ...

    def delete(self, token: ApiToken) -> None: ...


class NotificationStore(Protocol):
    def add(self, notification: Notification) -> bool:
        """False when one with this id exists already; nothing is changed then."""
        ...

    def of_user(
        self, user_id: str, *, unread: bool, limit: int, before: str | None
    ) -> Sequence[Notification]:
        """Newest first, with an id below `before`."""
        ...

    def unread_count(self, user_id: str) -> int: ...

    def mark_read(self, user_id: str, notification_id: str) -> bool:
        """False when there is none of this user."""
        ...

    def mark_all_read(self, user_id: str) -> int: ...


class TerminationStore(Protocol):
    """Pods that must go and are not gone yet: durable until the provider stops listing them."""

    def add(self, termination: Termination) -> None: ...

    def open(self) -> Sequence[Termination]: ...

    def close(self, termination: Termination) -> None: ...


class AuditLog(Protocol):
    def record(
        self,
        *,
        at: datetime,
        actor_id: str,
        action: str,
        subject: str,
        details: Mapping[str, Any],
        outcome: str = "success",
    ) -> None: ...


class SettingsStore(Protocol):
    """Small documents by name: prices, organisation settings, the door's canary."""

    def get(self, name: str) -> Mapping[str, Any] | None: ...

    def put(self, name: str, document: Mapping[str, Any]) -> None: ...

    def save(self, name: str, after: Mapping[str, Any], *, expected: Mapping[str, Any] | None) -> None: ...


class Replies(Protocol):
    """First replies by key, for a day."""

    def once(self, key: str, raw_body: bytes, produce: Callable[[], Any]) -> Any: ...


class GpuCloud(Protocol):
    def create(self, request: PodRequest) -> Pod: ...

    def get(self, pod_id: str) -> Pod | None: ...

    def list(self, name_prefix: str) -> tuple[Pod, ...]: ...

    def delete(self, pod_id: str) -> None: ...

    def catalogue(self) -> tuple[GpuOffer, ...]: ...

    def logs(self, pod_id: str, tail: int = 100) -> tuple[str, ...]: ...

    def billing(self, pod_id: str) -> PodBill | None: ...

    def capabilities(self) -> Capabilities: ...


class Workflow(Protocol):
    """The state machine. A token that is spent or unknown means "that wait is over" and is no error."""

    def start(self, job_id: str, run: int, timings: Mapping[str, Any]) -> None:
        """Idempotent by name `{job_id}-r{run}`."""
        ...

    def end_wait(self, token: str, output: Mapping[str, Any]) -> bool:
        """False when that wait is over."""
        ...

    def fail_wait(self, token: str, error: str, cause: str) -> bool: ...

    def heartbeat(self, token: str) -> bool: ...

    def is_running(self, job_id: str, run: int) -> bool: ...


class Notifier(Protocol):
    """Mail and topic. Best effort: a failure is logged, never raised."""

    def mail(self, *, to: str, subject: str, text: str) -> None: ...

    def alert_operations(self, *, subject: str, text: str) -> None: ...


class SignIn(Protocol):
    """E-mail and password against the user pool."""

    def sign_in(self, email: str, password: str) -> Mapping[str, Any]: ...

    def answer_new_password(self, email: str, session: str, new_password: str) -> Mapping[str, Any]: ...

    def refresh(self, refresh_token: str) -> Mapping[str, Any]: ...

    def sign_out(self, refresh_token: str) -> None: ...

    def forgot_password(self, email: str) -> None: ...

    def confirm_forgot_password(self, email: str, code: str, new_password: str) -> None: ...

    def verify(self, access_token: str) -> Mapping[str, Any]:
        """Claims of a valid token; NotSignedIn otherwise."""
        ...
