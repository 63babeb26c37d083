"""Correction: an execution is on disk when its start is acknowledged, and again when it ends.

A running execution cannot resume after a kill; ministack marks it FAILED with States.ServiceRestart when
it loads it. What must survive is that its name is used, for Step Functions never runs one name twice.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from ministack_launcher.patching import require
from ministack_launcher.store import Store

PATCH = "durable executions"
EXPECTED = {
    "_emit_execution_status_event": "9c89e45693e353eb",
    "get_state": "7d1a3261edd65c33",
    "_restore_state": "b94c49c3dd97e93d",
    "handle_request": "efa6e8c4532a9e05",
}
KIND = "execution"
KEPT_FINISHED = 2000
# What `get_state` saves beside the executions, each from the module's variable of that name.
OTHER_STATE = (
    "state_machines",
    "tags",
    "activities",
    "state_machine_versions",
    "state_machine_aliases",
    "map_runs",
)


def apply(sfn: Any, store: Store) -> None:
    """Take hold of `ministack.services.stepfunctions`; call once, before the first request."""
    require(PATCH, sfn, EXPECTED)
    emit_stock, handle_stock = sfn._emit_execution_status_event, sfn.handle_request

    def emit_execution_status_event(execution: dict[str, Any]) -> None:
        # ministack calls this at the start and at the end of every execution, from the thread that runs it.
        store.put([(KIND, execution["executionArn"], json.dumps(execution))])
        emit_stock(execution)

    def get_state() -> dict[str, Any]:
        return {"executions": {}, **{name: copy.deepcopy(getattr(sfn, f"_{name}")) for name in OTHER_STATE}}

    async def handle_request(*request: Any) -> Any:
        reply = await handle_stock(*request)
        await store.put_and_wait([])
        return reply

    sfn._emit_execution_status_event = emit_execution_status_event
    sfn.get_state = get_state
    sfn.handle_request = handle_request


def restore(sfn: Any, store: Store) -> None:
    """Load the stored executions; those that ran when the stand-in died come back FAILED.

    Only the newest 2,000 finished ones keep their history; older ones keep their name and outcome.
    """
    executions = [json.loads(text) for _, text in store.read(KIND)]
    executions.sort(key=lambda execution: str(execution["startDate"]))
    for execution in executions[:-KEPT_FINISHED]:
        if execution["status"] != "RUNNING":
            execution["events"] = execution["events"][:1]
    for execution in executions:
        arn = execution["executionArn"]
        _, _, _, region, account, *_ = arn.split(":")
        sfn._executions.set_scoped(account, region, arn, execution)
    was_running = [execution for execution in executions if execution["status"] == "RUNNING"]
    sfn._restore_state({"executions": {}, "restored": True})
    for execution in was_running:
        store.put([(KIND, execution["executionArn"], json.dumps(execution))])
