"""EvalAI's boards as cards: what is taken, what is named, and what is never done."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from evaluation_script.suites import DEFAULT_SUITE
from evaluation_script.text import printable
from nlb_evalai.cli.site import site
from nlb_evalai.competition.cards.boards import text_of
from nlb_evalai.competition.cards.entries import entries_of
from nlb_evalai.competition.cards.folder import read_cards
from nlb_evalai.competition.cards.importing import _create
from nlb_evalai.competition.cards.names import folded
from nlb_evalai.errors import ToolError
from tests.nlb_evalai.competition.boards import (
    MAZE,
    MAZE_20,
    RSG,
    RTT,
    SCALING,
    TEAM,
    Evalai,
    files,
    only,
    read,
    run,
    told,
)
from tests.nlb_evalai.competition.hostile import FILE_NAMES, HOSTILE

#: as EvalAI takes them: 100 characters of a team, and some more here
NAMES = [text for text in (*HOSTILE, *FILE_NAMES) if len(text) <= 200 and text.strip()]
TOO_LONG = [text for text in HOSTILE if len(text) > 200]


# ---- what is taken ----------------------------------------------------------------------------


def test_recorded_boards_become_cards_that_hold_and_a_second_import_changes_nothing(
    evalai: Evalai, tmp_path: Path
) -> None:
    result = run(evalai, tmp_path)
    assert result.exit_code == 0, told(result)
    assert told(result) == [
        "note: Test, MC_Maze (20 ms): hides the scores of 1 row",
        f"{tmp_path}: 4 new cards of challenge 1, 0 unchanged",
    ]
    before = files(tmp_path)
    assert sorted(before) == [
        "Team-participant/true-sample.yaml",
        "Team-participant2/smoothing-sample.yaml",
        "Team-participant3/mean-sample.yaml",
        "Team-participant4/one-dataset-sample.yaml",
    ]
    assert told(run(evalai, tmp_path))[-1].endswith("0 new cards of challenge 1, 4 unchanged")
    assert files(tmp_path) == before
    assert CliRunner().invoke(site, ["check", str(tmp_path)]).exit_code == 0
    assert not any("Authorization" in headers for _, headers in evalai.requests)


def test_a_card_says_what_the_board_says_and_nothing_else(evalai: Evalai, tmp_path: Path) -> None:
    run(evalai, tmp_path)
    card = read(tmp_path / "Team-participant4" / "one-dataset-sample.yaml")
    assert card.pop("source").startswith("board of EvalAI, imported on 20")
    assert card == {
        "schema": "nlb-evalai/card/1",
        "suite": "nlb21",
        "phase": "test",
        "team": "Team-participant4",
        "method": "one-dataset (sample)",
        "code": "promised",
        "evalai": {
            "api": f"{evalai.api}/",
            "challenge": 1,
            "title": "Neural Latents Benchmark '21",
            "team": 4,
        },
        "boards": [
            {
                "split": "MC_Maze (5 ms)",
                "submission": 8,
                "submitted": "2026-11-24T18:56:10.880113Z",
                # the fourth is "#" on the board, and there are no error bars
                "scores": {
                    "mc_maze": {
                        "co-bps": {"value": 0.1722, "standard_error": None},
                        "vel R2": {"value": 0.7149, "standard_error": None},
                        "psth R2": {"value": 0.3984, "standard_error": None},
                    }
                },
            }
        ],
    }
    assert "code" not in read(tmp_path / "Team-participant3" / "mean-sample.yaml")


def test_entries_have_the_numbers_of_the_board_as_the_phase_shows_them(
    evalai: Evalai, tmp_path: Path
) -> None:
    only(evalai, MAZE)
    evalai.row(
        **{TEAM: 9, f"{TEAM}__team_name": "Low"}, result=[-7.5, 0.123456, "#", 0], error=None
    )
    run(evalai, tmp_path)
    entries, problems = entries_of(tmp_path, DEFAULT_SUITE, "test")
    assert problems == []
    assert [one.team for one in entries] == [
        "Low", "Team-participant", "Team-participant2", "Team-participant3", "Team-participant4",
    ]  # fmt: skip
    low, true = entries[:2]
    assert {key[2]: cell.value for key, cell in low.scores.items()} == {
        "co-bps": -1.0, "vel R2": 0.1235, "fp-bps": 0.0,
    }  # fmt: skip
    assert true.scores["mc_maze", 5, "co-bps"].standard_error == 0.038
    assert (true.kind, true.is_code_open, true.receipt) == ("unknown", None, None)
    assert true.origin.startswith("board of EvalAI, imported on ")
    assert true.submitted_at == "2026-11-24T18:56:07.593631Z"
    assert entries_of(tmp_path, DEFAULT_SUITE, "val") == ([], [])


def test_what_people_add_to_a_card_stays_and_what_differs_is_told(
    evalai: Evalai, tmp_path: Path
) -> None:
    run(evalai, tmp_path)
    path = tmp_path / "Team-participant" / "true-sample.yaml"
    text = path.read_text().replace(
        "code: promised", "code: https://example.org/true\nkind: single"
    )
    path.write_text(text)
    assert run(evalai, tmp_path).exit_code == 0
    changed = text.replace("0.325", "0.425")
    path.write_text(changed)
    result = run(evalai, tmp_path)
    assert result.exit_code == 1
    assert told(result)[-1] == (
        "  Team-participant/true-sample.yaml: differs from the board, and stays as it is: "
        "MC_Maze (5 ms), mc_maze, co-bps: the card says 0.425, the board 0.325"
    )
    assert path.read_text() == changed


def test_a_folder_with_cards_that_cannot_be_read_is_left_alone(
    evalai: Evalai, tmp_path: Path
) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "x.yaml").write_text("schema: [")
    result = run(evalai, tmp_path)
    assert result.exit_code == 1
    assert "nothing was imported; mend what is there first, 1 problem" in told(result)[0]
    assert list(files(tmp_path)) == ["team/x.yaml"]
    assert evalai.requests == []


def test_one_row_a_team_and_board_is_taken_unless_every_method_is_wanted(
    evalai: Evalai, tmp_path: Path
) -> None:
    only(evalai, MAZE)
    evalai.row(submission__method_name="second", submission__is_baseline=True)
    evalai.row(submission__method_name="second", submission__is_baseline=True)
    result = run(evalai, tmp_path / "one")
    line = (
        "note: Test, MC_Maze (5 ms): team Team-participant: has another row, second; the first "
        "counts"
    )
    assert told(result)[:2] == [f"{line}; --every-method takes it"] * 2
    assert len(files(tmp_path / "one")) == 4
    result = run(evalai, tmp_path / "all", "--every-method")
    assert told(result)[:-1] == [line]
    assert len(files(tmp_path / "all")) == 5


def test_a_card_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "team" / "card.yaml"
    with pytest.raises(TypeError):
        _create(path, "no bytes")  # type: ignore[arg-type]
    assert not path.exists()
    _create(path, b"one")
    with pytest.raises(ToolError, match="cannot be written: File exists"):
        _create(path, b"two")
    assert path.read_bytes() == b"one"


# ---- which board is which ---------------------------------------------------------------------


def test_boards_that_are_not_the_suites_or_not_public_are_named(
    evalai: Evalai, tmp_path: Path
) -> None:
    names = {MAZE: "mc_maze_split", MAZE_20: "MC Maze 20ms", RTT: "MC_RTT", RSG: "Mouse (5 ms)"}
    for one in evalai.splits:
        one["dataset_split_name"] = names.get(one["id"], one["dataset_split_name"])
    evalai.splits[4]["visibility"] = 1
    result = run(evalai, tmp_path)
    assert result.exit_code == 0
    assert told(result) == [
        "note: Test, MC_RTT: its name says no bin width; --board 'NAME=CODENAME' says it, with "
        "mc_rtt_split or mc_rtt_20_split",
        "note: Test, Mouse (5 ms): is no board of nlb21; --board 'NAME=CODENAME' says which one "
        "it is",
        "note: Test, MC_Maze scaling (5 ms): is not public, so it is left out",
        "note: Test, MC Maze 20ms: hides the scores of 1 row",
        f"{tmp_path}: 4 new cards of challenge 1, 0 unchanged",
    ]
    assert not any(f"/{SCALING}/" in path for path, _ in evalai.requests)
    more = run(evalai, tmp_path / "more", "--board", "Mouse (5 ms)=dmfc_rsg_split")
    assert "Mouse" not in more.output
    card = read(tmp_path / "more" / "Team-participant" / "true-sample.yaml")
    assert list(card["boards"][1]["scores"]) == ["dmfc_rsg"]
    wrong = run(evalai, tmp_path, "--board", "Mouse (5 ms)=dmfc_split")
    assert wrong.exit_code != 0
    assert "dmfc_split is no split of nlb21; did you mean dmfc_rsg_split?" in told(wrong)[-1]
    assert run(evalai, tmp_path, "--board", "Mouse").exit_code == 2


def test_a_phase_is_known_by_its_codename_or_else_by_its_name(
    evalai: Evalai, tmp_path: Path
) -> None:
    only(evalai, MAZE)
    evalai.phases["results"][1]["codename"] = "phase-2"
    assert run(evalai, tmp_path / "a").exit_code == 0
    evalai.splits[0]["challenge_phase_name"] = "Final"
    result = run(evalai, tmp_path / "b")
    assert result.exit_code == 1
    assert told(result)[0].endswith("Final, MC_Maze (5 ms): is of no phase of nlb21, expected val "
                                    "or test")  # fmt: skip
    assert told(result)[-1] == "  found no public board of nlb21 among 1 board listed"


def test_a_column_that_is_not_the_suites_and_a_second_board_of_one_name_are_named(
    evalai: Evalai, tmp_path: Path
) -> None:
    only(evalai, MAZE)
    layout = evalai.splits[0]["leaderboard_schema"]
    layout["labels"][3] = "speed"
    for row in evalai.boards[MAZE]:
        row["leaderboard__schema"] = layout
    evalai.splits.append({**evalai.splits[0], "id": 99})
    result = run(evalai, tmp_path)
    assert told(result)[0] == (
        "note: Test, MC_Maze (5 ms): its column speed is none of nlb21: left out"
    )
    assert "is the same board as Test, MC_Maze (5 ms): left out" in told(result)[-1]
    card = read(tmp_path / "Team-participant" / "true-sample.yaml")
    assert list(card["boards"][0]["scores"]["mc_maze"]) == ["co-bps", "vel R2", "psth R2"]


# ---- names of strangers -----------------------------------------------------------------------


def test_hostile_names_become_safe_files_and_stay_what_they_are(
    evalai: Evalai, tmp_path: Path
) -> None:
    assert len(NAMES) >= 60
    only(evalai, MAZE)
    evalai.rows_of_a_page = 1000
    evalai.boards[MAZE] = evalai.boards[MAZE][:1]
    for i, text in enumerate([*NAMES, *TOO_LONG]):
        evalai.row(
            **{TEAM: 100 + i, f"{TEAM}__team_name": text, f"{TEAM}__team_url": text},
            submission__method_name=text,
            submission__submitted_at=text,
        )
    evalai.challenge["title"] = NAMES[28]
    out = tmp_path / "cards"
    result = run(evalai, out)
    problems = list(getattr(result.exception, "problems", []))
    assert ["row left out: found names of 10000" in one for one in problems] == [True] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["cards"]
    cards = read_cards(out)
    assert cards.problems == []
    by_team = {card.values["evalai"]["team"]: card for card in cards.cards}
    for i, text in enumerate(NAMES):
        card = by_team[100 + i]
        assert card.values["team"] == card.values["method"] == text_of(text)
        assert set(card.values.get("links", {})) <= {"team"}
        raw = (out / card.where).read_bytes().decode("utf-8")
        assert all(line == printable(line) for line in raw.split("\n"))
        for part in card.where.split("/"):
            assert part == printable(part)
            assert len(part.encode()) <= 200
            assert part[0] not in ".-~"
            assert not set(part) & set('<>:"/\\|?*\x00')
    assert len({folded(card.where) for card in cards.cards}) == len(NAMES) + 1
    checked = CliRunner().invoke(site, ["check", str(out)])
    assert checked.exit_code == 0, told(checked)
    assert all(line == printable(line) for line in checked.output.split("\n"))
    entries, problems = entries_of(out, DEFAULT_SUITE, "test")
    assert problems == []
    for one in entries:
        assert one.team == printable(one.team)
        assert "@example" not in one.team + one.method
    assert len({one.key for one in entries}) == len(entries) == len(NAMES) + 1
    again = run(evalai, out)
    assert f"0 new cards of challenge 1, {len(NAMES) + 1} unchanged" in again.output


def test_names_that_collide_are_numbered_alike_whatever_the_order_of_the_board(
    evalai: Evalai, tmp_path: Path
) -> None:
    only(evalai, MAZE)
    evalai.rows_of_a_page = 100
    names = ["Team A", "team a", "Team/A", "TEAM\u00a0A", "Te\u0301am", "T\u00e9am"]
    for i, name in enumerate(names):
        for method in ("x y", "x/y"):
            evalai.row(**{TEAM: 20 + i, f"{TEAM}__team_name": name}, submission__method_name=method)
    found = []
    for seed in range(3):
        random.Random(seed).shuffle(evalai.boards[MAZE])
        result = run(evalai, tmp_path / str(seed), "--every-method")
        assert result.exit_code == 0
        found.append(
            {name: read(tmp_path / str(seed) / name) for name in files(tmp_path / str(seed))}
        )
    assert found[0] == found[1] == found[2]
    folders = {name.partition("/")[0] for name in found[0]}
    assert {"Team-A", "team-a-2", "Team-A-3", "TEAM-A-4", "T\u00e9am", "T\u00e9am-2"} <= folders
    assert found[0]["Team-A/x-y-2.yaml"]["method"] in ("x y", "x/y")
    # they are told apart by EvalAI, so it is a person who decides
    checked = CliRunner().invoke(site, ["check", str(tmp_path / "0")])
    assert checked.exit_code == 0
    assert "(Team A), team-a-2/x-y-2.yaml (team a)" in checked.output.replace(
        "x-y.yaml", "x-y-2.yaml"
    )


def test_a_team_that_is_there_by_hand_keeps_its_folder(evalai: Evalai, tmp_path: Path) -> None:
    evalai.boards[MAZE][0][f"{TEAM}__team_name"] = "AE  Studio"
    only(evalai, MAZE)
    run(evalai, tmp_path)
    assert (tmp_path / "AE-Studio" / "true-sample.yaml").is_file()
    (tmp_path / "AE-Studio").rename(tmp_path / "ae")
    assert run(evalai, tmp_path).exit_code == 0
    assert not (tmp_path / "AE-Studio").exists()
    card = read(tmp_path / "ae" / "true-sample.yaml")
    for key in ("source", "evalai", "boards"):
        del card[key]
    (tmp_path / "ae" / "true-sample.yaml").write_text(yaml.safe_dump({**card, "team": "ae studio"}))
    assert run(evalai, tmp_path).exit_code == 0
    assert (tmp_path / "ae" / "true-sample-2.yaml").is_file()
