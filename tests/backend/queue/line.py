"""A site with a line of jobs, and the minute schedule."""

from __future__ import annotations

from tests.backend.routes.site import Site


def fill(site: Site, count: int) -> list[str]:
    """Jobs of one dataset that differ in their epochs; three of them hold the slots. A minute lies between any two."""
    made = []
    for number in range(1, count + 1):
        made.append(site.started(hyperparameters={"epochs": 1 + number % 5, "rank": 2 ** (2 + number // 5)}))
        site.world.machine.advance(60)
    return made


def pass_a_minute(site: Site) -> None:
    """The minute schedule as it runs in its own function."""
    site.world.machine.advance(60)
    site.client.lambda_.invoke("DispatchQueue", {})
    site.world.machine.work()
