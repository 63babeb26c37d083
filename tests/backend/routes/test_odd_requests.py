"""Bodies that cannot be used are refused in the one error shape, and nothing is stored of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.backend.routes.site import DRAFT, GPU, Site

BROKEN: list[tuple[bytes, int]] = [
    (b"", 422), (b"{", 400), (b"[]", 400), (b'"x"', 400), (b"\xff\xfe", 400), (b"null", 400),
    (b"[" * 100_000, 400), (b'{"spend_cap_usd": NaN}', 400), (b'{"dataset_id": "\\ud800"}', 422),
    (b'{"a": ' * 2000 + b"1" + b"}" * 2000, 400), (b'{"x": 1}', 422),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "status"), BROKEN)
def test_a_body_that_cannot_be_used_is_refused_in_the_one_error_shape(
    site: Site, raw: bytes, status: int
) -> None:
    reply = site.dana.call("POST", "/api/jobs", raw)
    assert reply.status in {status, 422}, reply.body
    assert reply.body.keys() == {"error", "details", "code", "request_id"}
    assert site.world.jobs.rows == {}


ODD: list[dict[str, Any]] = [
    {"name": "x"}, {"name": "\u0000nul"}, {"name": "\ud800lone"}, {"tags": ["UPPER"]}, {"tags": "no-list"},
    {"spend_cap_usd": 7.5}, {"spend_cap_usd": "NaN"}, {"spend_cap_usd": "1e9999999"}, {"spend_cap_usd": "-1"},
    {"spend_cap_usd": ""}, {"gpu": {**GPU, "count": 0}}, {"gpu": {**GPU, "count": 10**30}},
    {"gpu": {**GPU, "tier": "free"}}, {"gpu": {**GPU, "type": "\ud800"}}, {"preset_id": "\u202e"},
    {"base_model": ""}, {"hyperparameters": {"epochs": 10**400}},
    {"hyperparameters": {"learning_rate": "NaN"}}, {"hyperparameters": {"target_modules": [[]]}},
    {"hyperparameters": {"\ud800": 1}}, {"seed": -1}, {"seed": True}, {"notes": "\ud800"},
    {"sample_questions": [""]}, {"client_id": "\u0000"}, {"project_id": "\ud800"}, {"unknown": 1},
]  # fmt: skip


@pytest.mark.parametrize("change", ODD, ids=[json.dumps(each)[:40] for each in ODD])
def test_odd_values_are_refused_by_field_and_never_break_anything(site: Site, change: dict[str, Any]) -> None:
    reply = site.dana.call("POST", "/api/jobs", json.dumps({**DRAFT, **change}).encode())
    assert (reply.status, reply.body["code"]) == (422, "validation_failed"), reply.body
    assert reply.body["details"]
    assert site.world.jobs.rows == {}
