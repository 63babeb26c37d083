"""Correction: the newest mails sent through SES survive a restart, so that a mailed link can still be read.

Stock ministack keeps them in memory only, and all of them.
"""

from __future__ import annotations

import copy
from typing import Any

from ministack_launcher.patching import require

PATCH = "kept mail"
EXPECTED = {
    "get_state": "69fba426ea653a1c",
    "_restore_state": "4a1aea947ea27be8",
    "_sent_emails_list": "72df70a8c9cc1ff6",
}
KEPT_MAILS = 200
STATE_FIELD = "_sent_emails"


def apply(ses: Any) -> None:
    """Correct `ministack.services.ses`, whose list `ses_v2` shares."""
    require(PATCH, ses, EXPECTED)
    state_stock, restore_stock = ses.get_state, ses._restore_state

    def get_state() -> dict[str, Any]:
        for mails in ses._sent_emails.all_values():
            del mails[:-KEPT_MAILS]
        return {**state_stock(), STATE_FIELD: copy.deepcopy(ses._sent_emails)}

    def restore_state(data: dict[str, Any]) -> None:
        restore_stock(data)
        ses._sent_emails.update(data.get(STATE_FIELD, {}))

    ses.get_state = get_state
    ses._restore_state = restore_state
