"""Correction: a stack whose change was cut short by a kill can be changed again.

Stock ministack restores it as still in progress, and no change set is ever accepted for it. An update
goes on from the resources that were recorded; the creation of a stack is undone by whoever asked for it.
"""

from __future__ import annotations

from typing import Any

from ministack_launcher.patching import require

PATCH = "interrupted deployments"
EXPECTED = {"_restore_state": "ddc62c8a38d04c97"}
SETTLED = {"CREATE": "CREATE_FAILED", "DELETE": "DELETE_FAILED", "REVIEW": "REVIEW_IN_PROGRESS"}
OTHERWISE = "UPDATE_ROLLBACK_COMPLETE"
REASON = "The stand-in was killed in the middle of this change."


def apply(cloudformation: Any) -> None:
    """Correct `ministack.services.cloudformation`."""
    require(PATCH, cloudformation, EXPECTED)
    restore_stock = cloudformation._restore_state

    def restore_state(data: Any) -> None:
        restore_stock(data)
        for stack in cloudformation._stacks.all_values():
            if stack["StackStatus"].endswith("_IN_PROGRESS"):
                stack["StackStatus"] = SETTLED.get(stack["StackStatus"].partition("_")[0], OTHERWISE)
                stack["StackStatusReason"] = REASON

    cloudformation._restore_state = restore_state
