"""Passes requests on to the API as the production distribution does: nothing changed, nothing kept back."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

# API Gateway's own limits, so that what passes here passes there.
TIMEOUT_SECONDS = 29.0
MAX_BODY_BYTES = 10 * 1024 * 1024
CONNECT_TIMEOUT_SECONDS = 5.0
# These belong to one connection, not to the message (RFC 9110, 7.6.1).
PER_CONNECTION = frozenset(
    {
        "connection",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# The application server adds its own.
ADDED_BY_SERVER = frozenset({"date", "server"})


def _problem(status: int, code: str, sentence: str) -> JSONResponse:
    request_id = str(uuid.uuid4())
    return JSONResponse(
        {"error": sentence, "details": None, "code": code, "request_id": request_id},
        status_code=status,
        headers={"Cache-Control": "no-store"},
    )


async def _body(request: Request) -> bytes | None:
    """The request's body, or None when it is larger than API Gateway takes."""
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_BODY_BYTES:
            return None
    return bytes(received)


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()


class ApiProxy:
    """Forwards to one API stage; safe for concurrent requests."""

    def __init__(self, stage_url: str, http: httpx.AsyncClient) -> None:
        self._stage = httpx.URL(stage_url.rstrip("/"))
        self._http = http

    @staticmethod
    def http_client() -> httpx.AsyncClient:
        """A client with API Gateway's time limit; the caller closes it."""
        return httpx.AsyncClient(
            timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=50),
            follow_redirects=False,
            trust_env=False,
        )

    async def forward(self, request: Request) -> Response:
        """The API's answer as it is; 413, 502 or 504 with the API's error envelope when there is none."""
        body = await _body(request)
        if body is None:
            return _problem(413, "request_too_large", "The request is larger than the 10 MB the API takes.")
        try:
            answer = await self._http.send(self._request(request, body), stream=True)
        except httpx.ReadTimeout:
            return _problem(504, "api_timeout", "The API did not answer within 29 seconds. Try again.")
        except httpx.HTTPError:
            return _problem(502, "api_unavailable", "The API cannot be reached. Try again in a few seconds.")
        reply = StreamingResponse(_chunks(answer), status_code=answer.status_code)
        reply.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower().decode() not in PER_CONNECTION | ADDED_BY_SERVER
        ]
        return reply

    def _request(self, request: Request, body: bytes) -> httpx.Request:
        headers = [
            (name, value)
            for name, value in request.headers.raw
            if name.decode().lower() not in PER_CONNECTION
        ]
        client = request.client.host if request.client else "127.0.0.1"
        headers += [(b"x-forwarded-for", client.encode()), (b"x-forwarded-proto", b"http")]
        raw_path = self._stage.raw_path.rstrip(b"/") + request.scope["raw_path"]
        if request.scope["query_string"]:
            raw_path += b"?" + request.scope["query_string"]
        return self._http.build_request(
            request.method, self._stage.copy_with(raw_path=raw_path), headers=headers, content=body
        )
