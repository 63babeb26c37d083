"""Watches a play: what is wrong for longer than it may be, and calls that should not have been made."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.domain.attempt import AttemptStatus
from chalicelib.domain.gpu import Pod, PodName
from chalicelib.domain.job import ACTIVE, Job, JobStatus
from chalicelib.domain.progress import decide

from tests.lifecycle.faults.effects import Effect

if TYPE_CHECKING:
    from tests.lifecycle.faults.play import Play

# A stray is found by the next sweep; one whose first delete fails, or whose birth was late, by one of those after it.
_STRAYS_GONE_WITHIN_SECONDS = 240
_SHOWN_RIGHT_WITHIN_SECONDS = 20
# A signal may be lost; the next words, the next silence or the next sweep make it good.
_AWAKE_WITHIN_SECONDS = 90
_AT_WORK = frozenset({JobStatus.PROVISIONING, JobStatus.RUNNING, JobStatus.RECOVERING})


def is_wanted(play: Play, pod: Pod) -> bool:
    """The pod that the job's present attempt means. Before its id is known, every pod of that name may be it."""
    name = PodName.parse(pod.name)
    job = play.world.jobs.rows.get(name.job_id) if name else None
    if name is None or job is None or name.attempt != job.attempt:
        return False
    attempt = play.world.attempts.rows.get((job.id, job.attempt))
    return (
        attempt is not None
        and attempt.fence == name.fence
        and attempt.status is not AttemptStatus.ENDED
        and attempt.pod_id in {None, pod.id}
    )


class Observer:
    """Nothing counts as lasting before `calm_since`: while much goes wrong at once, everything takes longer."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.asked_names: list[str] = []
        self.wrong_deletes: list[str] = []
        self.rented_for_nobody: list[str] = []
        self.shown_wrongly: list[str] = []
        self.old_strays: list[str] = []
        self.sleepers: list[str] = []
        self.taken: dict[tuple[str, int], str] = {}
        self._strays: dict[str, datetime] = {}
        self._shown: dict[str, datetime] = {}
        self._asleep: dict[str, datetime] = {}

    def watch(self, effect: Effect, arguments: tuple[Any, ...]) -> None:
        """A call that product code is about to make."""
        if effect.name == "cloud.create":
            self.asked_names.append(arguments[0].name)
            job = self._job_of(arguments[0].name)
            if job.status not in ACTIVE:
                self.rented_for_nobody.append(f"{arguments[0].name} was asked for, the job is {job.status}")
        elif effect.name == "cloud.delete":
            pod = self.play.world.cloud.billed_pods.get(arguments[0])
            if pod is not None and is_wanted(self.play, pod) and self._is_at_work(pod):
                self.wrong_deletes.append(f"{pod.name} was deleted at work")

    def _job_of(self, pod_name: str) -> Job:
        return next(self.play.job(each) for each in self.play.job_ids if f"-{each}-" in pod_name)

    def _is_at_work(self, pod: Pod) -> bool:
        job = self._job_of(pod.name)
        return job.ending is None and job.status in _AT_WORK

    def look(self) -> None:
        """After every tick."""
        for attempt in self.play.world.attempts.rows.values():
            if attempt.pod_id is not None:
                self.taken.setdefault((attempt.job_id, attempt.number), attempt.pod_id)
        self._note_strays()
        self._note_shown()
        self._note_sleepers()

    def _lasts(self, since: datetime, seconds: float) -> bool:
        calm_since = self.play.calm_since
        if calm_since is None:
            return False
        return (self.play.world.clock.now - max(since, calm_since)).total_seconds() >= seconds

    def _note_strays(self) -> None:
        now, billed = self.play.world.clock.now, self.play.world.cloud.billed_pods
        strays = [pod_id for pod_id, pod in billed.items() if not is_wanted(self.play, pod)]
        self._strays = {pod_id: self._strays.get(pod_id, now) for pod_id in strays}
        for pod_id, since in self._strays.items():
            if self._lasts(since, _STRAYS_GONE_WITHIN_SECONDS):
                self.old_strays.append(f"{billed[pod_id].name} is billed for nobody since {since:%H:%M:%S}")

    def _note_shown(self) -> None:
        now = self.play.world.clock.now
        shown = [job_id for job_id in self.play.job_ids if self._is_shown_wrongly(job_id)]
        self._shown = {job_id: self._shown.get(job_id, now) for job_id in shown}
        for job_id, since in self._shown.items():
            if self._lasts(since, _SHOWN_RIGHT_WITHIN_SECONDS + 1):
                self.shown_wrongly.append(f"{job_id} is shown running since {since:%H:%M:%S} without a GPU")

    def _is_shown_wrongly(self, job_id: str) -> bool:
        """Running, by its status, on an attempt that is known to have ended or has not said a word."""
        job = self.play.job(job_id)
        attempt = self.play.world.attempts.rows.get((job_id, job.attempt))
        row = self.play.world.progress.rows.get(job_id)
        if job.status is not JobStatus.RUNNING or job.ending is not None or attempt is None or row is None:
            return False
        return attempt.status is AttemptStatus.ENDED or (row.attempt == job.attempt and row.hello_at is None)

    def _note_sleepers(self) -> None:
        """With no fault at all, a wait ends at once."""
        now = self.play.world.clock.now
        patience_seconds = _AWAKE_WITHIN_SECONDS if self.play.injector.injected else 0
        asleep = {}
        for execution in self.play.world.machine.executions.values():
            row = self.play.world.progress.rows.get(str(execution.input["job_id"]))
            wait = execution.wait
            if row is None or wait is None or row.token != wait.token or decide(row, now) is None:
                continue
            asleep[wait.token] = since = self._asleep.get(wait.token, now)
            if self._lasts(since, patience_seconds):
                self.sleepers.append(f"{execution.name} sleeps in {execution.state} since {since:%H:%M:%S}")
        self._asleep = asleep
