"""Who did something: the few facts kept beside a record, so that it reads well for ever."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str
    email: str
    role: str = "member"
