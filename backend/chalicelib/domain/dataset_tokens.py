"""An honest guess at how many tokens a text becomes, from its bytes alone.

Counting truly would need the tokenizer of each base model inside the Lambda. Method and measured error:
see docs/datasets.md.
"""

from __future__ import annotations

COUNTED_HOW = "estimated from bytes"
BYTES_PER_TOKEN = 4.3  # English prose in byte-pair vocabularies of 49 to 128 thousand
TOKENS_PER_MESSAGE = 5  # role and turn markers a chat template adds


def message_tokens(content_bytes: int) -> float:
    return TOKENS_PER_MESSAGE + content_bytes / BYTES_PER_TOKEN
