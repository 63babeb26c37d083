"""What an open page gets from its poll: little while nothing happens, everything once, and what came late."""

from __future__ import annotations

import json

import pytest

from tests.backend.routes.site import Site
from tests.lifecycle.trainer import Trainer

IDLE_BYTES = 1024


@pytest.fixture
def trainer(site: Site) -> Trainer:
    return Trainer(site.world, site.started()).through("model_loading").stage("training", "active")


def test_a_poll_of_a_job_whose_trainer_only_says_that_it_lives_is_small(site: Site, trainer: Trainer) -> None:
    path = f"/api/jobs/{trainer.job_id}/live"
    cursor = site.dana.call("GET", path).data["cursor"]
    for _ in range(20):
        site.world.machine.advance(5)
        trainer.send()
        reply = site.dana.call("GET", f"{path}?cursor={cursor}")
        assert reply.data["changed"] is False
        assert len(json.dumps(reply.body)) < IDLE_BYTES
        cursor = reply.data["cursor"]
    # The page is still known to be watched, although its polls were answered so briefly.
    assert trainer.send().reply["watched"] is True


def test_one_poll_brings_status_points_and_the_newest_lines_of_the_log(site: Site, trainer: Trainer) -> None:
    trainer.train(1, 200)
    live = site.dana.call("GET", f"/api/jobs/{trainer.job_id}/live").data
    assert live["job"]["progress"]["step"] == 200
    assert live["points"]["step"] == list(range(1, 201))
    assert len(live["events"]) == 10
    assert [event["id"] for event in live["events"]] == sorted(
        (event["id"] for event in live["events"]), reverse=True
    )


def test_a_late_and_a_corrected_point_reach_a_page_that_was_given_a_thinned_curve(
    site: Site, trainer: Trainer
) -> None:
    path = f"/api/jobs/{trainer.job_id}/live"
    trainer.train(1, 4000, batch=12)
    first = site.dana.call("GET", path).data
    assert len(first["points"]["step"]) < 2000
    trainer.send(trainer.point(4001))
    after = site.dana.call("GET", f"{path}?cursor={first['cursor']}").data
    assert (after["points"]["step"], after["reset_points"]) == ([4001], False)
    trainer.send({**trainer.point(1234), "training_loss": 77.5})
    late = site.dana.call("GET", f"{path}?cursor={after['cursor']}").data
    assert late["reset_points"] is True
    assert dict(zip(late["points"]["step"], late["points"]["training_loss"], strict=True))[1234] == 77.5
    trainer.send({**trainer.point(1234), "training_loss": 1.5})
    corrected = site.dana.call("GET", f"{path}?cursor={late['cursor']}").data
    assert max(corrected["points"]["training_loss"]) < 2.0
    again = site.dana.call("GET", f"{path}?cursor={corrected['cursor']}").data
    assert again["changed"] is False


def test_a_long_curve_has_its_length_and_its_extremes_in_any_size(site: Site, trainer: Trainer) -> None:
    trainer.train(1, 3000, batch=10)
    trainer.send({**trainer.point(3001), "training_loss": 42.0})
    trainer.train(3002, 3020, batch=10)
    for size in (10, 500, 20_000):
        reply = site.dana.call("GET", f"/api/jobs/{trainer.job_id}/metrics?max_points={size}&x=time").data
        assert reply["total_points"] == 3020
        assert reply["thinned"] is (size < 3020)
        assert max(reply["columns"]["training_loss"]) == 42.0
        assert len(reply["columns"]["at"]) == reply["points"] <= size + 3
