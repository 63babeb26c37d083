"""What a job goes through, scripted: each is run once per call it makes and way that call can fail."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from chalicelib.domain.gpu import PodStatus, Tier
from chalicelib.domain.job import JobStatus

from tests.fakes_gpu import OFFERS
from tests.lifecycle.faults.injection import Plan, nothing_fails
from tests.lifecycle.faults.play import Beat, Play
from tests.lifecycle.trainer import STAGES

COMPLETED = frozenset({JobStatus.COMPLETED})
CANCELLED = frozenset({JobStatus.CANCELLED})
PAUSED = frozenset({JobStatus.PAUSED})
When = Callable[[Play], bool]
Do = Callable[[Play], bool]


@dataclass(frozen=True)
class Scenario:
    """ends: where every job must be at the end, whatever single thing goes wrong. losses: pods it loses by itself.
    beats: made anew for each run."""

    name: str
    ends: frozenset[JobStatus] = COMPLETED
    losses: int = 0
    beats: Callable[[], list[Beat]] = list
    jobs: int = 1
    limit: int = 2
    quiet_turns: int = 0
    lies: frozenset[int] = frozenset()
    changes: Mapping[str, Any] = field(default_factory=dict)
    steady_price: bool = True

    def play(self, plan: Plan = nothing_fails) -> Play:
        """exact to the cent when nothing at all goes wrong."""
        return Play(
            plan=plan,
            jobs=self.jobs,
            limit=self.limit,
            beats=self.beats(),
            ends=self.ends,
            losses=self.losses,
            exact_bill=plan is nothing_fails and self.losses == 0 and self.steady_price,
            quiet_turns=self.quiet_turns,
            lies=self.lies,
            changes=self.changes,
        )


def _first(play: Play) -> str:
    return play.job_ids[0]


def _doing(what: str) -> When:
    """The first agent of the first job is at this stage, or has said hello."""

    def holds(play: Play) -> bool:
        agent = play.agent(_first(play))
        return agent is not None and agent.doing == what and (what != "hello" or agent.greeted)

    return holds


def _has_status(status: JobStatus) -> When:
    return lambda play: play.job(_first(play)).status is status


def _missed(play: Play) -> bool:
    """Was sent back to the queue, for want of a GPU."""
    return play.job(_first(play)).capacity_misses > 0


def _rented(play: Play) -> bool:
    return bool(play.world.pods(_first(play)))


def _at_once(play: Play) -> bool:
    return True


def _trained(step: int) -> When:
    def holds(play: Play) -> bool:
        agent = play.agent(_first(play))
        return agent is not None and agent.step >= step

    return holds


def _lose(play: Play) -> bool:
    """The job's pod is gone without a word."""
    for pod in play.world.pods(_first(play)):
        play.world.cloud.vanish(pod.id)
    return True


def _stop(play: Play) -> bool:
    for pod in play.world.pods(_first(play)):
        play.world.cloud.stop(pod.id, PodStatus.EXITED)
    return True


def _cancel(play: Play) -> bool:
    return play.cancel(_first(play))


def _pause(play: Play) -> bool:
    return play.pause(_first(play))


def _resume(play: Play) -> bool:
    return play.resume(_first(play))


def _kill_execution(play: Play) -> bool:
    job = play.job(_first(play))
    if play.world.machine.is_running(job.id, job.run):
        play.world.machine.kill(job.id, job.run)
    return True


def _price(usd: str) -> Do:
    def change(play: Play) -> bool:
        for pod in play.world.pods(_first(play)):
            play.world.cloud.set_price(pod.id, Decimal(usd))
        return True

    return change


def _sold_out(play: Play) -> bool:
    play.world.cloud.without_capacity = {(offer.gpu_id, tier) for offer in OFFERS for tier in Tier}
    return True


def _in_stock(play: Play) -> bool:
    play.world.cloud.without_capacity = set()
    return True


def _one(when: When, do: Do) -> Callable[[], list[Beat]]:
    return lambda: [Beat(when, do)]


def _several(*beats: tuple[When, Do]) -> Callable[[], list[Beat]]:
    """One after the other."""

    def made() -> list[Beat]:
        row = [Beat(when, do) for when, do in beats]
        for before, beat in itertools.pairwise(row):
            beat.when = _after(before, beat.when)
        return row

    return made


def _after(before: Beat, when: When) -> When:
    return lambda play: before.done and when(play)


_PLACES = ("hello", *STAGES)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("happy path", quiet_turns=9),
    Scenario("a checkpoint that is not stored", lies=frozenset({2, 6})),
    *(Scenario(f"pod lost at {place}", beats=_one(_doing(place), _lose), losses=1) for place in _PLACES),
    Scenario("pod lost before its first word", beats=_one(_rented, _lose), losses=1),
    Scenario("pod stopped in training", beats=_one(_trained(4), _stop), losses=1),
    Scenario("two losses", beats=_several((_trained(2), _lose), (_trained(6), _lose)), losses=2),
    Scenario(
        "no capacity",
        beats=_several((_at_once, _sold_out), (_missed, _in_stock)),
    ),
    Scenario("cancel while queued", ends=CANCELLED, beats=_one(_at_once, _cancel)),
    Scenario("cancel while renting", ends=CANCELLED, beats=_one(_rented, _cancel)),
    *(
        Scenario(f"cancel at {place}", ends=CANCELLED | COMPLETED, beats=_one(_doing(place), _cancel))
        for place in _PLACES
    ),
    Scenario(
        "cancel while recovering",
        ends=CANCELLED | COMPLETED,
        losses=1,
        beats=_several((_trained(4), _lose), (_has_status(JobStatus.RECOVERING), _cancel)),
    ),
    Scenario(
        "cancel while pausing",
        ends=CANCELLED,
        beats=_several((_trained(2), _pause), (_at_once, _cancel)),
    ),
    Scenario(
        "cancel while paused",
        ends=CANCELLED,
        beats=_several((_trained(2), _pause), (_has_status(JobStatus.PAUSED), _cancel)),
    ),
    Scenario("pause in training", ends=PAUSED | COMPLETED, beats=_one(_trained(2), _pause)),
    Scenario("pause that makes no sense yet", beats=_one(_doing("preprocessing"), _pause)),
    Scenario(
        "pause and resume",
        beats=_several((_trained(2), _pause), (_has_status(JobStatus.PAUSED), _resume)),
    ),
    Scenario(
        "spend cap",
        beats=_one(_trained(2), _price("600.00")),
        changes={"spend_cap_usd": Decimal("30.00")},
        steady_price=False,
    ),
    Scenario(
        "spend cap of a silent pod",
        ends=COMPLETED | {JobStatus.FAILED},
        beats=_one(_doing("model_loading"), _price("120.00")),
        changes={"spend_cap_usd": Decimal("3.00")},
        steady_price=False,
        quiet_turns=60,
        # When the pod was rented twice, the rise may befall the twin that is swept away; then silence ends the other one.
        losses=1,
    ),
    Scenario("a pod that is silent too long", quiet_turns=75, losses=1),
    Scenario("price change", beats=_one(_trained(2), _price("3.10")), steady_price=False),
    Scenario("queue of three, one slot", jobs=3, limit=1),
    Scenario("dead execution", beats=_one(_trained(2), _kill_execution)),
    Scenario("dead execution while renting", beats=_one(_rented, _kill_execution)),
)
BY_NAME: Mapping[str, Scenario] = {scenario.name: scenario for scenario in SCENARIOS}
