"""What must hold after any disturbance, seen from outside: the API on one side, the provider's books on the other.

`check` looks at one job that has ended, `check_stack` at what belongs to no job. Each returns what it looked at and
what is wrong. Money: the API knows when a pod ended only from its next look, so a pod's cost may differ from the ledger's
by one minute of its rate, which is how often the provider's list is read in any case (`POLL_SECONDS`); the greatest
difference seen is a figure of the report.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from tests.stack.breakage import holders, processes_of
from tests.stack.simulated_script import MARK, WEIGHTS, chain, weights_of
from tests.stack.waiting import wait_until
from tests.stack.world import World

POLL_SECONDS = 60
# A cost is shown in cents, below ten cents in hundredths of a cent.
SHOWN_USD = Decimal("0.01")
# The sweeper runs once a minute and leaves a claim or signal of the last 45 s alone.
SWEEP_SECONDS = 60 + 45
BILLED = {"PROVISIONING", "STARTING", "RUNNING"}
# Errors that the domain names fly out of a step with a bare trace of the runtime; what nobody named is logged as an error.
ERROR_MARKS = ('"level":"ERROR"', '"level":"CRITICAL"', "Task timed out", "ImportModuleError")


@dataclass(frozen=True)
class End:
    """How a job must end. also: other endings that are right, as (status, end reason). pods: least and most that were
    rented. stray: how many of them may belong to no attempt, because the reply that told of them was lost. off_seconds: how
    much of a pod's rate the API may be off by."""

    status: str = "completed"
    reason: str = "completed"
    pods: tuple[int, int] = (1, 1)
    stray: int = 0
    off_seconds: int = POLL_SECONDS
    resumed: bool = False
    also: tuple[tuple[str, str], ...] = ()


@dataclass
class Checked:
    """What was looked at, what was wrong with it, and the figures that go into a report."""

    invariants: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seconds_off: float = 0.0
    overlap_seconds: float = 0.0

    def hold(self, invariant: str, is_so: bool, otherwise: object) -> None:
        """Note one invariant."""
        if invariant not in self.invariants:
            self.invariants.append(invariant)
        if not is_so:
            self.violations.append(f"{invariant}: {otherwise}")

    def add(self, other: Checked) -> None:
        """Take over what was checked elsewhere."""
        self.invariants += [name for name in other.invariants if name not in self.invariants]
        self.violations += other.violations
        self.seconds_off = max(self.seconds_off, other.seconds_off)
        self.overlap_seconds = max(self.overlap_seconds, other.overlap_seconds)


def check(world: World, job_id: str, end: End) -> Checked:
    """Everything that must hold of one job that has ended."""
    checked = Checked()
    job, pods = world.api.job(job_id), world.ledger(job_id)
    said = (job["status"], job["end_reason"])
    endings = {(end.status, end.reason), *end.also}
    checked.hold("right ending", said in endings, f"{said} {job['status_sentence']} {job['error']}")
    checked.hold("pods rented", end.pods[0] <= len(pods) <= end.pods[1], f"{len(pods)}, not {end.pods}")
    last = job["attempts"][-1] if job["attempts"] else {}
    if end.resumed:
        checked.hold("resumed from a checkpoint", bool(last.get("resumed_from_step")), last)
    check_books(checked, job, pods, end)
    _nothing_left(checked, world, job, pods)
    _curve(checked, world, job)
    if job["status"] == "completed":
        _result(checked, world, job)
    return checked


def check_books(checked: Checked, job: Mapping[str, Any], pods: list[dict[str, Any]], end: End) -> None:
    """Every billed second belongs to an attempt, and both sides come to the same sum."""
    attempts = {each["pod_id"]: each for each in job["attempts"] if each["pod_id"]}
    unexplained = [pod for pod in pods if pod["billed_seconds"] > 0 and pod["id"] not in attempts]
    checked.hold("no unexplained pod-second", len(unexplained) <= end.stray, unexplained)
    known = [pod for pod in pods if pod["id"] in attempts]
    for pod in known:
        attempt = attempts[pod["id"]]
        rate = Decimal(attempt["hourly_rate_usd"]) or Decimal(1)
        off = abs(Decimal(attempt["cost_usd"]) - Decimal(str(pod["cost_usd"])))
        # A rate of 0 is the last sample of a pod that is no longer billed; then the sum below is what counts.
        if Decimal(attempt["hourly_rate_usd"]):
            checked.seconds_off = max(checked.seconds_off, float(off * 3600 / rate))
            allowed = rate * end.off_seconds / 3600 + SHOWN_USD
            checked.hold("cost of each pod within one poll of the meter", off <= allowed, (attempt, pod))
    billed = sum((Decimal(str(pod["cost_usd"])) for pod in known), Decimal(0))
    dearest = max((Decimal(each["hourly_rate_usd"]) for each in attempts.values()), default=Decimal(0))
    allowed = dearest * end.off_seconds * len(known) / 3600 + SHOWN_USD
    off = abs(Decimal(job["cost"]["spent_usd"]) - billed)
    checked.hold("sum of the job within one poll per pod", off <= allowed, f"{job['cost']} {billed}")
    checked.overlap_seconds = overlap_seconds(pods)
    checked.hold(
        "one billed pod at a time beyond the sweeper's grace",
        checked.overlap_seconds <= SWEEP_SECONDS,
        f"{checked.overlap_seconds:.0f} s",
    )


def overlap_seconds(pods: Iterable[Mapping[str, Any]]) -> float:
    """How long more than one of them was billed."""
    edges = []
    for pod in pods:
        begins = datetime.fromisoformat(pod["created_at"]).timestamp()
        edges += [(begins, 1), (begins + pod["billed_seconds"], -1)]
    total = at_once = last = 0.0
    for moment, change in sorted(edges):
        if at_once > 1:
            total += moment - last
        at_once, last = at_once + change, moment
    return total


def _nothing_left(checked: Checked, world: World, job: Mapping[str, Any], pods: list[dict[str, Any]]) -> None:
    job_id = str(job["id"])
    billed = [pod for pod in pods if pod["status"] in BILLED]
    checked.hold("no pod billed any more", not billed, billed)
    checked.hold("cost stands still", job["cost"]["accruing"] is False, job["cost"])
    checked.hold("slot free", job_id not in holders(world), "still held")
    left = _comes_true(lambda: not processes_of(pods), 30)
    checked.hold("no process of a pod left", left, processes_of(pods))
    if job["run"]:
        execution = f"{job_id}-r{job['run']}"
        ended = _comes_true(lambda: world.execution_status(execution) != "RUNNING", 60)
        checked.hold("execution ended", ended, execution)


def _comes_true(read: Any, seconds: float) -> bool:
    try:
        wait_until(read, "it is so", seconds)
    except AssertionError:
        return False
    return True


def _curve(checked: Checked, world: World, job: Mapping[str, Any]) -> None:
    """Each step once; of a completed job up to the last one."""
    columns = world.api.curve(str(job["id"]))
    steps = [
        step for step, loss in zip(columns["step"], columns["training_loss"], strict=True) if loss is not None
    ]
    whole = steps == list(range(1, len(steps) + 1))
    if (job["status"], job["end_reason"]) == ("completed", "completed"):
        whole = whole and len(steps) == job["progress"]["total_steps"]
    missing = sorted(set(range(1, max(steps, default=0) + 1)) - set(steps))
    twice = sorted(step for step, times in Counter(steps).items() if times > 1)
    checked.hold(
        "curve whole, each step once", whole, f"missing {missing}, twice {twice}, {len(steps)} in all"
    )


def _result(checked: Checked, world: World, job: Mapping[str, Any]) -> None:
    """The files are there as announced; a simulated adapter shows that every step was taken once, in order."""
    files = {file["name"]: file for file in model_files(world, job)}
    content = {name: httpx.get(file["url"], timeout=30).content for name, file in files.items()}
    sums = {name: hashlib.sha256(body).hexdigest() for name, body in content.items()}
    as_said = {name: file["sha256"] for name, file in files.items()}
    checked.hold("result downloadable, as announced", WEIGHTS in files and sums == as_said, as_said)
    if str(job["name"]).startswith(MARK):
        wanted = weights_of(chain(int(job["configuration"]["seed"]), int(job["progress"]["step"])))
        checked.hold("adapter of every step once, in order", content.get(WEIGHTS) == wanted, content)


def model_files(world: World, job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Name, link, size and checksum of each file of a job's model."""
    listed: list[dict[str, Any]] = world.api.post(f"/models/{job['model_id']}/download", {})["files"]
    return listed


def check_stack(world: World, job_ids: Iterable[str], causes: Iterable[str], seen: set[str]) -> Checked:
    """What belongs to no job: pods nobody knows, and errors in the logs that no scenario explains.

    causes: parts of log lines that the scenarios may cause. seen: lines that are judged already; grows.
    """
    checked = Checked()
    known, excused = set(job_ids), tuple(causes)
    strangers = [pod for pod in world.every_pod() if not any(f"-{job}-" in pod["name"] for job in known)]
    checked.hold("no pod of no job", not strangers, strangers)
    lines = [line for line in world.log_lines() if any(mark in line for mark in ERROR_MARKS)]
    fresh = [line for line in lines if line not in seen]
    seen.update(fresh)
    without_cause = [line[:600] for line in fresh if not any(cause in line for cause in excused)]
    checked.hold("no error logged without a cause", not without_cause, without_cause)
    return checked
