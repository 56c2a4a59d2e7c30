"""Codabench, played: how it sorts and shows, what it stores, and programs that do harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nlb_evalai.challenge.codabench.boards import columns_of, ordered, shown_phase
from nlb_evalai.challenge.codabench.output import judge
from nlb_evalai.challenge.codabench.replica import Replica
from nlb_evalai.challenge.replica import OfferedPhase, ReplicaError
from tests.nlb_evalai.challenge.codabench.parts import PROGRAM

COLUMNS = {"a": False, "b": False, "mean": True}


def board(sorting: str = "desc", **first: Any) -> Any:
    return {
        "title": "Board",
        "key": "board",
        "primary_index": 0,
        "columns": [
            {"index": 0, "key": "a", "title": "A", "sorting": sorting, "precision": 3, **first},
            {"index": 1, "key": "b", "title": "B", "precision": 3},
            {"index": 2, "key": "c", "title": "C", "hidden": True},
        ],
    }


# ---- the board --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sorting", "expected"), [("desc", ["gap", "high", "low"]), ("asc", ["low", "high", "gap"])]
)
def test_a_missing_score_is_first_where_it_descends_and_last_where_it_ascends(sorting, expected):
    entries = {"low": {"a": 0.1}, "gap": {"b": 9.0}, "high": {"a": 0.9}}
    assert ordered(columns_of(board(sorting)), 0, entries) == expected


def test_equal_entries_are_ordered_by_visible_columns_then_by_time():
    entries = {
        "first": {"a": 1.0, "b": 0.1, "c": 0.0},
        "second": {"a": 1.0, "b": 0.2, "c": 0.0},
        "third": {"a": 1.0, "b": 0.1, "c": 9.0},
    }
    assert ordered(columns_of(board()), 0, entries) == ["second", "first", "third"]


def test_the_trap_is_shown_with_who_falls_into_it():
    phase = OfferedPhase("test", "Test", "test", Path("x"))
    shown = shown_phase(phase, board(), {"gap": {"b": 0.5}, "whole": {"a": 0.25, "b": 0.5}})
    assert shown.heading == "Test (test): 1 leaderboard, 2 columns and 1 hidden"
    assert "Codabench puts first, for want of A: gap" in shown.remarks
    assert any("no average rank" in remark for remark in shown.remarks)
    assert shown.missing == "n/a"
    (only,) = shown.boards
    assert [(row.team, dict(row.cells)) for row in only.rows] == [
        ("gap", {"B": "0.5"}),
        ("whole", {"A": "0.25", "B": "0.5"}),
    ]


# ---- the answer -------------------------------------------------------------------------------


def left(folder: Path, text: str, **files: str) -> Any:
    folder.mkdir(exist_ok=True)
    (folder / "scores.json").write_text(text)
    for name, content in files.items():
        (folder / name.replace("_html", ".html")).write_text(content)
    return judge(folder, COLUMNS)


def test_a_good_answer_is_stored_to_ten_decimals(tmp_path):
    page = {"detailed_results_html": "<p style='color:red'>x <a href='#y'>y</a></p>"}
    stored, problems = left(tmp_path, '{"a": 0.12345678912345, "b": 1}', **page)
    assert stored == {"a": 0.1234567891, "b": 1.0}
    assert problems == []


@pytest.mark.parametrize(
    ("text", "where", "said", "stored"),
    [
        ('{"a": NaN, "b": 1}', "a", "Finished without any score", {}),
        ('{"b": 1, "a": Infinity}', "a", "Finished without any score", {}),
        ('{"b": 1, "a": null, "mean": 2}', "a", "no key after it is stored", {"b": 1.0}),
        ('{"a": "0.5"}', "a", "expected a number", {}),
        ('{"a": [1]}', "a", "expected a number", {}),
        ('{"a": {"b": 1}}', "a", "found an object", {}),
        ('{"a": true}', "a", "expected a number", {}),
        ('{"a": 1e10}', "a", "expected less than 1e+10", {}),
        ('{"a": 1, "x": 2}', "x", "no column has this key", {"a": 1.0}),
        ('{"mean": 1}', "mean", "computes this column", {"mean": 1.0}),
        ('{"a": 1, "a": 2}', "a", "is there twice", {"a": 2.0}),
        ("[1]", "scores.json", "is no object", {}),
        ("{", "scores.json", "is no JSON", {}),
        ("\ufeff{}", "scores.json", "is no JSON", {}),
    ],
)
def test_what_codabench_does_to_other_answers_is_said(tmp_path, text, where, said, stored):
    found, problems = left(tmp_path, text)
    assert found == stored
    assert any(where in one.where and said in one.message for one in problems), problems


def test_what_else_lies_in_the_output_is_named(tmp_path):
    _, problems = left(
        tmp_path,
        '{"a": 1}',
        receipt="unrounded",
        metadata="x",
        detailed_results_html="<img src='https://example.org/x.png'>",
    )
    said = "\n".join(map(str, problems))
    assert "output/receipt: participants download all of this folder" in said
    assert "output/metadata: is the worker's own file" in said
    assert "<img src> loads something from elsewhere" in said
    (tmp_path / "scores.json").unlink()
    assert "is not there: the submission is Failed" in str(judge(tmp_path, COLUMNS)[1][-1])


# ---- programs of strangers --------------------------------------------------------------------


@pytest.fixture
def program(parts, tmp_path):
    """Make a replica whose program for `val` is this text."""
    made = []

    def make(text: str, **phase: Any) -> Replica:
        parts.inner[PROGRAM]["score.py"] = text.encode()
        parts.phase.update(phase)
        made.append(Replica(parts.write(tmp_path / "x.zip")))
        return made[-1]

    yield make
    for replica in made:
        replica.close()


def scored(replica: Replica, tmp_path: Path) -> Any:
    (tmp_path / "a.h5").write_text("x")
    return replica.score(tmp_path / "a.h5", "val")


def test_a_program_sees_folders_like_codabenchs_and_nothing_of_this_checkout(program, tmp_path):
    script = """
import importlib.util, json, os, pathlib, sys
given, out = map(pathlib.Path, sys.argv[1:])
seen = {
    "files": sorted(p.relative_to(given).as_posix() for p in given.rglob("*") if p.is_file()),
    "program": pathlib.Path.cwd().name,
    "project": [n for n in ("nlb_evalai",) if importlib.util.find_spec(n)],
    "environment": sorted(n for n in os.environ if n not in ("LC_CTYPE", "NLB_SCORING_LOG")),
}
print(json.dumps(seen))
(out / "scores.json").write_text("{}")
"""
    outcome = scored(program(script), tmp_path)
    assert not outcome.failed, outcome.stderr
    assert json.loads(outcome.stdout) == {
        "files": ["ref/truth.h5", "res/a.h5", "res/metadata"],
        "program": "program",
        "project": [],
        "environment": ["PATH", "PYTHONUNBUFFERED"],
    }


def test_a_program_that_fails_badly_is_told_so(program, tmp_path):
    script = "import sys\nopen(sys.argv[2] + '/x', 'w')\nraise ValueError('truth')\n"
    outcome = scored(program(script), tmp_path)
    said = "\n".join(map(str, outcome.problems))
    assert outcome.failed
    assert not outcome.refused
    assert "stderr: is a traceback" in said
    assert "output: holds something though there is no score" in said


def test_a_program_that_hangs_is_ended_and_told_so(program, tmp_path):
    script = "import time\nwhile True:\n    time.sleep(60)\n"
    outcome = scored(program(script, execution_time_limit=1), tmp_path)
    assert outcome.failed
    assert "ran for more than 1 s: it must end itself before" in str(outcome.problems[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p.config.pop("tasks"), "is not laid out as a competition"),
        (lambda p: p.config.update(phases=[{"name": "x", "tasks": [9]}]), "KeyError: 9"),
        (lambda p: setattr(p, "config", None), "competition.yaml must be at the root"),
        (lambda p: setattr(p, "text", "a: [b"), "is not valid YAML"),
        (lambda p: p.inner.pop(PROGRAM), "cannot be unpacked|not laid out"),
    ],
)
def test_a_bundle_that_cannot_be_unpacked_is_said(parts, tmp_path, change, said):
    change(parts)
    with pytest.raises(ReplicaError, match=said):
        Replica(parts.write(tmp_path / "x.zip"))
