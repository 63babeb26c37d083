from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backend.routes.site import Site, opened


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with opened(monkeypatch) as made:
        yield made
