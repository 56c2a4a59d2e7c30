"""EvalAI's rules for what evaluate returns, each with an output that breaks just that one."""

from __future__ import annotations

import copy
import json
import re
from typing import Any, Callable, Dict

import numpy as np
import pytest

from nlb_evalai.challenge.evalai.config import ChallengePhase, parse_challenge
from nlb_evalai.challenge.evalai.replica import child
from nlb_evalai.challenge.evalai.replica.boards import board_rows, entries_of
from nlb_evalai.challenge.evalai.replica.output import Foreign, judge, revive
from tests.nlb_evalai.challenge.evalai import toy

CHALLENGE = parse_challenge(json.dumps(toy.config()))
TEST: ChallengePhase = CHALLENGE.phase("test")
SPLITS = CHALLENGE.splits_of(TEST)

GOOD: Dict[str, Any] = {
    "result": [{"one_split": {"a": 0.5, "b": 1}}, {"three_split": {"c": -2.0}}],
    "error": [{"one_split": {"error_a": 0.1, "error_b": 0.0}}],
    "submission_result": {"notes": ["fine", None, True], "n": {"x": 1.5}},
    "submission_metadata": {"seconds": 1.0},
}


def _through_the_wire(value: Any) -> Any:
    return revive(json.loads(json.dumps(child.describe(value))))


def test_an_output_within_the_rules_has_no_problem():
    assert judge(GOOD, SPLITS) == []
    assert judge({"result": GOOD["result"]}, SPLITS) == []


def test_a_board_with_gaps_is_within_the_rules():
    assert judge({"result": [{"one_split": {"b": 0.5}}]}, SPLITS) == []


Break = Callable[[Dict[str, Any]], Any]


def _set(*path: Any, to: Any) -> Break:
    def change(output: Dict[str, Any]) -> Dict[str, Any]:
        inner: Any = output
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = to
        return output

    return change


def _drop(*path: Any) -> Break:
    def change(output: Dict[str, Any]) -> Dict[str, Any]:
        inner: Any = output
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
        return output

    return change


def _alone(change: Break) -> Break:
    """Without the error bars, which would be of no result."""
    return lambda output: change(_drop("error")(output))


ONE = ("result", 0, "one_split")
BROKEN = [
    ("not a dict", lambda output: [output], "return value: found list, expected a dict"),
    ("nothing", lambda output: None, "return value: found NoneType, expected a dict"),
    ("no result", _drop("result"), "return value: no result"),
    ("result is a dict", _alone(_set("result", to={})), "result: found dict, expected a list"),
    (
        "entry is a list",
        _alone(_set("result", 0, to=[])),
        r"result\[0\]: found list, expected a dict",
    ),
    ("empty", _alone(_set("result", to=[])), "result: empty"),
    (
        "two keys in one dict",
        _set("result", to=[{"one_split": {"a": 1.0}, "three_split": {"c": 1.0}}]),
        r"result\[0\]: found 2 keys",
    ),
    (
        "the same split twice",
        _set("result", 1, to={"one_split": {"a": 1.0}}),
        "the split is there twice",
    ),
    ("unknown split", _set("result", 1, to={"four_split": {}}), "no split of this phase"),
    ("split of the other phase", _set("result", 1, to={"two_split": {}}), "no split of this phase"),
    ("scores are a list", _set(*ONE, to=[1.0]), "found list, expected labels and numbers"),
    ("unknown label", _set(*ONE, "z", to=1.0), "one_split/z: no label of the leaderboard"),
    ("nan", _set(*ONE, "a", to=float("nan")), "one_split/a: found nan: EvalAI fails it"),
    ("inf", _set(*ONE, "a", to=float("inf")), "one_split/a: found inf: EvalAI fails it"),
    ("string", _set(*ONE, "a", to="1"), "one_split/a: found str, expected float"),
    ("null", _set(*ONE, "a", to=None), "one_split/a: found NoneType, expected float"),
    ("bool", _set(*ONE, "a", to=True), "one_split/a: found bool, expected float"),
    ("float32", _set(*ONE, "a", to=np.float32(1)), "found numpy.float32, expected float"),
    ("numpy integer", _set(*ONE, "a", to=np.int64(1)), "found numpy.int64, expected float"),
    ("numpy bool", _set(*ONE, "a", to=np.bool_(True)), "found numpy.bool_?, expected float"),
    ("error bar missing", _drop("error", 0, "one_split", "error_b"), "error_b: missing.*HTTP 500"),
    (
        "error bar null",
        _set("error", 0, "one_split", "error_a", to=None),
        "error_a: found NoneType",
    ),
    (
        "error bar nan",
        _set("error", 0, "one_split", "error_a", to=float("nan")),
        "error_a: found nan",
    ),
    (
        "error bar of no label",
        _set("error", 0, "one_split", "error_z", to=1.0),
        "error_z: no label of the leaderboard",
    ),
    ("error of a split without result", _drop("result", 0), "no split of this result"),
    ("error is a dict", _set("error", to={}), "error: found dict, expected a list"),
    (
        "result file with NaN",
        _set("submission_result", "n", "x", to=float("nan")),
        "submission_result/n/x: found nan, which is not JSON",
    ),
    (
        "result file with an array",
        _set("submission_result", "notes", 0, to=np.zeros(2)),
        r"submission_result/notes\[0\]: found numpy.ndarray, expected JSON",
    ),
    (
        "metadata with a set",
        _set("submission_metadata", "x", to={1}),
        "submission_metadata/x: found set, expected JSON",
    ),
    (
        "metadata with a number as key",
        _set("submission_metadata", 3, to=1),
        "submission_metadata: found a key of type int",
    ),
]


@pytest.mark.parametrize(("name", "change", "message"), BROKEN, ids=[row[0] for row in BROKEN])
def test_each_broken_rule_is_named_and_nothing_else(name, change, message):
    output = _through_the_wire(change(copy.deepcopy(GOOD)))
    problems = [str(problem) for problem in judge(output, SPLITS)]
    assert len(problems) == 1, problems
    assert re.search(message, problems[0]), problems[0]


def test_float64_passes_as_the_float_it_is():
    output = _through_the_wire({"result": [{"one_split": {"a": np.float64(0.1)}}]})
    assert judge(output, SPLITS) == []
    assert output["result"][0]["one_split"]["a"] == 0.1


def test_numbers_keep_every_digit_on_the_way():
    value = {"x": [0.1 + 0.2, -1e-300, 2**70, 0.0]}
    assert _through_the_wire(value) == value


def test_foreign_types_keep_their_names():
    assert _through_the_wire(np.float32(2)) == Foreign("numpy.float32", repr(np.float32(2)))


# ---- boards -----------------------------------------------------------------------------------


def _output(**scores: float) -> Dict[str, Any]:
    return {"result": [{"one_split": scores}]}


def test_boards_are_ordered_by_the_default_label_best_first():
    outputs = {"low": _output(a=0.1, b=9), "high": _output(a=0.3), "none": {"result": []}}
    rows = board_rows(SPLITS[0], entries_of(outputs))
    assert [(row.rank, row.team) for row in rows] == [(1, "high"), (2, "low")]


def test_a_missing_default_label_ranks_as_zero_above_negative_scores():
    outputs = {"negative": _output(a=-0.1), "missing": _output(b=1.0), "positive": _output(a=0.1)}
    rows = board_rows(SPLITS[0], entries_of(outputs))
    assert [row.team for row in rows] == ["positive", "missing", "negative"]
    assert [row.ranked_as_zero for row in rows] == [False, True, False]
