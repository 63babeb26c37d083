"""Settings of the whole organisation."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import BeforeValidator, Field, StrictInt

from chalicelib import bootstrap, telling
from chalicelib.domain.identity import Role
from chalicelib.domain.organisation import DOCUMENT, Organisation, from_document
from chalicelib.domain.pause import KEPT_DAYS_LIMITS
from chalicelib.domain.queue import LIMITS
from chalicelib.routes.http import Body, Call, endpoint
from chalicelib.routes.job_bodies import decimal_text
from chalicelib.use_cases.change_settings import change_settings

bp = Blueprint(__name__)


class SettingsBody(Body):
    """Fields that are given are changed, the others stay."""

    concurrency_limit: Annotated[StrictInt, Field(ge=LIMITS[0], le=LIMITS[1])] | None = None
    default_cap_factor: Annotated[
        Annotated[Decimal, Field(ge=1, le=5, max_digits=4, decimal_places=2, allow_inf_nan=False)] | None,
        BeforeValidator(decimal_text),
    ] = None
    pause_kept_days: Annotated[StrictInt, Field(ge=KEPT_DAYS_LIMITS[0], le=KEPT_DAYS_LIMITS[1])] | None = None


@endpoint(bp, "GET", "/api/settings", role=Role.ADMIN, summary="Settings of the organisation")
def get_settings(_call: Call) -> dict[str, Any]:
    return shown(from_document(bootstrap.documents().get(DOCUMENT)))


@endpoint(
    bp,
    "PUT",
    "/api/settings",
    role=Role.ADMIN,
    body=SettingsBody,
    summary="Change settings of the organisation",
)
def put_settings(call: Call) -> dict[str, Any]:
    changed = change_settings(
        call.body.model_dump(exclude_none=True),
        user=call.person,
        documents=bootstrap.documents(),
        audit=bootstrap.audit(),
        now=call.now,
    )
    # A higher limit frees slots at once.
    telling.dispatch(call.now)
    return shown(changed)


def shown(organisation: Organisation) -> dict[str, Any]:
    """contracts/examples/settings.json"""
    return {
        "concurrency_limit": organisation.concurrency_limit,
        "default_cap_factor": str(organisation.default_cap_factor),
        "pause_kept_days": organisation.pause_kept_days,
    }
