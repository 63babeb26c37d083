"""Identifiers: a prefix that names the kind and 16 characters that nobody can guess."""

from __future__ import annotations

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def new_id(prefix: str, random_bytes: bytes, length: int = 16) -> str:
    """`{prefix}_` and `length` base-36 characters. random_bytes: at least 12, from a secure source."""
    number = int.from_bytes(random_bytes)
    characters = []
    for _ in range(length):
        number, digit = divmod(number, 36)
        characters.append(_ALPHABET[digit])
    return f"{prefix}_{''.join(characters)}"
