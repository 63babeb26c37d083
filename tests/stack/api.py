"""The product's HTTP API as a user's program calls it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import httpx

from tests.stack.waiting import wait_until

AGREED = {"configuration": True, "cost": True, "budget": True}
REQUEST_TIMEOUT_SECONDS = 40.0
JOB_TIMEOUT_SECONDS = 240.0
BUSY_TRIES = 12


class Api:
    """Signed in with the stack's token. Calls that are refused fail the test with what was said."""

    def __init__(self, api_url: str, token: str) -> None:
        self.http = httpx.Client(
            base_url=api_url, headers={"Authorization": f"Bearer {token}"}, timeout=REQUEST_TIMEOUT_SECONDS
        )

    def close(self) -> None:
        """Drop its connections."""
        self.http.close()

    def get(self, path: str, **query: str | int) -> Any:
        """The data of a GET; asked again while a busy machine does not answer within the gateway's time."""
        for _ in range(BUSY_TRIES):
            reply = self.http.get(path, params=query)
            if reply.status_code != 504:
                break
        return _data(reply)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The data of a POST."""
        return _data(self.http.post(path, json=dict(body)))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """The data of a PATCH."""
        return _data(self.http.patch(path, json=dict(body)))

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as its page shows it."""
        found: dict[str, Any] = self.get(f"/jobs/{job_id}")
        return found

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """A checked dataset made of a JSON Lines file."""
        made = self.post(
            "/datasets", {"name": name, "file_name": "conversations.jsonl", "size_bytes": len(content)}
        )
        link = made["upload"]
        put = httpx.put(
            link["url"], content=content, headers=link["headers"], timeout=REQUEST_TIMEOUT_SECONDS
        )
        assert put.status_code == 200, put.text

        def checked() -> dict[str, Any] | None:
            found: dict[str, Any] = self.get(f"/datasets/{made['dataset']['id']}")
            return found if found["status"] in {"ready", "rejected"} else None

        dataset = wait_until(checked, "the dataset is checked")
        assert dataset["status"] == "ready", dataset["errors"]
        return dataset

    def draft(
        self,
        dataset_id: str,
        gpu: Mapping[str, Any],
        name: str,
        epochs: int,
        spend_cap_usd: str = "50.00",
        **more: Any,
    ) -> str:
        """The id of a draft on the tiny model."""
        wanted = {
            "name": name,
            "dataset_id": dataset_id,
            "preset_id": "custom",
            "base_model": "tiny-llama",
            "gpu": dict(gpu),
            # The same for each run of a test, another for each job: one configuration trains once at a time.
            "seed": zlib.crc32(name.encode()) & 0x7FFFFFFF,
            "hyperparameters": {
                "learning_rate": 0.001,
                "batch_size": 2,
                "gradient_accumulation_steps": 1,
                "epochs": epochs,
                "rank": 8,
                "alpha": 16,
                "dropout": 0.0,
                "warmup_ratio": 0.05,
                "scheduler": "cosine",
                "max_sequence_length": 512,
            },
            "spend_cap_usd": spend_cap_usd,
            "sample_questions": ["How many days do I have to return my lantern?"],
            **more,
        }
        return str(self.post("/jobs", wanted)["id"])

    def begin(self, job_id: str) -> None:
        """Put a draft into the queue."""
        self.post(f"/jobs/{job_id}/start", {"acknowledged": AGREED})

    def start(self, dataset_id: str, gpu: Mapping[str, Any], name: str, epochs: int) -> str:
        """The id of a job on the tiny model that was made and started in one call."""
        return self.draft(dataset_id, gpu, name, epochs, start={"acknowledged": AGREED})

    def cancel(self, job_id: str) -> None:
        """Ask for the end of a job."""
        self.post(f"/jobs/{job_id}/cancel", {"reason": "wrong_configuration", "confirmed": True})

    def until_stage(self, job_id: str, stage: str) -> dict[str, Any]:
        """The job once it is in a stage; it must not end before."""

        def read() -> dict[str, Any] | None:
            job = self.job(job_id)
            assert not job["is_final"], f"{job['status']}: {job['status_sentence']}"
            return job if job["status"] == "running" and job["stage"] == stage else None

        return wait_until(read, f"{job_id} is in {stage}", JOB_TIMEOUT_SECONDS)

    def until_final(self, job_id: str, timeout_seconds: float = JOB_TIMEOUT_SECONDS) -> dict[str, Any]:
        """The job once it has ended, however."""

        def read() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["is_final"] and not job["cost"]["cleanup_pending"] else None

        return wait_until(read, f"{job_id} has ended", timeout_seconds)

    def until_completed(self, job_id: str) -> dict[str, Any]:
        """The job once it has completed; any other end fails the test with its reason."""
        job = self.until_final(job_id)
        assert job["status"] == "completed", f"{job['status']}: {job['status_sentence']} {job['error']}"
        return job

    def curve(self, job_id: str) -> dict[str, list[Any]]:
        """Every point of a job's curves, by column."""
        reply = self.get(f"/jobs/{job_id}/metrics", max_points=20_000)
        assert not reply["thinned"]
        columns: dict[str, list[Any]] = reply["columns"]
        return columns

    def events(self, job_id: str) -> list[dict[str, Any]]:
        """The whole event log, oldest first."""
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            reply = self.get(f"/jobs/{job_id}/events", sort="asc", limit=100, page=page)
            found += reply["events"]
            if page >= reply["pagination"]["total_pages"]:
                return found
            page += 1


def _data(reply: httpx.Response) -> Any:
    assert reply.status_code < 300, f"{reply.request.method} {reply.url}: {reply.status_code} {reply.text}"
    return reply.json()["data"]
