"""What a stack chooses once and keeps: ports that URLs contain, keys and the owner's password."""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict, dataclass, replace

from stack.files import read_json, write_json
from stack.places import DEFAULT_SITE_PORT, Home
from stack.waiting import lasting_port

DEFAULT_OWNER_EMAIL = "owner@example.com"


@dataclass(frozen=True)
class LastingSettings:
    """Ports on 127.0.0.1, and secrets."""

    aws_port: int
    runpod_port: int
    site_port: int
    runpod_api_key: str
    webhook_secret: str
    owner_email: str
    owner_password: str

    @property
    def aws_url(self) -> str:
        """Endpoint of the AWS stand-in."""
        return f"http://127.0.0.1:{self.aws_port}"

    @property
    def runpod_url(self) -> str:
        """Origin of the RunPod stand-in."""
        return f"http://127.0.0.1:{self.runpod_port}"

    @property
    def site_url(self) -> str:
        """The one origin of site and API."""
        return f"http://127.0.0.1:{self.site_port}"


def _chosen_site_port(kept: int | None) -> int:
    """PORT if set; `0` means a free one, kept from then on; the default otherwise."""
    asked = os.environ.get("PORT", "").strip()
    if asked in ("", "0"):
        return kept or (lasting_port() if asked else DEFAULT_SITE_PORT)
    if not asked.isdigit() or not 0 < int(asked) < 65536:
        raise ValueError(
            f"PORT is '{asked}'; it must be a port number from 1 to 65535, or 0 for any free port."
        )
    return int(asked)


def _fresh() -> LastingSettings:
    return LastingSettings(
        aws_port=lasting_port(),
        runpod_port=lasting_port(),
        site_port=0,
        runpod_api_key=f"rpa_local_{secrets.token_hex(16)}",
        webhook_secret=secrets.token_hex(32),
        owner_email=os.environ.get("OWNER_EMAIL") or DEFAULT_OWNER_EMAIL,
        # Prefixed so that it meets any password policy, whatever the random part holds.
        owner_password=f"Aa1!{secrets.token_urlsafe(18)}",
    )


def load(home: Home) -> LastingSettings:
    """The settings of this state folder; made and saved on its first use."""
    saved = read_json(home.settings)
    # Fresh values first: a folder written by an older version lacks what came later.
    settings = LastingSettings(**{**asdict(_fresh()), **saved})
    settings = replace(settings, site_port=_chosen_site_port(settings.site_port or None))
    write_json(home.settings, asdict(settings))
    return settings
