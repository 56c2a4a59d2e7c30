"""A hundred mutants of small submissions; ``make fuzz`` runs two thousand others."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz import campaign
from tests.fuzz.worker import differences


def test_a_hundred_mutants_are_refused_or_scored_as_the_reference_scores_them(
    tmp_path: Path,
) -> None:
    tally = campaign.run(range(100), tmp_path)
    assert not tally.failures, "\n".join(tally.failures)
    assert tally.counts["mutants"] == 100
    # A mutator that breaks all, or nothing, tests nothing.
    assert tally.counts["equal to the reference"] >= 15
    assert tally.counts["refused: SubmissionError"] >= 15


def test_the_comparison_sees_what_differs() -> None:
    assert differences({"a": 1.0}, {"a": 1.0 + 1e-10, "b": float("nan")}) == []
    assert len(differences({"a": 1.0}, {"a": 1.0 + 1e-8})) == 1
    assert len(differences({"a": 1.0}, {})) == 1
    assert len(differences({}, {"a": 1.0})) == 1
    assert len(differences({"a": float("nan")}, {"a": 1.0})) == 1
