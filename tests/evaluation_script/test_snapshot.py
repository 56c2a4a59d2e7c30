"""The scorer answers what it answered: scores to the last digit, error bars, refusals, receipts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.snapshot import compare
from tests.snapshot.scorer import SNAPSHOTS


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_the_scorer_answers_as_it_did(name: str, tmp_path: Path) -> None:
    compare.assert_unchanged(name, SNAPSHOTS[name], tmp_path)


def test_a_moved_digit_another_word_and_what_is_new_or_gone_are_differences() -> None:
    before = {"value": 0.5, "words": ["a", "b"], "count": 1, "none": None}
    assert not list(compare.differences({**before, "value": 0.5 + 1e-13}, before))
    for change in (
        {"value": 0.5 + 1e-11},
        {"value": float("nan")},
        {"words": ["a", "c"]},
        {"words": ["a"]},
        {"count": 1.0},
        {"count": True},
        {"none": 0.0},
        {"more": 1},
    ):
        assert len(list(compare.differences({**before, **change}, before))) == 1
    assert len(list(compare.differences({}, before))) == len(before)
