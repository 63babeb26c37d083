"""The built site's files as a static host serves them: rewrites, content types, gzip, caching."""

from __future__ import annotations

import gzip
import hashlib
import json
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

GZIP_FROM_BYTES = 1024
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATED = "no-cache"
TEXT_TYPES = ("text/", "application/json", "text/javascript", "image/svg+xml", "application/manifest+json")
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True)
class SiteFile:
    """One file ready to send."""

    body: bytes
    zipped: bytes | None
    etag: str
    content_type: str
    cache_control: str


def _rewrite_pattern(pattern: str) -> re.Pattern[str]:
    parts = [
        re.escape(part) if not part.startswith("{") else "[^/]+" for part in re.split(r"(\{\w+\})", pattern)
    ]
    return re.compile("".join(parts) + "/?")


class SiteFiles:
    """The folder `dist` with the rewrites of `routes.json`; rereads files when they change."""

    def __init__(self, dist: Path, routes: Path) -> None:
        self._dist = dist.resolve()
        self._routes = routes
        self._kept: dict[Path, tuple[int, SiteFile]] = {}

    def find(self, url_path: str) -> SiteFile | None:
        """The file a URL path leads to, or None."""
        for candidate in self._candidates(url_path):
            path = (self._dist / candidate).resolve()
            if path.is_relative_to(self._dist) and path.is_file():
                return self._read(path)
        return None

    def not_found(self) -> SiteFile | None:
        """The site's own page for what is not there."""
        path = self._dist / "404.html"
        return self._read(path) if path.is_file() else None

    def _candidates(self, url_path: str) -> list[str]:
        plain = url_path.strip("/")
        if not plain:
            return [*self._rewritten(url_path), "index.html"]
        candidates = [plain, *self._rewritten(url_path)]
        if "." not in plain.rpartition("/")[2]:
            candidates += [f"{plain}.html", f"{plain}/index.html"]
        return candidates

    def _rewritten(self, url_path: str) -> list[str]:
        if not self._routes.is_file():
            return []
        routes = json.loads(self._routes.read_text(encoding="utf-8"))
        return [route["page"] for route in routes if _rewrite_pattern(route["pattern"]).fullmatch(url_path)]

    def _read(self, path: Path) -> SiteFile:
        changed_at = path.stat().st_mtime_ns
        kept = self._kept.get(path)
        if kept is None or kept[0] != changed_at:
            kept = (changed_at, self._load(path))
            self._kept[path] = kept
        return kept[1]

    def _load(self, path: Path) -> SiteFile:
        body = path.read_bytes()
        guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        content_type = CONTENT_TYPES.get(path.suffix.lower(), guessed)
        zips = len(body) >= GZIP_FROM_BYTES and content_type.startswith(TEXT_TYPES)
        in_assets = path.relative_to(self._dist).parts[0] == "assets"
        return SiteFile(
            body=body,
            zipped=gzip.compress(body, mtime=0) if zips else None,
            etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
            content_type=content_type,
            cache_control=IMMUTABLE if in_assets else REVALIDATED,
        )
