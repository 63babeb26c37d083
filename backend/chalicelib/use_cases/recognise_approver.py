"""Who holds a mailed approval link."""

from __future__ import annotations

from chalicelib.domain.approval import approver_of
from chalicelib.domain.errors import NotAllowed, NotSignedIn
from chalicelib.domain.identity import Role, User
from chalicelib.domain.ids import is_id
from chalicelib.ports import UserStore
from chalicelib.ports_queue import ApprovalStore


def recognise_approver(
    approval_id: str, token: str, *, approvals: ApprovalStore, users: UserStore, key: bytes
) -> User:
    """NotSignedIn for a token that fits no such request, NotAllowed when its person is no manager any more."""
    approval = approvals.get(approval_id) if is_id("apr", approval_id) else None
    person = None if approval is None else approver_of(approval, token, key)
    if person is None:
        raise NotSignedIn("This link is not valid. Sign in to decide.")
    user = users.get(person.id)
    if user is None or not user.active or not user.role.covers(Role.MANAGER):
        raise NotAllowed("Only a manager may decide this.")
    return user
