"""An honest guess at how many tokens a text becomes, from its length alone.

Counting truly would need the tokenizer of each base model inside the Lambda. Method and measured error:
see docs/datasets.md.
"""

from __future__ import annotations

COUNTED_HOW = "estimated from bytes"
CHARACTERS_PER_TOKEN = 3.9  # English prose, byte-pair vocabulary of 49 thousand
TOKENS_PER_EXTRA_BYTE = 0.6  # bytes a character needs beyond its first: other scripts cost more
TOKENS_PER_MESSAGE = 5  # role and turn markers of a chat template
TOKENS_OF_DEFAULT_SYSTEM = 20  # what many templates put before a conversation that has no system turn


def message_tokens(characters: int, utf8_bytes: int) -> float:
    extra_bytes = utf8_bytes - characters
    return TOKENS_PER_MESSAGE + characters / CHARACTERS_PER_TOKEN + TOKENS_PER_EXTRA_BYTE * extra_bytes


def opening_tokens(first_role: str) -> int:
    return 0 if first_role == "system" else TOKENS_OF_DEFAULT_SYSTEM
