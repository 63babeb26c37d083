"""Hundreds of jobs under random faults. Whatever happens, money and data keep their promises.

Every run is repeatable from its seed. Faults: calls to the provider that die before or after they took effect, lost
and late listings, vanishing pods, storms of stale writes, killed Lambdas and executions, doubled and reordered
webhooks, and people who cancel at any moment. Once the faults stop, everything must come to rest.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from chalicelib.domain.attempt import AttemptStatus
from chalicelib.domain.errors import AppError, ProviderUnavailable, StaleWrite, WrongStatus
from chalicelib.domain.gpu import Pod, PodName, PodRequest, PodStatus
from chalicelib.domain.job import ACTIVE, JobStatus

from tests.lifecycle.machine import LambdaDied
from tests.lifecycle.script import STEPS, Script
from tests.lifecycle.world import World

SEEDS = 240
_SEEDS_PER_TEST = 20
_JOBS = 3
_LIMIT = 2
_TURNS = 60
_STRAYS_GONE_AFTER_MINUTES = 4
_REST = {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}


class Walk:
    """One world with faults. `chaos` is the chance that a call goes wrong; 0 once the faults stop."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.chaos = 0.0
        self.world = World(limit=_LIMIT)
        self.trainers: dict[str, Script] = {}
        # What trainers really did: a step done again after a loss counts again, a repeated batch does not.
        self.trained: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._spoil()
        self.jobs = [self.world.submit(number) for number in range(1, _JOBS + 1)]

    def _spoil(self) -> None:
        world = self.world
        self._list_late()
        self._around(world.cloud, "create", [LambdaDied("killed")])
        self._around(world.cloud, "list", [ProviderUnavailable("500"), LambdaDied("killed")])
        self._around(world.cloud, "delete", [ProviderUnavailable("500"), LambdaDied("killed")])
        for store in (world.jobs, world.progress, world.attempts):
            self._before(store, "save", StaleWrite("someone was faster"))
        self._before(world.jobs, "save_with_slots", StaleWrite("someone was faster"))
        for name, function in dict(world.machine.lambdas).items():
            world.machine.lambdas[name] = self._mortal(function)

    def _list_late(self) -> None:
        """Some new pods are missing from the first few lists: with a lost reply, that makes strays."""
        rent = self.world.cloud.create

        def late(request: PodRequest) -> Pod:
            lists = self.chance.choice([0, 0, 4, 12]) if self.chaos else 0
            self.world.cloud.hide_new_pods_for_lists = lists
            return rent(request)

        self.world.cloud.create = late  # type: ignore[method-assign]

    def _around(self, owner: Any, name: str, errors: list[Exception]) -> None:
        """Dies before or after the effect."""
        call: Callable[..., Any] = getattr(owner, name)

        def faulty(*arguments: Any, **named: Any) -> Any:
            if self.chance.random() < self.chaos:
                raise self.chance.choice(errors)
            result = call(*arguments, **named)
            if self.chance.random() < self.chaos:
                raise self.chance.choice(errors)
            return result

        setattr(owner, name, faulty)

    def _before(self, owner: Any, name: str, error: Exception) -> None:
        call: Callable[..., Any] = getattr(owner, name)

        def contested(*arguments: Any, **named: Any) -> Any:
            if self.chance.random() < self.chaos:
                raise error
            return call(*arguments, **named)

        setattr(owner, name, contested)

    def _mortal(self, function: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        """Killed after all its work, before it could answer."""

        def mortal(event: dict[str, Any]) -> Any:
            result = function(event)
            if self.chance.random() < self.chaos / 2:
                raise LambdaDied("killed")
            return result

        return mortal

    # --- turns ------------------------------------------------------------------------------------------

    def turn(self) -> None:
        actions = [
            (10, self.report),
            (6, lambda: self.world.machine.advance(self.chance.choice([1, 5, 15, 40]))),
            (3, self.minute),
            (1, self.misfortune),
            (0.25 if self.chaos else 0, self.cancel_one),
        ]
        weights = [weight for weight, _ in actions]
        action = self.chance.choices([each for _, each in actions], weights)[0]
        with contextlib.suppress(AppError, LambdaDied):
            action()
        self.world.machine.work()
        self.check_always()

    def report(self) -> None:
        """Each living pod's trainer does its next thing, perhaps twice."""
        for job_id in self.jobs:
            pods = self.world.pods(job_id)
            if not pods:
                continue
            name = pods[-1].name
            if name not in self.trainers:
                self.trainers[name] = Script(self.world, job_id, self.chance, self.trained[job_id])
            for _ in range(self.chance.choice([1, 1, 1, 2])):
                with contextlib.suppress(AppError):
                    self.trainers[name].next()

    def minute(self) -> None:
        self.world.machine.advance(60)
        with contextlib.suppress(AppError, LambdaDied):
            self.world.sweep()
        with contextlib.suppress(AppError, LambdaDied):
            self.world.dispatch()

    def misfortune(self) -> None:
        if not self.chaos:
            return
        world, chance = self.world, self.chance
        billed = sorted(world.cloud.billed_pods)
        kind = chance.randrange(6)
        if kind == 0 and billed:
            world.cloud.vanish(chance.choice(billed))
        elif kind == 1 and billed:
            world.cloud.stop(chance.choice(billed), PodStatus.EXITED)
        elif kind == 2:
            world.cloud.lose_create_replies = 1
        elif kind == 3:
            world.cloud.ignore_deletes = chance.choice([0, 2, 30])
        elif kind == 4:
            world.machine.lose_starts = 1
        else:
            for job_id in self.jobs:
                job = world.job(job_id)
                if world.machine.is_running(job_id, job.run) and chance.random() < 0.5:
                    world.machine.kill(job_id, job.run)

    def cancel_one(self) -> None:
        with contextlib.suppress(WrongStatus):
            self.world.cancel(self.chance.choice(self.jobs))

    # --- promises ---------------------------------------------------------------------------------------

    def check_always(self) -> None:
        world = self.world
        slots = world.jobs.slots()
        active = {job_id for job_id in self.jobs if world.job(job_id).status in ACTIVE}
        assert set(slots.holders) == active
        assert len(slots.holders) == len(set(slots.holders)) <= _LIMIT
        for job_id in self.jobs:
            wanted = [pod for pod in world.pods(job_id) if self._is_wanted(job_id, pod.name)]
            assert len(wanted) <= 1, wanted

    def _is_wanted(self, job_id: str, name: str) -> bool:
        """The pod that the job's present attempt names; every other one is a stray, to be removed within a minute."""
        parsed = PodName.parse(name)
        job = self.world.job(job_id)
        attempt = self.world.attempts.get(job_id, job.attempt)
        return (
            parsed is not None
            and attempt is not None
            and (parsed.attempt, parsed.fence) == (attempt.number, attempt.fence)
            and attempt.status is not AttemptStatus.ENDED
        )

    def check_strays(self) -> None:
        billed = {job_id: [pod.name for pod in self.world.pods(job_id)] for job_id in self.jobs}
        assert not [n for job_id, names in billed.items() for n in names if not self._is_wanted(job_id, n)]

    def check_at_rest(self) -> None:
        world = self.world
        assert world.cloud.billed_pods == {}, "billed with nobody to use it"
        assert world.terminations.open() == []
        assert world.jobs.slots().holders == ()
        for job_id in self.jobs:
            job = world.job(job_id)
            assert job.status in _REST, job.status
            assert not job.cleanup_pending
            self._check_money(job_id)
            self._check_data(job_id)

    def _check_money(self, job_id: str) -> None:
        world, job = self.world, self.world.job(job_id)
        costs = [attempt.cost_usd(world.clock.now) for attempt in world.attempts.of_job(job_id)]
        assert all(cost >= 0 for cost in costs)
        assert (job.cost_usd or 0) == sum(costs)
        assert sum(record.amount_usd for record in world.costs.of_job(job_id)) == sum(costs)
        kinds = [row.type for row in world.notifications.rows.values() if job_id in str(row.link)]
        final = {"completed": "job_completed", "failed": "job_failed", "cancelled": "job_cancelled"}
        assert [kind for kind in kinds if kind in final.values()] == [final[job.status.value]]

    def _check_data(self, job_id: str) -> None:
        world, job = self.world, self.world.job(job_id)
        rows = [
            (row["step"], block.revision) for block in world.progress.blocks(job_id) for row in block.rows
        ]
        by_revision: dict[int, list[int]] = {}
        for step, revision in rows:
            by_revision.setdefault(revision, []).append(int(step))
        assert len(rows) == world.row(job_id).points
        assert all(len(steps) == len(set(steps)) for steps in by_revision.values())
        assert Counter(int(step) for step, _ in rows) == self.trained[job_id], "doubled or missing"
        numbers = [event.number for event in world.progress.events(job_id)]
        assert numbers == list(range(world.row(job_id).event_count))
        if job.status is JobStatus.COMPLETED:
            assert {step for step, _ in rows} == set(range(1, STEPS + 1))
            assert job.model_id in world.models.rows


def walk(seed: int) -> Walk:
    chaos = Walk(seed)
    chaos.chaos = chaos.chance.choice([0.0, 0.02, 0.05, 0.12])
    for _ in range(_TURNS):
        chaos.turn()
    calm(chaos)
    return chaos


def calm(chaos: Walk) -> None:
    """The faults stop; what began under them has to end."""
    world = chaos.world
    chaos.chaos = 0.0
    world.cloud.lose_create_replies = world.cloud.ignore_deletes = world.machine.lose_starts = 0
    for minute in range(400):
        if minute == _STRAYS_GONE_AFTER_MINUTES:
            chaos.check_strays()
        chaos.report()
        world.machine.advance(15)
        chaos.report()
        chaos.minute()
        chaos.check_always()
        if all(world.job(job_id).status in _REST for job_id in chaos.jobs) and not world.terminations.open():
            break
    for _ in range(3):
        chaos.minute()


@pytest.mark.parametrize("first", range(0, SEEDS, _SEEDS_PER_TEST))
def test_every_promise_holds_under_random_faults(first: int) -> None:
    for seed in range(first, first + _SEEDS_PER_TEST):
        try:
            walk(seed).check_at_rest()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_the_walks_reach_every_kind_of_end() -> None:
    """A walk that never fails, cancels, recovers or requeues would prove nothing."""
    walks = [walk(seed) for seed in range(40)]
    jobs = [each.world.job(job_id) for each in walks for job_id in each.jobs]
    assert {job.status for job in jobs} == _REST
    assert any(job.recoveries for job in jobs)
    assert any(job.run > 1 for job in jobs)
    assert any(len(each.world.attempts.of_job(job_id)) > 2 for each in walks for job_id in each.jobs)
