"""The demo's only way in: the same HTTPS API a user's program would call."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

_PATIENCE_SECONDS = 120.0


class DemoFailedError(Exception):
    """The demo cannot go on; the text says what happened and where to look."""


class DemoApi:
    """Signed in with an API token. Every call waits out a short outage of the stack."""

    def __init__(self, api_url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=api_url, headers={"authorization": f"Bearer {token}"}, timeout=httpx.Timeout(35.0)
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> Any:
        return self._call("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, Any], key: str | None = None) -> Any:
        headers = {"idempotency-key": key} if key else {}
        return self._call("POST", path, json=dict(body), headers=headers)

    def _call(self, method: str, path: str, **rest: Any) -> Any:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                reply = self._http.request(method, path, **rest)
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if reply.status_code < 500:
                    return _data(reply, method, path)
                problem = f"{reply.status_code}: {reply.text[:300]}"
            if time.monotonic() > deadline:
                raise DemoFailedError(f"{method} {path} kept failing: {problem}")
            time.sleep(1.0)

    def upload(self, file: Path, name: str) -> Mapping[str, Any]:
        """The dataset once its check is over."""
        made = self.post(
            "/datasets", {"name": name, "file_name": file.name, "size_bytes": file.stat().st_size}
        )
        link = made["upload"]
        with file.open("rb") as stream:
            put = httpx.put(link["url"], content=stream.read(), headers=link["headers"], timeout=60.0)
        if put.status_code >= 300:
            raise DemoFailedError(f"Uploading {file.name} failed: {put.status_code} {put.text[:300]}")
        path = f"/datasets/{made['dataset']['id']}"
        dataset = self.wait(path, lambda found: found["status"] in {"ready", "rejected"})
        if dataset["status"] != "ready":
            raise DemoFailedError(f"The dataset was rejected: {dataset['errors'][:3]}")
        return dataset

    def wait(self, path: str, done: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            found: Mapping[str, Any] = self.get(path)
            if done(found):
                return found
            if time.monotonic() > deadline:
                raise DemoFailedError(f"{path} did not get ready in {_PATIENCE_SECONDS:.0f} s: {found}")
            time.sleep(0.5)

    def download(self, model_id: str, folder: Path) -> Path:
        """The model's files in `folder`, each held against its checksum."""
        folder.mkdir(parents=True, exist_ok=True)
        for file in self.post(f"/models/{model_id}/download", {})["files"]:
            body = httpx.get(file["url"], timeout=120.0).raise_for_status().content
            if hashlib.sha256(body).hexdigest() != file["sha256"]:
                raise DemoFailedError(f"{file['name']} does not have the checksum it should have.")
            (folder / file["name"]).write_bytes(body)
        return folder


def _data(reply: httpx.Response, method: str, path: str) -> Any:
    answer = reply.json()
    if reply.status_code >= 400:
        raise DemoFailedError(
            f"{method} {path}: {reply.status_code} {answer.get('error')} {answer.get('details') or ''}"
        )
    return answer["data"]
