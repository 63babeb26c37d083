"""Correction: the first callback spends a task token; later ones get TaskTimedOut, as Step Functions
answers.

Stock ministack accepts a second callback until the waiting thread wakes, so a failure and a success can
both be acknowledged for one wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ministack_launcher.patching import require

PATCH = "spent tokens"
EXPECTED = {"_send_task_success": "12eff48bce57f5ab", "_send_task_failure": "c2a489b4ed330840"}
CALLBACKS = ("_send_task_success", "_send_task_failure", "_send_task_heartbeat")


def apply(sfn: Any) -> None:
    """Correct `ministack.services.stepfunctions`."""
    require(PATCH, sfn, EXPECTED)
    lock = threading.Lock()

    def once(stock: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def callback(data: dict[str, Any]) -> Any:
            with lock:
                waiting = sfn._task_tokens.get(data.get("taskToken"))
                if waiting is not None and waiting["event"].is_set():
                    return sfn.error_response_json(
                        "TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'", 400
                    )
                return stock(data)

        return callback

    for name in CALLBACKS:
        setattr(sfn, name, once(getattr(sfn, name)))
