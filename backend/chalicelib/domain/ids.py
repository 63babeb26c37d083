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


def is_id(prefix: str, text: str) -> bool:
    """Whether the text can be an id of this kind at all; anything else is not worth a look in a table."""
    head, _, tail = text.partition("_")
    return head == prefix and 8 <= len(tail) <= 32 and all(character in _ALPHABET for character in tail)
