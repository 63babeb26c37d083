"""Wraps every port of a `World`, so that a plan decides about each call whether and how it goes wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.errors import AppError

from tests.lifecycle.faults.effects import BETWEEN, LATE_SECONDS, PORTS, Effect, Kind, killed, step
from tests.lifecycle.machine import LambdaDied
from tests.lifecycle.world import World

# How many lists do not show a new pod whose reply was lost: more than `provision_pod` looks at.
_HIDDEN_LISTS = 5


@dataclass(frozen=True)
class Call:
    """The index-th effect of a run. entry: whose call it was, a step's for example."""

    index: int
    effect: Effect
    entry: str


Plan = Callable[[Call], Kind | None]


def nothing_fails(call: Call) -> Kind | None:
    return None


class Injector:
    """Counts calls that product code makes; the test's own reads are not counted and never fail.

    between: what a kind of `BETWEEN` does. watch: told of every call of a port before it is made.
    """

    def __init__(self, world: World, plan: Plan = nothing_fails) -> None:
        self.world, self.plan = world, plan
        self.calls: list[Call] = []
        self.injected: list[str] = []
        self.between: Mapping[Kind, Callable[[], object]] = {}
        self.watch: Callable[[Effect, tuple[Any, ...]], None] = lambda effect, arguments: None
        self.lists_lied = self.is_crossed = False
        self.late_seconds: Callable[[Kind], float] = LATE_SECONDS.__getitem__
        self._entries: list[str] = []
        self._late: list[tuple[datetime, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._answers: dict[tuple[str, tuple[Any, ...]], Any] = {}
        for effect in PORTS:
            self._wrap(effect)
        for name, function in dict(world.machine.lambdas).items():
            world.machine.lambdas[name] = self._as_step(name, function)

    # --- entries: where product code is called ----------------------------------------------------------

    def enter(self, effect: Effect, work: Callable[[], Any]) -> Any:
        """A call from outside: itself an effect, and everything inside it is counted."""
        return self._perform(effect, lambda: self._inside(effect, work))

    def _inside(self, effect: Effect, work: Callable[[], Any]) -> Any:
        self._entries.append(effect.name)
        try:
            return work()
        finally:
            self._entries.pop()

    def _as_step(self, name: str, function: Callable[[dict[str, Any]], Any]) -> Any:
        effect = step(name)
        return lambda event: self.enter(effect, lambda: function(event))

    @contextmanager
    def unobserved(self) -> Iterator[None]:
        """The test looks at the world."""
        entries, self._entries = self._entries, []
        try:
            yield
        finally:
            self._entries = entries

    # --- ports ------------------------------------------------------------------------------------------

    def _wrap(self, effect: Effect) -> None:
        owner = self.world.machine if effect.port == "workflow" else getattr(self.world, effect.port)
        real: Callable[..., Any] = getattr(owner, effect.method)

        def call(*arguments: Any, **named: Any) -> Any:
            if not self._entries:
                return real(*arguments, **named)
            self.watch(effect, arguments)
            return self._perform(effect, lambda: real(*arguments, **named), arguments)

        setattr(owner, effect.method, call)

    def _perform(self, effect: Effect, work: Callable[[], Any], arguments: tuple[Any, ...] = ()) -> Any:
        call = Call(len(self.calls), effect, self._entries[-1] if self._entries else "")
        self.calls.append(call)
        kind = self.plan(call)
        if kind is not None:
            self.injected.append(f"{effect.name}:{kind}")
            self.is_crossed = self.is_crossed or kind in BETWEEN or kind in LATE_SECONDS
        if kind in BETWEEN:
            with suppress(AppError, LambdaDied):
                self.between[kind]()
            kind = None
        if Kind.STALE in effect.kinds:
            return self._lagging(effect, kind, work, arguments)
        return work() if kind is None else self._spoiled(effect, kind, work)

    def _lagging(
        self, effect: Effect, kind: Kind | None, work: Callable[[], Any], arguments: tuple[Any, ...]
    ) -> Any:
        key = (effect.name, arguments)
        if kind is Kind.STALE:
            self.lists_lied = self.lists_lied or effect.port == "cloud"
            return self._answers.get(key, effect.stale_reply())
        if kind is Kind.BEFORE:
            raise effect.error()
        self._answers[key] = result = work()
        return result

    def _spoiled(self, effect: Effect, kind: Kind, work: Callable[[], Any]) -> Any:
        match kind:
            case Kind.BEFORE:
                raise effect.error()
            case Kind.AFTER:
                work()
                raise effect.error()
            case Kind.KILLED:
                work()
                raise killed()
            case Kind.TWICE:
                work()
                return work()
            case Kind.HIDDEN:
                self._hide(work)
                raise effect.error()
            case _:
                return self._postpone(effect, kind, work)

    def _hide(self, work: Callable[[], Any]) -> None:
        cloud = self.world.cloud
        cloud.hide_new_pods_for_lists = _HIDDEN_LISTS
        try:
            work()
        finally:
            cloud.hide_new_pods_for_lists = 0

    # --- what happens later -----------------------------------------------------------------------------

    def _postpone(self, effect: Effect, kind: Kind, work: Callable[[], Any]) -> Any:
        at = self.world.clock.now + timedelta(seconds=self.late_seconds(kind))
        self._late.append((at, next(self._numbers), work))
        if effect.late_reply is None:
            raise effect.error()
        return effect.late_reply()

    @property
    def pending(self) -> bool:
        return bool(self._late)

    def happen(self) -> None:
        """What was late and is due. An effect that fails by now fails unseen."""
        now = self.world.clock.now
        due = sorted(entry[:2] for entry in self._late if entry[0] <= now)
        works = {entry[:2]: entry[2] for entry in self._late}
        self._late = [entry for entry in self._late if entry[0] > now]
        for key in due:
            with suppress(AppError, LambdaDied):
                works[key]()
