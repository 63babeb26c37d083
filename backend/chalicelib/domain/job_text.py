"""Rules for what people write about a job: name, description, notes, tags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from chalicelib.domain.errors import ValidationFailed

NAME_LENGTHS = (3, 100)
MOST_DESCRIPTION = 500
MOST_NOTES = 2000
MOST_TAGS = 10
MOST_QUESTIONS = 5
MOST_QUESTION = 300
_TAG = re.compile(r"[a-z0-9-]{3,30}")


def default_name(dataset_name: str, preset_name: str, now: datetime) -> str:
    """`{dataset} - {preset} - {YYYY-MM-DD}`, cut to the longest name allowed."""
    tail = f" - {preset_name} - {now:%Y-%m-%d}"
    return dataset_name[: NAME_LENGTHS[1] - len(tail)] + tail


def check(
    *,
    name: str | None = None,
    description: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] | None = None,
    questions: Sequence[str] | None = None,
    client_id: str | None = None,
    project_id: str | None = None,
) -> None:
    """ValidationFailed naming every field that breaks a rule; None is not checked."""
    problems: dict[str, list[str]] = {}
    if name is not None and not NAME_LENGTHS[0] <= len(name.strip()) <= NAME_LENGTHS[1]:
        problems["name"] = ["Job name must be between 3 and 100 characters."]
    if description is not None and len(description) > MOST_DESCRIPTION:
        problems["description"] = [f"At most {MOST_DESCRIPTION} characters; this has {len(description)}."]
    if notes is not None and len(notes) > MOST_NOTES:
        problems["notes"] = [f"At most {MOST_NOTES} characters; these have {len(notes)}."]
    if tags is not None:
        problems.update(_tag_problems(tags))
    if questions is not None and (
        len(questions) > MOST_QUESTIONS
        or any(not 1 <= len(text.strip()) <= MOST_QUESTION for text in questions)
    ):
        problems["sample_questions"] = [
            f"At most {MOST_QUESTIONS} questions of 1 to {MOST_QUESTION} characters each."
        ]
    texts = {"name": name, "description": description, "notes": notes}
    for field, value in {**texts, "client_id": client_id, "project_id": project_id}.items():
        if value is not None and _unprintable(value):
            problems[field] = ["Contains characters that cannot be stored as text."]
    if questions is not None and any(_unprintable(text) for text in questions):
        problems["sample_questions"] = ["Contain characters that cannot be stored as text."]
    if problems:
        raise ValidationFailed(problems)


def _tag_problems(tags: Sequence[str]) -> dict[str, list[str]]:
    if len(tags) > MOST_TAGS:
        return {"tags": [f"Maximum {MOST_TAGS} tags allowed."]}
    wrong = [tag for tag in tags if not _TAG.fullmatch(tag)]
    if wrong:
        return {
            "tags": [
                f"“{tag[:40]}” is no tag: use 3-30 lowercase letters, digits or hyphens."
                for tag in wrong
                if not _unprintable(tag)
            ]
            or ["Not a tag."]
        }
    if len(set(tags)) < len(tags):
        return {"tags": ["Each tag only once."]}
    return {}


def _unprintable(text: str) -> bool:
    """NUL and lone surrogates cannot be stored."""
    return "\x00" in text or any(0xD800 <= ord(character) <= 0xDFFF for character in text)
