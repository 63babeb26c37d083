"""The organisation's monthly budget."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import Field

from chalicelib import bootstrap, telling, views_budget
from chalicelib.domain.identity import Role
from chalicelib.domain.reservations import HOLDING
from chalicelib.routes.http import Body, Call, endpoint
from chalicelib.routes.job_bodies import Money
from chalicelib.use_cases.change_budget import change_budget
from chalicelib.use_cases.read_budget import read_budget

bp = Blueprint(__name__)


class BudgetBody(Body):
    """limit_usd null: no limit. effective: from when on it holds."""

    limit_usd: Money
    grace_percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    effective: Literal["this_month", "next_month"] = "this_month"


def _shown(call: Call) -> dict[str, Any]:
    found = read_budget(budgets=bootstrap.budgets(), costs=bootstrap.costs(), now=call.now)
    names = {
        job.id: job.name for status in sorted(HOLDING) for job in bootstrap.jobs().by_status(status.value)
    }
    return views_budget.budget_json(found, names, call.now)


@endpoint(bp, "GET", "/api/budget", summary="This month's limit, what is spent and what is reserved")
def get_budget(call: Call) -> dict[str, Any]:
    return _shown(call)


@endpoint(bp, "PUT", "/api/budget", body=BudgetBody, role=Role.MANAGER, summary="Set the monthly limit")
def put_budget(call: Call) -> dict[str, Any]:
    body: BudgetBody = call.body
    change_budget(
        body.limit_usd,
        None if body.grace_percent is None else Decimal(str(body.grace_percent)),
        next_month=body.effective == "next_month",
        user=call.person,
        budgets=bootstrap.budgets(),
        audit=bootstrap.audit(),
        now=call.now,
    )
    # Jobs that were started while there was no limit hold no reservation yet.
    telling.heal_budget(call.now)
    return _shown(call)
