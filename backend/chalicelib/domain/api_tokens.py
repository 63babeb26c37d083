"""API tokens: how a secret is made, recognised and limited. Only its hash is ever kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from chalicelib.domain.identity import ApiToken

MARK = "lp_"
EVERYTHING = "*"
SECRET_CHARACTERS = 40
SHOWN_CHARACTERS = 7
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def make_secret(random_bytes: bytes) -> str:
    """`lp_` and 40 base-62 characters (238 bits). random_bytes: 32 or more, from a secure source."""
    if len(random_bytes) < 32:
        raise ValueError("An API token needs 32 random bytes or more.")
    number = int.from_bytes(random_bytes)
    characters = []
    for _ in range(SECRET_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return MARK + "".join(characters)


def hash_of(secret: str) -> str:
    """SHA-256, hexadecimal. No salt and no slow hash: a secret of 238 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def shown_prefix(secret: str) -> str:
    """What stays visible, so that people can tell their tokens apart."""
    return secret[:SHOWN_CHARACTERS]


def is_expired(token: ApiToken, now: datetime) -> bool:
    return token.expires_at is not None and token.expires_at <= now


def allows(scopes: Sequence[str], wanted: str) -> bool:
    """`*` allows everything; a wanted scope of `*` is allowed by nothing else."""
    return EVERYTHING in scopes or wanted in scopes
