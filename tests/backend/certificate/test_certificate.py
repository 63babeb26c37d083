"""What a job's page says about the exactness of its resumes."""

from __future__ import annotations

import pytest
from chalicelib.domain import certificate

EXACT = certificate.of_resume(100, [(1.5, 1.5), (1.25, 1.25)], "a" * 64)
NOTHING = certificate.of_resume(200, [], "b" * 64)
NEAR = certificate.of_resume(300, [(1.5, 1.504)], "c" * 64)
FAR = certificate.of_resume(400, [(1.5, 1.9)], "d" * 64)


@pytest.mark.parametrize(
    ("resumes", "verdict"),
    [
        ((EXACT,), "exact"),
        ((EXACT, EXACT), "exact"),
        ((EXACT, NOTHING), "state hash only"),
        ((NEAR, EXACT), "within tolerance"),
        ((FAR, NEAR, EXACT), "diverged"),
    ],
)
def test_a_run_is_as_exact_as_its_worst_resume(resumes: tuple[dict[str, object], ...], verdict: str) -> None:
    whole = None
    for found in resumes:
        whole = certificate.of_run(whole, found)
    assert whole is not None
    assert whole["verdict"] == verdict
    assert whole["resumes"] == len(resumes)
    assert whole["resumed_from_step"] == resumes[-1]["resumed_from_step"]


def test_every_compared_step_and_the_largest_difference_are_kept() -> None:
    whole = certificate.of_run(certificate.of_run(EXACT, NEAR), EXACT)
    assert whole["steps_compared"] == 5
    assert whole["largest_difference"] == pytest.approx(0.004)
    assert certificate.of_run(NOTHING, NOTHING)["largest_difference"] is None


def test_certificates_written_before_resumes_were_counted_go_on() -> None:
    old = {key: value for key, value in EXACT.items() if key != "resumes"}
    assert certificate.of_run(old, EXACT)["resumes"] == 2
    assert "resumed once" in certificate.shown(old)["sentence"]


def test_the_reader_gets_a_sentence_with_the_numbers() -> None:
    assert certificate.shown(EXACT)["sentence"] == (
        "Interrupted and resumed once. All 2 steps that ran twice gave the very same loss."
    )
    assert "0.4" in certificate.shown(FAR)["sentence"]
    assert "another way" in certificate.shown(FAR)["sentence"]
    assert "2 times" in certificate.shown(certificate.of_run(EXACT, NOTHING))["sentence"]
