"""Boards in EvalAI's order: ties, missing error bars and labels, statuses, and what is said."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Tuple

import pytest

from nlb_evalai.challenge.evalai.config import PhaseSplit, parse_challenge
from nlb_evalai.challenge.evalai.replica.boards import (
    FINISHED,
    PARTIAL,
    STATUSES,
    Entry,
    board_rows,
    remarks,
)
from tests.nlb_evalai.challenge.evalai import toy


def split(descending: bool = True, metadata: Optional[Dict[str, Any]] = None) -> PhaseSplit:
    """The toy's first board, with labels a (the default) and b."""
    config = toy.config()
    config["leaderboard"][0]["schema"]["metadata"] = metadata
    for entry in config["challenge_phase_splits"]:
        entry["is_leaderboard_order_descending"] = descending
    return parse_challenge(json.dumps(config)).phase_splits[0]


def entry(team: str, a: Optional[float], bar: Optional[float] = None, **more: Any) -> Entry:
    """A submission with score ``a`` (None: without), and complete error bars (None: without)."""
    scores = {"b": 1.0} if a is None else {"a": a, "b": 1.0}
    output: Dict[str, Any] = {"result": [{"one_split": scores}]}
    if bar is not None:
        output["error"] = [{"one_split": {"error_a": bar, "error_b": 0.1}}]
    return Entry(team, output, **more)


Row = Tuple[str, Optional[float], Optional[float]]

#: (team, score, error bar) of the submissions, oldest first -> teams as EvalAI's board has them
DESCENDING: Dict[str, Tuple[List[Row], List[str]]] = {
    "the higher score": ([("x", 0.1, 0.1), ("y", 0.2, 0.1)], ["y", "x"]),
    "of equal scores the smaller bar": ([("x", 0.2, 0.2), ("y", 0.2, 0.1)], ["y", "x"]),
    "of equal scores no bar at all": ([("x", 0.2, None), ("y", 0.2, 0.001)], ["x", "y"]),
    "a bar of 0 is as good as none, newest first": (
        [("x", 0.2, 0.0), ("y", 0.2, None), ("z", 0.2, 0.0)],
        ["z", "y", "x"],
    ),
    "no bar does not beat a higher score": ([("x", 0.2, None), ("y", 0.2001, 0.3)], ["y", "x"]),
    "a missing label is 0, above negative": (
        [("x", None, None), ("y", -0.1, 0.1), ("z", 0.1, 0.1)],
        ["z", "x", "y"],
    ),
    "a missing label ties with 0, which has a bar": (
        [("x", 0.0, 0.1), ("y", None, None)],
        ["y", "x"],
    ),
    "of one team its best": ([("x", 0.1, None), ("x", 0.3, 0.1), ("y", 0.2, 0.1)], ["x", "y"]),
}
ASCENDING: Dict[str, Tuple[List[Row], List[str]]] = {
    "the lower score": ([("x", 0.1, 0.1), ("y", -0.2, 0.1)], ["y", "x"]),
    "of equal scores the larger bar, and none last": (
        [("x", 0.2, None), ("y", 0.2, 0.1), ("z", 0.2, 0.2)],
        ["z", "y", "x"],
    ),
    "a missing label is 0, below negative": ([("x", None, None), ("y", -0.1, 0.1)], ["y", "x"]),
}


def _teams(shown: PhaseSplit, rows: List[Row]) -> List[str]:
    found = board_rows(shown, [entry(*row) for row in rows])
    assert [row.rank for row in found] == list(range(1, len(found) + 1))
    return [row.team for row in found]


@pytest.mark.parametrize("case", DESCENDING)
def test_order_where_more_is_better(case):
    rows, expected = DESCENDING[case]
    assert _teams(split(descending=True), rows) == expected


@pytest.mark.parametrize("case", ASCENDING)
def test_order_where_less_is_better(case):
    rows, expected = ASCENDING[case]
    assert _teams(split(descending=False), rows) == expected


@pytest.mark.parametrize(
    ("flag", "metadata", "descending"),
    [
        (True, None, True),
        (False, None, False),
        (True, {"b": {"sort_ascending": True}}, True),
        (True, {"a": {"sort_ascending": True}}, False),
        (False, {"a": {"sort_ascending": False}}, True),
        (True, {"a": {"description": "x"}}, False),
    ],
)
def test_what_the_default_labels_metadata_say_goes_before_the_flag(flag, metadata, descending):
    assert split(flag, metadata).descending is descending


def test_a_split_with_a_missing_score_has_no_bars_and_the_rest_keeps_its_own():
    rows = board_rows(split(), [entry("x", None), entry("y", -0.5, 0.25)])
    assert [(row.team, row.scores, row.error_bars) for row in rows] == [
        ("x", {"b": 1.0}, {}),
        ("y", {"a": -0.5, "b": 1.0}, {"a": 0.25, "b": 0.1}),
    ]
    assert [row.ranked_as_zero for row in rows] == [True, False]


@pytest.mark.parametrize("status", STATUSES)
def test_only_finished_submissions_are_shown_and_partial_ones_where_the_phase_has_them(status):
    one = [entry("x", 0.1, status=status)]
    assert bool(board_rows(split(), one)) is (status == FINISHED)
    assert bool(board_rows(split(), one, partial=True)) is (status in (FINISHED, PARTIAL))


def test_evalais_statuses_are_all_known():
    assert set(STATUSES) == {
        *("submitted", "running", "finished", "failed", "cancelled"),
        *("queued", "submitting", "resuming", "partially_evaluated", "archived"),
    }


def test_baselines_are_not_reduced_to_one_a_team():
    entries = [entry("x", 0.1, is_baseline=True), entry("x", 0.2, is_baseline=True)]
    assert len(board_rows(split(), entries)) == 2


def test_the_consequences_of_gaps_are_said():
    shown = split()
    boards = [(shown, board_rows(shown, [entry("x", None), entry("y", 0.2, 0.1)]))]
    assert remarks(boards) == [
        "EvalAI ranks as 0, for want of a: x (one_split)",
        "EvalAI puts first among equal scores, for want of error bars: x (one_split)",
        "EvalAI shows an empty cell with an orange badge E where a score is missing",
    ]
    assert remarks([(shown, board_rows(shown, [entry("y", 0.2, 0.1)]))]) == []
