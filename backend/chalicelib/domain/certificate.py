"""The resume certificate: what the steps that an interruption made run twice say about exactness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# From the best to the worst; a run is as good as the worst of its resumes.
VERDICTS = ("exact", "state hash only", "within tolerance", "diverged")
# Largest difference in nats that another kind of GPU explains by its rounding.
TOLERANCE_NATS = 1e-2


def of_resume(
    resumed_from_step: int, pairs: Sequence[tuple[float, float]], state_sha256: str | None
) -> Mapping[str, Any]:
    """One resume. pairs: the losses of a step before and after it, in nats per supervised token."""
    gap = max((abs(before - after) for before, after in pairs), default=None)
    if gap is None:
        verdict = "state hash only"
    elif gap == 0:
        verdict = "exact"
    else:
        verdict = "within tolerance" if gap <= TOLERANCE_NATS else "diverged"
    return {
        "resumed_from_step": resumed_from_step,
        "verdict": verdict,
        "steps_compared": len(pairs),
        "largest_difference": gap,
        "state_sha256": state_sha256,
        "resumes": 1,
    }


def of_run(earlier: Mapping[str, Any] | None, found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The certificate of all resumes so far: worst verdict, every compared step, the newest state and step."""
    if earlier is None:
        return found
    gaps = [each["largest_difference"] for each in (earlier, found) if each["largest_difference"] is not None]
    return {
        **found,
        "verdict": max(earlier["verdict"], found["verdict"], key=VERDICTS.index),
        "steps_compared": earlier["steps_compared"] + found["steps_compared"],
        "largest_difference": max(gaps, default=None),
        "resumes": earlier.get("resumes", 1) + 1,
    }


def shown(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """With the sentence that its reader gets."""
    count, resumes = certificate["steps_compared"], certificate.get("resumes", 1)
    times = "once" if resumes == 1 else f"{resumes} times"
    steps = "The one step that ran" if count == 1 else f"All {count} steps that ran"
    gap = certificate["largest_difference"] or 0.0
    sentence = {
        "exact": f"{steps} twice gave the very same loss.",
        "state hash only": "Not every interruption made steps run twice that could be compared; the restored state "
        "matched its checksums.",
        "within tolerance": f"Steps that ran twice differ by at most {gap:.2g} in loss, as another kind of GPU does.",
        "diverged": f"Steps that ran twice differ by up to {gap:.2g} in loss: the run went another way.",
    }[certificate["verdict"]]
    return {**certificate, "sentence": f"Interrupted and resumed {times}. {sentence}"}
