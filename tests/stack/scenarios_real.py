"""What only the real trainer can show: the bytes of the adapter, and money when a price changes while it trains."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import httpx

from tests.stack.invariants import End, model_files
from tests.stack.scene import REAL, SIMULATED, Play, Scenario, Scene
from tests.stack.simulated_script import WEIGHTS

KILLS = 10
SEED = 20_260_101
EPOCHS = 20
# What a cap may be overspent by: the provider's list is read once a minute, and then the pod is ended.
OVERSPEND_SECONDS = 60


def spot_kills(scene: Scene) -> None:
    """The same configuration unbroken, then with its GPU taken away again and again."""
    unbroken = scene.begin(scene.real_draft(End(), "5.00", f"Unbroken {scene.number}", EPOCHS, seed=SEED))
    wanted = _adapter(scene, scene.until_final(unbroken))
    end = End(pods=(KILLS + 1, KILLS + 1), resumed=True)
    broken = scene.begin(scene.real_draft(end, "5.00", f"Broken {scene.number}", EPOCHS, seed=SEED))
    stored = 0
    for kill in range(KILLS):
        stored = scene.until(lambda: _newer(scene, broken, stored), "a newer checkpoint is stored")  # noqa: B023
        scene.reclaim(broken, "TERM" if kill % 2 else "KILL")
        scene.until(lambda: _lost(scene, broken, kill + 1), "the loss was noticed")  # noqa: B023
    job = scene.until_final(broken)
    found = _adapter(scene, job)
    scene.note(f"sha256 {found[:12]} beside {wanted[:12]} of the unbroken run")
    assert found == wanted, f"the adapter of {KILLS} kills is {found}, unbroken it is {wanted}"


def _newer(scene: Scene, job_id: str, stored: int) -> int | None:
    """The step of the newest checkpoint of the present pod, once it is beyond what was there before."""
    job = scene.job(job_id)
    assert not job["is_final"], f"{job['status']}: {job['status_sentence']}"
    checkpoint = job["checkpoint"]
    present = job["attempts"][-1]["attempt"] if job["attempts"] else 0
    if checkpoint and checkpoint["step"] > stored and checkpoint["attempt"] == present:
        return int(checkpoint["step"])
    return None


def _lost(scene: Scene, job_id: str, losses: int) -> bool:
    job = scene.job(job_id)
    assert not job["is_final"], f"{job['status']}: {job['status_sentence']}"
    return len(job["attempts"]) > losses


def _adapter(scene: Scene, job: dict[str, Any]) -> str:
    """The sha256 of the adapter's own bytes, fetched as a user would."""
    assert job["status"] == "completed", f"{job['status']}: {job['status_sentence']}"
    (url,) = [file["url"] for file in model_files(scene.world, job) if file["name"] == WEIGHTS]
    return hashlib.sha256(httpx.get(url, timeout=30).raise_for_status().content).hexdigest()


def _prices(scene: Scene, gpu_id: str, factor: float) -> None:
    reply = httpx.post(
        f"{scene.world.outputs['runpod_url']}/_prices", json={"gpu_id": gpu_id, "factor": factor}
    )
    assert reply.status_code < 300, reply.text


def _price_rises(factor: int, trainer: str, end: End) -> Play:
    """The price of a running pod rises; the cap was the least that is accepted at the old one."""

    def play(scene: Scene) -> None:
        job_id = _capped(scene, trainer, end)
        scene.until_checkpoint(job_id)
        pod = scene.pod(job_id)
        old = Decimal(str(pod["price_usd_per_hour"]))
        _prices(scene, pod["gpu_id"], factor)
        scene.note(f"price x{factor}")
        try:
            job = scene.until_final(job_id)
        finally:
            _prices(scene, pod["gpu_id"], 1 / factor)
        (billed,) = scene.world.ledger(job_id)
        cap, spent = Decimal(job["cost"]["spend_cap_usd"]), Decimal(str(billed["cost_usd"]))
        over = (spent - cap) / (old * factor / 3600)
        scene.note(f"ledger ${spent:.4f} of ${cap}: {max(Decimal(0), over):.0f} s beyond the cap")
        assert over <= OVERSPEND_SECONDS, f"${spent} is {over:.0f} s at the new rate beyond ${cap}"
        _usable_adapter(scene, job)

    return play


def _capped(scene: Scene, trainer: str, end: End) -> str:
    """A job that trains until it is stopped, under the least cap its GPU's price allows."""
    rate = Decimal(_rate(scene))
    cap = str((rate / 4).quantize(Decimal("0.01")) + Decimal("0.01"))
    if trainer == REAL:
        return scene.begin(scene.real_draft(end, cap, f"{scene.name} {scene.number}", EPOCHS))
    return scene.start(end, cap, steps=20_000, step=0.2, every=50)


def _rate(scene: Scene) -> str:
    """What the cheapest tier of the stack's own choice of GPU costs an hour."""
    catalog = scene.world.api.get("/catalog")
    (gpu,) = [each for each in catalog["gpus"] if each["type"] == catalog["default_gpu"]]
    return str(gpu["prices"]["spot"]["usd_per_hour"])


def _usable_adapter(scene: Scene, job: dict[str, Any]) -> None:
    """The model's own, or that of the last checkpoint."""
    if job["status"] == "completed":
        _adapter(scene, job)
        return
    step = job["checkpoint"]["step"]
    files = scene.world.api.post(f"/jobs/{job['id']}/checkpoints/{step}/download", {})["files"]
    (link,) = [file for file in files if file["name"] == WEIGHTS]
    content = httpx.get(link["url"], timeout=30).raise_for_status().content
    assert hashlib.sha256(content).hexdigest() == link["sha256"]


TABLE = (
    Scenario(
        "ten-spot-kills",
        f"the GPU is taken away {KILLS} times, with and without warning in turns",
        "the adapter's bytes are those of the unbroken run",
        spot_kills,
        trainer=REAL,
        alone=True,
    ),
    Scenario(
        "price-doubled",
        "the price doubles while the real trainer works under the least cap",
        f"at most {OVERSPEND_SECONDS} s at the new rate beyond the cap, the adapter is downloadable",
        _price_rises(2, REAL, End("completed", "spend_cap")),
        trainer=REAL,
        alone=True,
    ),
    Scenario(
        "price-times-hundred",
        "the price becomes a hundred times higher, so that the cap is passed within seconds",
        f"at most {OVERSPEND_SECONDS} s at the new rate beyond the cap, the last checkpoint's adapter is downloadable",
        _price_rises(100, SIMULATED, End("failed", "hard_cap", also=(("completed", "spend_cap"),))),
        alone=True,
    ),
)
