"""Schemathesis attacks every route from the API's own document, with valid and with broken requests."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from chalicelib.domain.identity import Role
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.backend.openapi.everything import KNOWN_IDS, Door, everything

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
REQUESTS_PER_ROUTE = 12


def _attack(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> None:
    @seed(20261122)
    @settings(
        max_examples=REQUESTS_PER_ROUTE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode), known=st.integers(0, 5))
    def send(case: Any, known: int) -> None:
        for name, ids in KNOWN_IDS.items():
            if name in (case.path_parameters or {}) and known:
                case.path_parameters[name] = ids[known % len(ids)]
        case.call_and_validate(checks=CHECKS, headers=headers)

    send()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "broken"])
def test_no_request_breaks_the_api_or_its_document(mode: GenerationMode) -> None:
    with everything() as world:
        api = schemathesis.openapi.from_wsgi("/api/openapi.json", Door(world.app))
        headers = {"Authorization": f"Bearer {world.token(Role.OWNER)}"}
        attacked, broken = 0, []
        for found in api.get_all_operations():
            operation: Any = found.ok()  # type: ignore[union-attr]
            has_input = operation.body or operation.query or operation.path_parameters
            if mode is GenerationMode.NEGATIVE and not has_input:
                continue
            try:
                _attack(operation, mode, headers)
            except FailureGroup as failures:
                # All routes are tried, so that one report names everything that is wrong.
                broken.append(f"{operation.label}: {failures}")
            attacked += 1
    assert attacked > 15
    assert not broken, "\n\n".join(broken)
