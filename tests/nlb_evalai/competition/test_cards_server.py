"""An import from a server that says no, answers oddly, or leads elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

import pytest

from nlb_evalai.web import json_api
from tests.nlb_evalai.competition.boards import (
    LEADERBOARD,
    MAZE,
    RTT,
    SPLITS,
    TEAM,
    Evalai,
    files,
    only,
    read,
    run,
    told,
)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, {"error": "Sorry, the leaderboard is not public!"}, "Sorry, the leaderboard is not"),
        (404, {"detail": "ChallengePhaseSplit 11 does not exist"}, "ChallengePhaseSplit 11 does"),
        (406, {"error": "x\x1b[2J\u202e"}, "HTTP 406: x\\x1b[2J\\u202e"),
    ],
)
def test_a_board_that_is_refused_is_named_and_the_others_are_taken(
    evalai: Evalai, tmp_path: Path, status: int, body: Any, said: str
) -> None:
    evalai.answers[LEADERBOARD.format(MAZE)] = [(status, body)]
    result = run(evalai, tmp_path)
    assert result.exit_code == 1
    assert told(result)[-1].startswith(f"  Test, MC_Maze (5 ms): left out: HTTP {status}: ")
    assert said in told(result)[-1]
    assert len(files(tmp_path)) == 3


def test_a_next_page_elsewhere_is_not_followed(evalai: Evalai, tmp_path: Path) -> None:
    other = Evalai()
    try:
        for base in (
            f"{other.api.replace('127.0.0.1', 'localhost')}{LEADERBOARD.format(MAZE)}",
            f"{evalai.api}{LEADERBOARD.format(RTT)}",
            "http://[",
            "file:///etc/passwd",
        ):
            evalai.next_base = base
            result = run(evalai, tmp_path)
            assert result.exit_code == 1
            assert "its next page is said to be" in told(result)[-1]
            # nothing of half a board is taken
            assert not any(b"MC_Maze (5 ms)" in content for content in files(tmp_path).values())
        assert other.requests == []
    finally:
        other.close()


def test_pages_that_run_in_a_circle_or_vanish_are_left_out(evalai: Evalai, tmp_path: Path) -> None:
    only(evalai, MAZE)
    path = LEADERBOARD.format(MAZE)
    first = evalai.answer(path, {"page_size": ["100"]}, evalai.api[7:])
    evalai.answers[path] = [first, first]
    assert "expected page 3" in told(run(evalai, tmp_path))[-1]
    evalai.answers[path] = [first, (404, {"detail": "Invalid page."})]
    assert told(run(evalai, tmp_path))[-1].endswith("left out: HTTP 404: Invalid page.")
    assert files(tmp_path) == {}


def test_what_may_pass_is_asked_for_again(evalai: Evalai, tmp_path: Path) -> None:
    evalai.answers[LEADERBOARD.format(MAZE)] = [(429, {"detail": "throttled"}), (502, b"<h1>")]
    result = run(evalai, tmp_path)
    assert result.exit_code == 0, told(result)
    assert len(files(tmp_path)) == 4


def test_every_request_waits_for_its_turn(
    evalai: Evalai, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: List[float] = []
    pace = json_api.Pace(per_minute=3)
    monkeypatch.setattr(json_api.time, "sleep", slept.append)
    monkeypatch.setattr(json_api, "Pace", lambda: pace)
    evalai.answers[LEADERBOARD.format(MAZE)] = [(503, {})]
    assert run(evalai, tmp_path).exit_code == 0
    assert len(evalai.requests) == 12
    # nobody sleeps here, so each waits for the same minute to end; the rest is the repeat's pause
    assert sum(58 < one <= 60 for one in slept) == 12 - 3


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        (SPLITS, (200, b"<html>"), "HTTP 200 without JSON: is this EvalAI's API? Check --api"),
        (SPLITS, (200, b"[" * 100_000), "HTTP 200 without JSON"),
        (SPLITS, (200, {"results": []}), "expected a list of boards"),
        (SPLITS, (200, [{"id": "1"}]), "id: found 1, expected a number"),
        (SPLITS, (302, b""), "HTTP 302 without JSON"),
        (LEADERBOARD.format(MAZE), (200, {"results": [1]}), "expected a list of results"),
    ],
)
def test_what_is_no_answer_of_the_api_ends_the_import(
    evalai: Evalai, tmp_path: Path, path: str, answer: Any, said: str
) -> None:
    evalai.answers[path] = [answer]
    result = run(evalai, tmp_path)
    assert said in told(result)[-1]
    assert getattr(result.exception, "exit_code", None) == 2
    assert files(tmp_path) == {}


def test_an_unknown_challenge_is_said(evalai: Evalai, tmp_path: Path) -> None:
    result = run(evalai, tmp_path, challenge=99)
    assert told(result)[-1].endswith("/99/: HTTP 406: Challenge does not exist")
    assert getattr(result.exception, "exit_code", None) == 2


ODD_ROWS = [
    ({"result": [0.1]}, "result: found [0.1], expected 4 scores"),
    ({"result": None}, "result: found None, expected 4 scores"),
    ({"result": [0.1, 0.2, 0.3, "x"]}, "result of fp-bps: found 'x', expected a number"),
    ({"result": [True, 0.2, 0.3, 0.4]}, "result of co-bps: found True, expected a number"),
    ({"result": [float("nan"), 0.2, 0.3, 0.4]}, "result of co-bps: found nan, expected a number"),
    ({"result": [10**400, 0.2, 0.3, 0.4]}, "result of co-bps: found 1000"),
    ({"error": [0.1]}, "error: found [0.1], expected 4 error bars"),
    ({"error": [-0.1, 0, 0, 0]}, "error of co-bps: found -0.1, expected a number from 0 on"),
    ({TEAM: None}, f"{TEAM}: found None, expected a number"),
    ({TEAM: -1}, f"{TEAM}: found -1, expected a number"),
    ({"leaderboard__schema": None}, "labels: found None, expected those of its board"),
    ({f"{TEAM}__team_name": "x" * 10_000}, "found names of 10000 and 13 characters, expected"),
]


def test_rows_that_are_odd_are_named_one_by_one_and_left_out(
    evalai: Evalai, tmp_path: Path
) -> None:
    only(evalai, MAZE)
    evalai.rows_of_a_page = 100
    for changed, _ in ODD_ROWS:
        evalai.row(**{TEAM: 9, f"{TEAM}__team_name": "Odd\x1b", **changed})
    result = run(evalai, tmp_path)
    assert result.exit_code == 1
    lines = [line for line in told(result) if "row left out" in line]
    assert all(line.startswith("  Test, MC_Maze (5 ms): ") for line in lines)
    for _, said in ODD_ROWS:
        assert any(said in line for line in lines), said
    assert len(lines) == len(ODD_ROWS)
    assert len(files(tmp_path)) == 4


def test_what_is_blank_has_the_numbers_of_evalai_for_a_name(evalai: Evalai, tmp_path: Path) -> None:
    only(evalai, MAZE)
    changed = {TEAM: 9, f"{TEAM}__team_name": " ", "submission__method_name": ""}
    evalai.row(**changed, submission__id=1198, submission__submitted_at=17, error=[None] * 4)
    evalai.row(**{**changed, TEAM: 10}, submission__id=1199, result=["#"] * 4)
    result = run(evalai, tmp_path)
    assert "note: Test, MC_Maze (5 ms): team team 10: has no score there" in told(result)
    card = read(tmp_path / "team-9" / "submission-1198.yaml")
    assert (card["team"], card["method"]) == ("team 9", "submission 1198")
    assert "submitted" not in card["boards"][0]
    assert len(files(tmp_path)) == 5
