"""One process per GPU: PID 1 starts torchrun, passes the termination signal on, and reports a group that is lost.

The first process of the group is the trainer as ever, with its own reports and answers; PID 1 says nothing while
it lives. torchrun starts a group one of whose processes dies anew, RESTARTS times, and each start continues from
the newest checkpoint.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from typing import IO

import torch

from trainer.config import Environment, Job
from trainer.ending import guarded, idle
from trainer.errors import ForeignStackError, TrainerError
from trainer.group import PASSED_ON, end_with_parent
from trainer.pod import open_pod
from trainer.resources import Machine, NoGpu
from trainer.seat import MAX_PROCESSES
from trainer.signals import BUDGET_SECONDS, Termination

log = logging.getLogger(__name__)

RESTARTS = 3
# Of what the group wrote last, enough for a traceback of each process and torchrun's own summary.
TAIL_LINES = 200


def wanted(job: Job, environment: Environment) -> int:
    """How many processes this one must start: 1 when it trains itself.

    LORA_PIPELINE_PROCESSES decides when it is set; else one for each GPU of the job that is really here. A machine
    without a GPU trains in one process.
    """
    if environment.seat is not None:
        return 1
    present = torch.cuda.device_count()
    if environment.processes is None and present < job.gpu_count and present > 0:
        log.warning("the job asks for %d GPUs, this pod has %d", job.gpu_count, present)
    return environment.processes or max(1, min(job.gpu_count, present, MAX_PROCESSES))


def supervise(job: Job, environment: Environment, processes: int, variables: Mapping[str, str]) -> int:
    """Run the group until the pod ends. Returns only when this process may exit."""
    group = _Running(command(processes), variables)
    Termination(group.terminate).install()
    if group.wait() == 0:
        # Only a group that was asked to end does; it has said what there was to say.
        return 0

    def report(*_: object) -> None:
        raise group.lost()

    with open_pod(job, environment) as pod:
        guarded(pod, Machine(torch.device("cpu"), torch.float32, None, 0, 0.0, NoGpu()), report)
        idle(pod)
    return 0


def command(processes: int) -> list[str]:
    """How torchrun is started."""
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node", str(processes), "--max-restarts", str(RESTARTS)),
        # The name of this machine may not resolve inside a container.
        *("--local-addr", "127.0.0.1"),
        *("--signals-to-handle", PASSED_ON.name),
        *("-m", "trainer"),
    ]


def group_environment(variables: Mapping[str, str], interfaces: list[str]) -> dict[str, str]:
    """The group's environment: everything stays on this machine, and sums have one order.

    NCCL chooses among algorithms that add in different orders; the ring always adds in the same one, which exact
    resume needs.
    """
    chosen = {"NCCL_ALGO": "Ring"}
    loopback = next((name for name in ("lo", "lo0") if name in interfaces), None)
    if loopback:
        chosen |= {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback}
    return chosen | dict(variables)


class _Running:
    """torchrun and the last lines of what it and the group write."""

    def __init__(self, started: list[str], variables: Mapping[str, str]) -> None:
        self._tail: deque[bytes] = deque(maxlen=TAIL_LINES)
        self._terminating = threading.Event()
        self._torchrun = subprocess.Popen(
            started,
            env=group_environment(variables, [name for _, name in socket.if_nameindex()]),
            stderr=subprocess.PIPE,
            # Ctrl-C at a terminal reaches every process of a session; here one of them answers for all.
            start_new_session=True,
            preexec_fn=end_with_parent(),
        )
        assert self._torchrun.stderr is not None
        self._reader = threading.Thread(target=self._copy, args=(self._torchrun.stderr,), daemon=True)
        self._reader.start()

    def wait(self) -> int:
        """torchrun's exit code once it ended by itself; never returns after a termination signal."""
        code = self._torchrun.wait()
        if self._terminating.is_set():
            threading.Event().wait()
        self._reader.join(timeout=5)
        log.info("the group ended with code %d", code)
        return code

    def terminate(self) -> None:
        """Pass the signal on and give the group the time there is. Its processes end with torchrun."""
        self._terminating.set()
        self._torchrun.send_signal(PASSED_ON)
        try:
            self._torchrun.wait(BUDGET_SECONDS - 0.1)
        except subprocess.TimeoutExpired:
            self._torchrun.kill()

    def lost(self) -> TrainerError:
        """Why the run cannot go on, with what the group wrote last."""
        error = TrainerError(
            f"The GPU processes died {RESTARTS + 1} times without saying why. The last checkpoint is kept; retry "
            "the job, with one GPU if it happens again."
        )
        error.__cause__ = ForeignStackError(b"".join(self._tail).decode(errors="replace"))
        return error

    def _copy(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._tail.append(line)
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
