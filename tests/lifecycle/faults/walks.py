"""Three jobs, two slots, and whatever chance brings: repeatable from the seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chalicelib.domain.gpu import Pod, PodStatus, Tier
from chalicelib.domain.job import ACTIVE

from tests.fakes_gpu import OFFERS
from tests.lifecycle.faults.effects import Kind
from tests.lifecycle.faults.injection import Call
from tests.lifecycle.faults.play import Beat, Play, run_to_rest

_TICKS = 60
_MISFORTUNES_PER_TICK = 0.08
_CHAOS = (0.0, 0.005, 0.02, 0.06)
# Pods are asked for a few times in a walk, and nothing else costs as much when it goes wrong.
_CREATE_CHAOS = 6.0


@dataclass
class Weather:
    """chaos: the chance of each call to go wrong."""

    chance: random.Random
    chaos: float

    def plan(self, call: Call) -> Kind | None:
        more = _CREATE_CHAOS if call.effect.name == "cloud.create" else 1.0
        if self.chance.random() >= self.chaos * more:
            return None
        return self.chance.choice(call.effect.kinds)


def walk(seed: int) -> Play:
    """The play at rest; `found` says what was violated."""
    chance = random.Random(seed)
    weather = Weather(chance, chance.choice(_CHAOS))
    play = Play(
        plan=weather.plan,
        jobs=3,
        limit=2,
        quiet_turns=chance.choice([0, 0, 0, 9, 70]),
        lies=frozenset(chance.sample([2, 4, 6], chance.choice([0, 0, 1]))),
        changes={"spend_cap_usd": Decimal(chance.choice(["1.00", "5.00", "50.00"]))},
        calm_since=None,
        noticed_within_seconds=3600,
    )
    play.injector.late_seconds = lambda kind: chance.uniform(1, 130)
    for _ in range(_TICKS):
        if chance.random() < _MISFORTUNES_PER_TICK:
            chance.choice(_MISFORTUNES)(play, chance)
        play.tick()
        if play.found:
            return play
    weather.chaos = 0.0
    _calm(play)
    run_to_rest(play, most_minutes=600)
    return play


def _calm(play: Play) -> None:
    cloud = play.world.cloud
    cloud.ignore_deletes = cloud.lose_create_replies = play.world.machine.lose_starts = 0
    cloud.without_capacity = set()
    play.calm_since = play.world.clock.now


Misfortune = Callable[[Play, random.Random], object]


def _pods(play: Play) -> Sequence[Pod]:
    return sorted(play.world.cloud.billed_pods.values(), key=lambda pod: pod.id)


def _vanish(play: Play, chance: random.Random) -> None:
    if pods := _pods(play):
        play.world.cloud.vanish(chance.choice(pods).id)


def _stop(play: Play, chance: random.Random) -> None:
    if pods := _pods(play):
        play.world.cloud.stop(chance.choice(pods).id, chance.choice([PodStatus.EXITED, PodStatus.ERROR]))


def _restart_container(play: Play, chance: random.Random) -> None:
    if play.agents:
        chance.choice(sorted(play.agents.items()))[1].restart()


def _kill_execution(play: Play, chance: random.Random) -> None:
    """Not one that has settled its job: nothing looks at ended jobs, so what it still had to tell would stay untold."""
    job = play.job(chance.choice(play.job_ids))
    if job.status in ACTIVE and play.world.machine.is_running(job.id, job.run):
        play.world.machine.kill(job.id, job.run)


def _change_price(play: Play, chance: random.Random) -> None:
    if pods := _pods(play):
        play.world.cloud.set_price(chance.choice(pods).id, Decimal(chance.choice(["1.10", "3.30", "9.00"])))


def _sell_out(play: Play, chance: random.Random) -> None:
    taken = [(offer.gpu_id, tier) for offer in OFFERS for tier in Tier]
    play.world.cloud.without_capacity = set(chance.sample(taken, chance.choice([0, 5, len(taken)])))


def _ignore_deletes(play: Play, chance: random.Random) -> None:
    play.world.cloud.ignore_deletes = chance.choice([0, 2, 30])


def _lose_start(play: Play, chance: random.Random) -> None:
    play.world.machine.lose_starts = 1


def _cancel(play: Play, chance: random.Random) -> None:
    _wish(play, chance, play.cancel)


def _pause(play: Play, chance: random.Random) -> None:
    _wish(play, chance, play.pause)


def _resume(play: Play, chance: random.Random) -> None:
    _wish(play, chance, play.resume)


def _wish(play: Play, chance: random.Random, what: Callable[[str], bool]) -> None:
    """A person tries again until there is an answer."""
    job_id = chance.choice(play.job_ids)
    play.beats.append(Beat(lambda play: True, lambda play: what(job_id)))


def _let_time_pass(play: Play, chance: random.Random) -> None:
    play.world.machine.advance(chance.choice([1, 15, 40, 90]))


_MISFORTUNES: tuple[Misfortune, ...] = (
    _vanish,
    _stop,
    _restart_container,
    _kill_execution,
    _change_price,
    _sell_out,
    _ignore_deletes,
    _lose_start,
    _cancel,
    _pause,
    _resume,
    _resume,
    _let_time_pass,
)
