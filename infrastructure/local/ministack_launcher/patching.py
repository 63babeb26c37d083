"""How a correction takes hold of ministack's code, and refuses when that code is not the one it was written
for.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

DIGEST_CHARACTERS = 16


class UpstreamChangedError(RuntimeError):
    """The installed ministack differs from the code a correction was written against."""

    def __init__(self, patch: str, name: str, problem: str) -> None:
        super().__init__(
            f"The correction '{patch}' does not fit the installed ministack: {name} {problem}. "
            "Install the pinned version (infrastructure/local/requirements.txt), or review the correction "
            "against the new code and its test in tests/local_stack."
        )


def digest_of(function: Callable[..., Any]) -> str:
    """First 16 hexadecimal characters of the SHA-256 of a function's source text."""
    source = inspect.getsource(function)
    return hashlib.sha256(source.encode()).hexdigest()[:DIGEST_CHARACTERS]


def require(patch: str, owner: Any, expected: dict[str, str]) -> None:
    """Check that each named function or class of `owner` still has the source text it had (name -> digest).

    Raises UpstreamChangedError naming the first difference.
    """
    for name, digest in expected.items():
        full_name = f"{getattr(owner, '__name__', owner)}.{name}"
        target = getattr(owner, name, None)
        if target is None:
            raise UpstreamChangedError(patch, full_name, "is gone")
        found = digest_of(target)
        if found != digest:
            raise UpstreamChangedError(patch, full_name, f"has changed (digest {found}, expected {digest})")


def rewrite(patch: str, module: ModuleType, name: str, replacements: list[tuple[str, str]]) -> None:
    """Recompile `module.name` with text replaced; each old text must occur exactly once.

    Meant for a few lines in the middle of a long function, where a wrapper cannot reach.
    """
    source = inspect.getsource(getattr(module, name))
    for old, new in replacements:
        if source.count(old) != 1:
            raise UpstreamChangedError(
                patch, f"{module.__name__}.{name}", "no longer contains the text to be corrected"
            )
        source = source.replace(old, new)
    code = compile(source, f"<{patch}: {module.__name__}.{name}>", "exec")
    exec(code, module.__dict__)  # noqa: S102 - our own text, in the module it belongs to
