"""A pool's keys served on 127.0.0.1, and tokens signed with them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

POOL, CLIENT = "eu-west-1_Test12345", "client1"


@dataclass
class Keys:
    """status: what the door answers with, to play an outage."""

    url: str = ""
    status: int = 200
    asked: list[str] = field(default_factory=list)
    private: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)

    def add(self, key_id: str) -> None:
        self.private[key_id] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def document(self) -> bytes:
        keys = [
            {
                **jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True),
                "kid": key_id,
                "use": "sig",
                "alg": "RS256",
            }
            for key_id, key in self.private.items()
        ]
        return json.dumps({"keys": keys}).encode()

    def token(self, key_id: str = "k1", *, signed_by: str | None = None, **changes: Any) -> str:
        """A valid access token, but for what is changed; a claim changed to None is left out."""
        now = datetime.now(UTC)
        claims = {
            "sub": "sub-1",
            "iss": f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}",
            "client_id": CLIENT,
            "token_use": "access",
            "iat": now,
            "exp": now + timedelta(hours=1),
            **changes,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        key = self.private[signed_by or key_id]
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": key_id})


@contextmanager
def serving() -> Iterator[Keys]:
    keys = Keys()
    keys.add("k1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.asked.append(self.path)
            body = keys.document()
            self.send_response(keys.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        keys.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield keys
        finally:
            server.shutdown()
            thread.join(10)
