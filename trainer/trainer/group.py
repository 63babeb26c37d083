"""The processes that train one adapter together, one per GPU: how they exchange, add up and part.

Process 0 leads: it alone reports, saves, uploads and decides when to stop. The others follow in lockstep and
decide nothing. They are dismissed through the launcher's key-value store, so the leader may leave the loop at
any point without telling them first.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn, Protocol, TypeVar

import torch

from trainer.errors import EndReason, ForeignStackError, TrainerError
from trainer.resources import Machine
from trainer.seat import Seat

log = logging.getLogger(__name__)

T = TypeVar("T")

# The launcher passes the provider's termination signal on as this one: its own SIGTERM means that another
# process of the group died, which is no moment for a farewell.
PASSED_ON = signal.SIGUSR2
# Longest wait inside a step. Processes differ by a micro-batch; only one that hangs takes as long as this.
STEP_PATIENCE = timedelta(minutes=30)
# Downloads and tokenising happen once, on the leader, and may take hours.
START_PATIENCE = timedelta(days=7)
# How long the launcher may take to end a group one of whose processes died.
END_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1


class Group(Protocol):
    """What training needs of the others."""

    rank: int
    processes: int
    termination_signals: tuple[signal.Signals, ...]

    @property
    def leads(self) -> bool:
        """Whether this process is the one that reports and saves."""

    def share(self, value: T | None) -> T:
        """The leader's value, in every process; followers give None. Waits as long as it takes."""

    def exchange(self, mine: T) -> list[T]:
        """Everyone's value, in the order of ranks, in every process."""

    def add_up(self, flat: torch.Tensor) -> None:
        """Replace a float tensor by the sum of everyone's."""

    def dismiss(self) -> None:
        """The leader needs the others no more; afterwards it must not exchange with them. Never raises."""


class Solo:
    """One process, as most jobs have it: nothing to wait for and nothing to import."""

    rank = 0
    processes = 1
    leads = True
    termination_signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGINT)

    def share(self, value: T | None) -> T:
        """The value itself."""
        assert value is not None
        return value

    def exchange(self, mine: T) -> list[T]:
        """Only this process's."""
        return [mine]

    def add_up(self, flat: torch.Tensor) -> None:
        """The sum of one is itself."""

    def dismiss(self) -> None:
        """Nobody is there."""


class Many:
    """Processes on one machine: gloo carries objects, NCCL the gradients where each process has its GPU."""

    def __init__(self, seat: Seat, machine: Machine) -> None:
        import torch.distributed as dist
        from torch.distributed.distributed_c10d import PrefixStore

        # Nothing may go on training, and billing, without its launcher.
        if tie := end_with_parent():
            tie()
        self._dist = dist
        self._seat = seat
        self._store = self._connect()
        self._shared = 0
        self.rank = seat.rank
        self.processes = seat.processes
        self.termination_signals: tuple[signal.Signals, ...] = (PASSED_ON,)
        with self._talking():
            dist.init_process_group(
                "gloo",
                store=PrefixStore("gloo", self._store),
                rank=seat.rank,
                world_size=seat.processes,
                timeout=STEP_PATIENCE,
            )
            own_gpu = machine.on_gpu and torch.cuda.device_count() >= seat.processes
            # NCCL refuses two processes on one GPU; those add up through the processor's memory.
            self._direct = dist.new_group(backend="nccl", timeout=STEP_PATIENCE) if own_gpu else None

    @property
    def leads(self) -> bool:
        """Rank 0 leads."""
        return self.rank == 0

    def share(self, value: T | None) -> T:
        """Broadcast of an object. Followers wait at the store, whose patience is longer than gloo's."""
        self._shared += 1
        ready = f"shared/{self._shared}"
        with self._talking():
            if self.leads:
                self._store.set(ready, "1")
            else:
                self._store.wait([ready], START_PATIENCE)
            holder: list[Any] = [value]
            self._dist.broadcast_object_list(holder, src=0)
        shared: T = holder[0]
        return shared

    def exchange(self, mine: T) -> list[T]:
        """All-gather of objects."""
        theirs: list[Any] = [None] * self.processes
        with self._talking():
            self._dist.all_gather_object(theirs, mine)
        return theirs

    def add_up(self, flat: torch.Tensor) -> None:
        """All-reduce in place."""
        with self._talking():
            if flat.device.type == "cuda" and self._direct is None:
                on_cpu = flat.cpu()
                self._dist.all_reduce(on_cpu)
                flat.copy_(on_cpu)
            else:
                self._dist.all_reduce(flat, group=self._direct)

    def dismiss(self) -> None:
        """Tell the followers to end, wherever they are."""
        try:
            self._store.set("dismissed", "1")
        except RuntimeError as error:
            # Without its store the launcher is gone, and with it every process.
            log.warning("the followers could not be dismissed: %s", error)

    def await_dismissal(self) -> None:
        """For followers: watch for the dismissal on a thread of its own and end the process with success."""
        threading.Thread(target=self._leave_when_dismissed, name="dismissal", daemon=True).start()

    def confess(self, end_reason: EndReason, message: str, stack: str) -> None:
        """For followers: note why this process cannot go on, before its connections close."""
        note = {"rank": self.rank, "end_reason": end_reason, "message": message, "stack": stack}
        self._store.set("failed", json.dumps(note))

    def _connect(self) -> Any:
        from torch._C._distributed_c10d import TCPStore
        from torch.distributed.distributed_c10d import PrefixStore

        store = TCPStore(self._seat.address, self._seat.port, is_master=False, timeout=timedelta(minutes=5))
        # A restarted group must not read what the one before it left.
        return PrefixStore(f"trainer/{self._seat.incarnation}", store)

    def _leave_when_dismissed(self) -> None:
        # A connection of its own: a waiting client lets nobody else through.
        try:
            self._connect().wait(["dismissed"], START_PATIENCE)
        except RuntimeError as error:
            log.error("the launcher is gone: %s", error)
            os._exit(1)
        os._exit(0)

    @contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            self._explain(error)

    def _explain(self, error: RuntimeError) -> NoReturn:
        """What a broken exchange means: a process that said why it left, or one that died without a word."""
        if self._store.check(["failed"]):
            note = json.loads(self._store.get("failed"))
            failure = TrainerError(f"On GPU process {note['rank']}: {note['message']}")
            failure.end_reason = note["end_reason"]
            raise failure from ForeignStackError(note["stack"])
        log.error("the exchange with the other processes broke: %s", error)
        # The launcher ends this process as well and starts the group anew from the last checkpoint.
        threading.Event().wait(END_SECONDS)
        raise TrainerError(
            f"The {self.processes} GPU processes lost each other: {error}. The last checkpoint is kept; retry "
            "the job."
        ) from error


def end_with_parent() -> Callable[[], None] | None:
    """What a child calls so that the kernel kills it when its parent is gone; None where there is no such call."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    return lambda: library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
