"""What pods post: signed by their own attempt, refused otherwise, harmless when repeated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chalicelib.domain.job_file import attempt_secret

from tests.backend.routes.site import CANCEL, Site
from tests.lifecycle.trainer import Trainer

AT = "2026-11-22T10:00:05Z"


@pytest.fixture
def trainer(site: Site) -> Trainer:
    return Trainer(site.world, site.started())


def _point(step: int, **facts: Any) -> dict[str, Any]:
    return {"type": "metrics", "at": AT, "step": step, "epoch": 0.1, "training_loss": 1.0, **facts}


def test_a_pod_says_hello_and_is_told_where_to_go_on(site: Site, trainer: Trainer) -> None:
    reply = site.hello(trainer)
    assert reply.status == 200
    assert (reply.data["incarnation"], reply.data["next_sequence"], reply.data["command"]) == (
        1,
        0,
        "continue",
    )
    assert site.world.state(trainer.job_id) == "AwaitPreprocessing"


def test_a_batch_is_stored_and_its_repetition_changes_nothing(site: Site, trainer: Trainer) -> None:
    site.hello(trainer)
    for _ in range(3):
        reply = site.events(trainer, _point(1), _point(2))
        assert (reply.status, reply.data["next_sequence"]) == (200, 2)
    assert site.world.points(trainer.job_id) == [1, 2]


def test_a_cancelled_job_s_pod_is_told_to_stop_and_then_that_it_is_over(site: Site, trainer: Trainer) -> None:
    site.hello(trainer)
    site.world.cloud.ignore_deletes = 1
    site.dana.call("POST", f"/api/jobs/{trainer.job_id}/cancel", CANCEL)
    site.world.machine.work()
    assert site.events(trainer).data["command"] == "cancel"
    site.world.machine.advance(30)
    over = site.events(trainer)
    assert (over.status, over.body["code"]) == (409, "stale_attempt")


@pytest.mark.parametrize(
    "tampered",
    [
        {"webhook_signature": None},
        {"webhook_id": None},
        {"webhook_timestamp": None},
        {"webhook_timestamp": "soon"},
        {"webhook_timestamp": "１２３"},
        {"webhook_timestamp": "-5"},
        {"webhook_timestamp": "9" * 400},
        {"webhook_id": "msg_2"},
        {"webhook_signature": "v1,AAAA"},
        {"webhook_signature": "v2,whatever v1,"},
        {"webhook_signature": ""},
        {"webhook_signature": "é"},
        {"secret": b"another"},
        {"secret": attempt_secret("master", "job_0000000000000001", 2, "00000001")},
    ],
    ids=str,
)
def test_a_call_that_its_attempt_did_not_sign_is_refused(
    site: Site, trainer: Trainer, tampered: dict[str, Any]
) -> None:
    reply = site.hello(trainer, **tampered)
    assert (reply.status, reply.body["code"]) == (401, "not_signed_in")
    assert site.world.row(trainer.job_id).incarnation == 0


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_call_from_too_long_ago_or_the_future_is_refused_and_told_the_time(
    site: Site, trainer: Trainer, seconds: int
) -> None:
    now = site.world.clock.now.timestamp()
    reply = site.hello(trainer, at=now + seconds)
    assert reply.status == 401
    assert reply.body["details"]["server_time"].startswith("2026-11-22T10:00")
    assert site.hello(trainer, at=now + (299 if seconds > 0 else -299)).status == 200


def test_a_signature_fits_its_body_alone(site: Site, trainer: Trainer) -> None:
    site.hello(trainer)
    body = {"attempt": 1, "fence": trainer.fence, "incarnation": 1, "first_sequence": 0, "events": []}
    signed = json.dumps(body).encode()
    other = json.dumps({**body, "events": [_point(1)]}).encode()
    stamp = int(site.world.clock.now.timestamp())
    from chalicelib.signatures import sign

    signature = sign(trainer.secret, "msg_1", stamp, signed)
    assert site.pod(trainer, "events", other, webhook_signature=signature).status == 401
    assert site.pod(trainer, "events", signed, webhook_signature=f"v1,bad {signature}").status == 200


def test_one_attempt_cannot_speak_for_another_job(site: Site, trainer: Trainer) -> None:
    other = Trainer(site.world, site.started(hyperparameters={"epochs": 7}))
    mine = trainer.secret
    trainer.job_id = other.job_id
    assert site.hello(trainer, secret=mine).status == 401
    assert site.world.row(other.job_id).incarnation == 0


BODIES: list[Any] = [
    b"", b"{", b"[]", b"null", b"\xff", {"attempt": "1"}, {"attempt": 0}, {"attempt": 10**30}, {"attempt": True},
    {"fence": None}, {"fence": "x" * 5000}, {"incarnation": 0}, {"first_sequence": -1}, {"events": None},
    {"events": [{}]}, {"events": [{"type": "nonsense", "at": AT}]}, {"events": [None]},
    {"events": [_point(-1)]}, {"events": [_point(1, training_loss="x")]}, {"events": [_point(1, at="now")]},
    {"events": [_point(1, at="2026-11-22T10:00:05")]}, {"events": [_point(1, at="0001-01-01T00:00:00+14:00")]},
    {"events": [_point(1, at="9999-12-31T23:59:59-14:00")]}, {"events": [_point(10**400)]},
    {"events": [_point(1, unknown=1)]}, {"events": [_point(1)] * 501}, {"extra": 1},
    {"events": [{"type": "info", "at": AT, "message": "x" * 2001}]},
    {"events": [{"type": "info", "at": AT, "message": "\ud800"}]},
    {"events": [{"type": "info", "at": AT, "message": "ok", "data": {"x": "\ud800"}}]},
    {"events": [{"type": "info", "at": AT, "message": "ok", "data": {"\udfff": 1}}]},
    {"events": [{"type": "resume_evidence", "at": AT, "resumed_from_step": 1, "steps": [{"before": "x"}]}]},
]  # fmt: skip


def _raw(body: Any, trainer: Trainer) -> bytes:
    if isinstance(body, bytes):
        return body
    whole = {"attempt": 1, "fence": trainer.fence, "incarnation": 1, "first_sequence": 0, "events": []}
    return json.dumps({**whole, **body}).encode()


@pytest.mark.parametrize("body", BODIES, ids=[str(body)[:60] for body in BODIES])
def test_a_batch_that_cannot_be_read_is_refused_whole(site: Site, trainer: Trainer, body: Any) -> None:
    site.hello(trainer)
    before = site.world.row(trainer.job_id)
    reply = site.pod(trainer, "events", _raw(body, trainer))
    assert reply.status in {400, 401, 422}, reply.body
    assert reply.body.keys() == {"error", "details", "code", "request_id"}
    assert site.world.row(trainer.job_id) == before


@pytest.mark.parametrize("number", [b"1e999", b"-1e999"])
@pytest.mark.parametrize(
    "event",
    [
        b'{"type": "info", "at": "%s", "message": "ok", "data": {"x": [%s]}}',
        b'{"type": "metrics", "at": "%s", "step": 1, "epoch": %s}',
        b'{"type": "resume_evidence", "at": "%s", "resumed_from_step": 1, "steps": [{"before": 1.0, "after": %s}]}',
    ],
)
def test_a_number_beyond_all_numbers_is_refused(
    site: Site, trainer: Trainer, event: bytes, number: bytes
) -> None:
    """`1e999` is JSON, and reading it gives infinity, which no reply could carry."""
    site.hello(trainer)
    raw = _raw({}, trainer).replace(b'"events": []', b'"events": [' + event % (AT.encode(), number) + b"]")
    reply = site.pod(trainer, "events", raw)
    assert reply.status in {400, 422}, reply.body
    assert site.dana.call("GET", f"/api/jobs/{trainer.job_id}/live").status == 200


def test_links_are_for_the_attempt_s_own_folder_and_the_job_s_own_dataset(
    site: Site, trainer: Trainer
) -> None:
    site.hello(trainer)
    upload = {
        "path": "checkpoints/step-000010/adapter_model.safetensors",
        "size_bytes": 7,
        "sha256": "a" * 64,
    }
    body = {"attempt": 1, "fence": trainer.fence, "uploads": [upload], "downloads": ["dataset"]}
    reply = site.pod(trainer, "urls", body)
    assert reply.status == 200
    assert f"jobs/{trainer.job_id}/attempts/1/checkpoints/" in reply.data["uploads"][upload["path"]]["url"]
    assert reply.data["expires_in_seconds"] <= 900


@pytest.mark.parametrize(
    "path",
    ["../secrets", "artifacts/../../x", "/etc/passwd", "checkpoints/step-1/x", "artifacts/.hidden", "artifacts/a/b",
     "artifacts/a\n"],
)  # fmt: skip
def test_no_link_leads_out_of_the_attempt_s_folder(site: Site, trainer: Trainer, path: str) -> None:
    site.hello(trainer)
    upload = {"path": path, "size_bytes": 7, "sha256": "a" * 64}
    reply = site.pod(
        trainer, "urls", {"attempt": 1, "fence": trainer.fence, "uploads": [upload], "downloads": []}
    )
    assert reply.status == 422


@pytest.mark.parametrize("name", ["checkpoint/x", "checkpoint/../dataset", "datasets", "../dataset"])
def test_no_link_is_given_for_a_file_that_is_not_the_job_s(site: Site, trainer: Trainer, name: str) -> None:
    site.hello(trainer)
    body = {"attempt": 1, "fence": trainer.fence, "uploads": [], "downloads": [name]}
    assert site.pod(trainer, "urls", body).status == 422


def test_a_pod_of_an_old_attempt_gets_no_link(site: Site, trainer: Trainer) -> None:
    site.hello(trainer)
    site.world.cloud.vanish(trainer.pod_id)
    site.world.machine.advance(120)
    assert site.world.attempt(trainer.job_id).number == 2
    body = {"attempt": 1, "fence": trainer.fence, "uploads": [], "downloads": ["dataset"]}
    assert site.pod(trainer, "urls", body).status == 409
    assert site.events(trainer).status == 409
    assert site.hello(trainer).status == 409
