"""The serverless worker, driven as the SDK does on a machine without an endpoint: one request from test_input.json."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from trainer.errors import BadConfigurationError
from trainer.serverless import process_environment

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import SECRET, bare_environment, finished, job_file, wait_until

WEBHOOK_SECRET = "whsec_" + base64.b64encode(SECRET).decode()


def worker_environment(tmp_path: Path, models: Path) -> dict[str, str]:
    """What an endpoint gives its worker."""
    return bare_environment() | {
        "LORA_PIPELINE_MODELS_DIR": str(models),
        "LORA_PIPELINE_WORK_DIR": str(tmp_path / "work"),
        "RUNPOD_POD_ID": "worker-1",
        "RUNPOD_API_KEY": "endpoint-key",
    }


@contextmanager
def worker(tmp_path: Path, models: Path, given: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m trainer.serverless` with one request."""
    (tmp_path / "test_input.json").write_text(json.dumps({"id": "request-1", "input": given}))
    variables = worker_environment(tmp_path, models)
    with (tmp_path / "worker.log").open("wb") as output:
        command = [sys.executable, "-m", "trainer.serverless"]
        process = subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_request_trains_one_adapter_and_the_worker_lives_on(
    plane: FakeControlPlane, models_dir: Path, tmp_path: Path
) -> None:
    given = {"job": job_file(plane), "webhook_secret": WEBHOOK_SECRET}
    with worker(tmp_path, models_dir, given) as process:
        assert process.wait(240) == 0, (tmp_path / "worker.log").read_text()
    assert finished(plane)
    assert "adapter_model.safetensors" in plane.stored("artifacts/")
    log = (tmp_path / "worker.log").read_text()
    assert "'outcome': 'completed'" in log
    assert "Traceback" not in log
    assert plane.deleted_pods == []


@pytest.mark.slow
def test_a_worker_that_is_taken_away_lets_the_trainer_save_first(
    plane: FakeControlPlane, models_dir: Path, tmp_path: Path
) -> None:
    given = {
        "job": job_file(plane, hyperparameters={"epochs": 20}),
        "webhook_secret": WEBHOOK_SECRET,
    }
    with worker(tmp_path, models_dir, given) as process:
        wait_until(lambda: len(plane.of_type("metrics")) > 3, "it trains", 120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 1
    assert [event["code"] for event in plane.of_type("stopping")] == ["sigterm"]
    assert "was ended (code 143)" in (tmp_path / "worker.log").read_text()


@pytest.mark.slow
def test_a_request_that_cannot_be_used_fails_with_the_reason(
    plane: FakeControlPlane, models_dir: Path, tmp_path: Path
) -> None:
    job = job_file(plane)
    del job["dataset"]
    with worker(tmp_path, models_dir, {"job": job, "webhook_secret": WEBHOOK_SECRET}) as process:
        assert process.wait(120) == 1
    assert "dataset" in (tmp_path / "worker.log").read_text()
    assert plane.hellos == []


# A process of its own: the SDK's event loop is its only one, and the request is cancelled once the file is there.
GIVES_UP = """
import asyncio, json, pathlib, sys
from trainer.serverless import handle

async def main():
    request = asyncio.create_task(handle(json.loads(pathlib.Path(sys.argv[1]).read_text())))
    while not pathlib.Path(sys.argv[2]).exists():
        await asyncio.sleep(0.05)
    request.cancel()
    await asyncio.wait([request])
    print(request.cancelled())

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_request_that_is_given_up_leaves_no_trainer_behind(
    plane: FakeControlPlane, models_dir: Path, tmp_path: Path
) -> None:
    given = {"job": job_file(plane, hyperparameters={"epochs": 20}), "webhook_secret": WEBHOOK_SECRET}
    (tmp_path / "request.json").write_text(json.dumps({"id": "request-1", "input": given}))
    command = [sys.executable, "-c", GIVES_UP, str(tmp_path / "request.json"), str(tmp_path / "stop")]
    variables = worker_environment(tmp_path, models_dir)
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
        wait_until(lambda: len(plane.of_type("metrics")) > 3, "it trains", 120)
        (tmp_path / "stop").touch()
        printed, _ = process.communicate(timeout=60)
    assert printed.strip() == "True"
    assert [event["code"] for event in plane.of_type("stopping")] == ["sigterm"]


def test_the_jobs_of_a_warm_worker_have_folders_of_their_own() -> None:
    own = process_environment(
        {"job": {"job_id": "job_1", "attempt": 2}, "webhook_secret": WEBHOOK_SECRET},
        {"LORA_PIPELINE_WORK_DIR": "/volume/jobs"},
    )
    assert own["LORA_PIPELINE_WORK_DIR"] == "/volume/jobs/job_1/2"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (None, '"input"'),
        ({"webhook_secret": WEBHOOK_SECRET}, r"input\.job"),
        ({"job": {}}, r"input\.webhook_secret"),
    ],
)
def test_what_is_missing_is_named(given: Any, missing: str) -> None:
    with pytest.raises(BadConfigurationError, match=missing):
        process_environment(given, {})


def test_the_trainer_cannot_delete_the_endpoints_worker() -> None:
    variables = {"RUNPOD_POD_ID": "worker-1", "RUNPOD_API_KEY": "key", "HF_HOME": "/hub"}
    own = process_environment({"job": {"job_id": "j"}, "webhook_secret": WEBHOOK_SECRET}, variables)
    assert not {"RUNPOD_POD_ID", "RUNPOD_API_KEY"} & set(own)
    assert own["HF_HOME"] == "/hub"
