"""Answers SIGTERM within seconds, even while the main thread is deep in one long matrix product.

Python runs signal handlers between bytecodes of the main thread only; the wake-up descriptor is written at
once by
the C handler, so a thread waiting on it can act while the GPU step goes on.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

BUDGET_SECONDS = 4.0
EXIT_CODE = 128 + signal.SIGTERM


class Termination:
    """Runs `respond` on its own thread at the first of `numbers`, then ends the process."""

    def __init__(
        self,
        respond: Callable[[], None],
        leave: Callable[[int], None] = os._exit,
        numbers: Sequence[int] = (signal.SIGTERM, signal.SIGINT),
    ) -> None:
        self._respond = respond
        self._leave = leave
        self._numbers = numbers
        self._reader, self._writer = socket.socketpair()

    def install(self) -> None:
        """Take over the signals. Call from the main thread."""
        self._writer.setblocking(False)
        for number in self._numbers:
            # A handler must exist: without one the signal ends the process, or is ignored for PID 1.
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="termination", daemon=True).start()

    def _watch(self) -> None:
        while (self._reader.recv(1) or b"\0")[0] not in self._numbers:
            continue
        # The provider kills without asking again; whatever is not done by then is not waited for.
        last_call = threading.Timer(BUDGET_SECONDS, self._leave, [EXIT_CODE])
        last_call.daemon = True
        last_call.start()
        try:
            self._respond()
        except Exception:
            log.exception("the response to the termination signal failed")
        self._leave(EXIT_CODE)
