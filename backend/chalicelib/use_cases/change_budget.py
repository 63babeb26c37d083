"""A manager sets the monthly limit; from then on it holds for every start and resume."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from chalicelib.domain.budget import Budget, month_span, with_limit
from chalicelib.domain.cost import month_of
from chalicelib.domain.errors import NotAllowed, ValidationFailed
from chalicelib.domain.identity import Role, User
from chalicelib.ports import AuditLog, BudgetStore
from chalicelib.use_cases.again import again

MOST_LIMIT_USD = Decimal("1000000")
MOST_GRACE_PERCENT = Decimal(100)


def change_budget(
    limit_usd: Decimal | None,
    grace_percent: Decimal | None,
    *,
    next_month: bool,
    user: User,
    budgets: BudgetStore,
    audit: AuditLog,
    now: datetime,
) -> Budget:
    """limit_usd None: no limit. grace_percent None: as before. next_month: in force only from the next one on.

    Jobs that run already keep what they have reserved, also above a lower limit.
    """
    if not user.role.covers(Role.MANAGER):
        raise NotAllowed("Only a manager may change the budget.")
    _check(limit_usd, grace_percent)
    month = month_of(month_span(now)[1] if next_month else now)

    def once() -> tuple[Budget, Budget]:
        before = budgets.get()
        return before, budgets.save(with_limit(before, month, limit_usd, grace_percent), expected=before)

    before, after = again(once)
    audit.record(
        at=now,
        actor_id=user.id,
        action="budget.change",
        subject="budget",
        details={
            "from_month": month,
            "limit_usd": None if limit_usd is None else str(limit_usd),
            "limit_before_usd": str(before.limit_usd(month)),
            "grace_percent": str(after.grace_percent),
        },
    )
    return after


def _check(limit_usd: Decimal | None, grace_percent: Decimal | None) -> None:
    if limit_usd is not None and not 0 <= limit_usd <= MOST_LIMIT_USD:
        raise ValidationFailed({"limit_usd": [f"Must be an amount from $0 to ${MOST_LIMIT_USD:,}."]})
    if grace_percent is not None and not 0 <= grace_percent <= MOST_GRACE_PERCENT:
        raise ValidationFailed({"grace_percent": [f"Must be from 0 to {MOST_GRACE_PERCENT}."]})
