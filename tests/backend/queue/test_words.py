from __future__ import annotations

from datetime import timedelta

import pytest
from chalicelib.domain import queue_words


@pytest.mark.parametrize(
    ("waiting", "word"),
    [
        (0, "empty"),
        (1, "short"),
        (3, "short"),
        (4, "moderate"),
        (5, "moderate"),
        (8, "long"),
        (11, "very long"),
    ],
)
def test_the_depth_has_a_word(waiting: int, word: str) -> None:
    assert queue_words.depth_word(waiting) == word


def test_a_queue_of_more_than_ten_is_warned_of() -> None:
    assert queue_words.long_queue_warning(10) is None
    assert queue_words.long_queue_warning(12) == (
        "Queue is unusually long (12 jobs). Consider increasing concurrency limit or cancelling non-essential jobs."
    )


def test_a_full_queue_is_said_to_be_full() -> None:
    assert queue_words.full_notice(2, 3) is None
    assert queue_words.full_notice(3, 3) == (
        "Queue full (3/3 active jobs). Wait for completion or cancel an active job."
    )
    # After the limit was lowered.
    assert queue_words.full_notice(3, 2) is not None


@pytest.mark.parametrize(
    ("active", "waiting", "hours", "advice"),
    [
        (2, 5, 1, None),
        (3, 4, 1, None),
        (
            3,
            5,
            8,
            (
                "info",
                "Queue Advisory: 3 active jobs running, 5 jobs in queue. Your job will be queued. "
                "Estimated start: 8 hours from now.",
            ),
        ),
        (
            3,
            12,
            30,
            (
                "warning",
                "Long Queue: 12 jobs ahead. Estimated wait: 24+ hours. Recommendation: Wait for queue to clear "
                "or increase team concurrency limit.",
            ),
        ),
    ],
)
def test_who_is_about_to_start_a_job_is_advised(
    active: int, waiting: int, hours: int, advice: tuple[str, str] | None
) -> None:
    assert queue_words.advisory(active, 3, waiting, timedelta(hours=hours)) == advice


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "1 minute"),
        (45, "45 minutes"),
        (60, "1 hour"),
        (61, "1 hour 1 minute"),
        (90, "1 hour 30 minutes"),
        (480, "8 hours"),
    ],
)
def test_a_wait_is_said_roughly(minutes: int, words: str) -> None:
    assert queue_words.about(timedelta(minutes=minutes)) == words


@pytest.mark.parametrize(
    ("jobs", "sentence"),
    [
        (0, "Will delay no other job"),
        (1, "Will delay 1 other queued job by ~30 minutes"),
        (4, "Will delay 4 other queued jobs by ~30 minutes each"),
    ],
)
def test_the_delay_of_the_others_is_said(jobs: int, sentence: str) -> None:
    assert queue_words.delay_sentence(jobs, timedelta(minutes=30)) == sentence
