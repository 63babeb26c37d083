from __future__ import annotations

from dataclasses import replace

import pytest
from chalicelib.domain.identity import Role

from tests.backend.queue.line import fill
from tests.backend.queue.promotions import ask
from tests.backend.routes.conftest import site
from tests.backend.routes.site import Site

__all__ = ["site"]


@pytest.fixture
def asked(site: Site) -> tuple[list[str], str]:
    """Eight jobs, five of which wait; the last one's promotion is asked for. (jobs, id of the approval)"""
    site.person("mia", Role.MANAGER)
    site.person("idle", Role.MANAGER)
    idle = next(user for user in site.users.rows.values() if user.email == "idle@example.com")
    site.users.save(replace(idle, active=False), expected=idle)
    jobs = fill(site, 8)
    reply = ask(site, jobs[7])
    assert reply.status == 201, reply.body
    return jobs, str(reply.data["id"])
