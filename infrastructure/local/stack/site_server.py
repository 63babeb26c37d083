"""One origin for site and API, as the content network gives in production.

`python -m stack.site_server --port P --api-url STAGE_URL --bucket-origin ORIGIN [--frontend FOLDER]`
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stack.places import REPOSITORY
from stack.site_files import SiteFile, SiteFiles
from stack.site_proxy import ApiProxy

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
BUCKET_PLACEHOLDER = "BUCKET_ORIGIN"
NO_SITE = b"The site is not built yet. Build it with: make site"
SHUTDOWN_SECONDS = 3


def _first_file(*candidates: Path) -> Path:
    return next((path for path in candidates if path.is_file()), candidates[0])


def security_headers(frontend: Path, bucket_origin: str) -> dict[str, str]:
    """The headers of every page, with the bucket's origin filled in; none when the site has no such file."""
    path = _first_file(frontend / "security_headers.json", frontend / "dist" / "security_headers.json")
    if not path.is_file():
        return {}
    headers = json.loads(path.read_text(encoding="utf-8"))
    return {name: str(value).replace(BUCKET_PLACEHOLDER, bucket_origin) for name, value in headers.items()}


def _file_response(request: Request, file: SiteFile, status: int, headers: dict[str, str]) -> Response:
    sent = {**headers, "ETag": file.etag, "Cache-Control": file.cache_control, "Vary": "Accept-Encoding"}
    if status == 200 and request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=sent)
    body = file.body
    if file.zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = file.zipped
        sent["Content-Encoding"] = "gzip"
    sent["Content-Type"] = file.content_type
    return Response(body, status_code=status, headers=sent)


def site_application(frontend: Path, stage_url: str, bucket_origin: str) -> Starlette:
    """The ASGI application: `/api/*` and `/webhooks/*` to the API, everything else from `frontend/dist`."""
    dist = frontend / "dist"
    files = SiteFiles(dist, _first_file(dist / "routes.json", frontend / "routes.json"))
    headers = security_headers(frontend, bucket_origin)
    http = ApiProxy.http_client()
    proxy = ApiProxy(stage_url, http)

    async def page(request: Request) -> Response:
        found = files.find(request.url.path)
        if found is not None:
            return _file_response(request, found, 200, headers)
        missing = files.not_found()
        if missing is not None:
            return _file_response(request, missing, 404, headers)
        return Response(NO_SITE, status_code=404, media_type="text/plain", headers=headers)

    @contextlib.asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncIterator[None]:
        async with http:
            yield

    passed_on = [
        Route(f"/{part}/{{rest:path}}", proxy.forward, methods=METHODS) for part in ("api", "webhooks")
    ]
    return Starlette(
        routes=[*passed_on, Route("/{path:path}", page, methods=["GET", "HEAD"])], lifespan=lifespan
    )


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(prog="python -m stack.site_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--api-url", required=True, help="stage URL of the API")
    parser.add_argument(
        "--bucket-origin", required=True, help="origin of presigned URLs, for the site's policy"
    )
    parser.add_argument("--frontend", type=Path, default=REPOSITORY / "frontend_static")
    arguments = parser.parse_args()
    application = site_application(arguments.frontend, arguments.api_url, arguments.bucket_origin)
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=arguments.port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


if __name__ == "__main__":
    main()
