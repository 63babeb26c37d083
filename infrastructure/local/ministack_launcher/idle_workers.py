"""Correction: a worker nobody has called for ten minutes ends, the last one of its function included.

Stock ministack keeps one worker per function for ever; a dozen functions of 40 to 100 MB each are too much for a
laptop on which a model trains. Functions that run on a schedule stay warm by themselves.
"""

from __future__ import annotations

import time
from typing import Any

from ministack_launcher.patching import require

PATCH = "idle workers"
EXPECTED = {"reap_idle_workers": "d0e5aa7c2b5902ae", "kill_workers": "56a6df63f9bd4859"}
LAST_WORKER_IDLE_SECONDS = 600.0


def apply(runtime: Any, lambda_service: Any, last_idle_seconds: float = LAST_WORKER_IDLE_SECONDS) -> None:
    """Correct `ministack.core.lambda_runtime`, whose function `lambda_svc` calls every 30 seconds."""
    require(PATCH, runtime, EXPECTED)
    reap_surplus = runtime.reap_idle_workers

    def reap_idle_workers(ttl: float | None = None) -> int:
        reaped = int(reap_surplus(ttl))
        oldest_call_at = time.time() - last_idle_seconds
        ended = []
        with runtime._lock:
            for key, workers in list(runtime._workers.items()):
                if all(not worker.in_use and worker.last_used < oldest_call_at for worker in workers):
                    ended += runtime._workers.pop(key)
        runtime.kill_workers(ended)
        return reaped + len(ended)

    runtime.reap_idle_workers = reap_idle_workers
    lambda_service.reap_idle_workers = reap_idle_workers
