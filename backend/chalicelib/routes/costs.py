"""What was spent: sums and lines of a period."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import Field

from chalicelib import bootstrap, views_costs
from chalicelib.domain.spending import period
from chalicelib.routes.http import Call, Query, endpoint
from chalicelib.use_cases.read_costs import read_costs

bp = Blueprint(__name__)

Day = Annotated[date, Field(description="A UTC day; both ends of a range are included.")]


class CostQuery(Query):
    period: Literal["week", "month", "year"] | None = None
    start_date: Day | None = None
    end_date: Day | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200
    cursor: Annotated[str, Field(max_length=400)] | None = None


@endpoint(
    bp, "GET", "/api/costs", query=CostQuery, summary="What was spent, by what, and the books behind it"
)
def get_costs(call: Call) -> dict[str, Any]:
    query: CostQuery = call.query
    asked = period(query.period, query.start_date, query.end_date, call.now)
    after = views_costs.read_cursor(query.cursor)
    return views_costs.costs_json(read_costs(asked, after, query.limit, costs=bootstrap.costs()))
