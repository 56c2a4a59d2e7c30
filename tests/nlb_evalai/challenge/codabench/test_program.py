"""The scoring program around the one scoring call."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from evaluation_script.errors import (
    HOST_MUST_MEND,
    AnnotationError,
    LimitError,
    SubmissionError,
)
from evaluation_script.scorecard import GroupScores, Score, Scorecard
from evaluation_script.suites import DEFAULT_SUITE, Suite
from nlb_evalai.challenge.codabench.bundle import program_files
from nlb_evalai.challenge.codabench.program import main
from nlb_evalai.challenge.codabench.program.answer import scores_of
from nlb_evalai.challenge.codabench.program.columns import columns
from nlb_evalai.challenge.codabench.program.page import page_of
from nlb_evalai.challenge.codabench.program.task import Task, parse_task
from nlb_evalai.challenge.codabench.program.upload import the_file
from tests.paths import ROOT

SUITE = DEFAULT_SUITE


def card_of(suite: Suite = SUITE, phase: str = "test", value: float = 0.123456) -> Scorecard:
    """A complete scorecard; every score is the same."""
    groups = {}
    for name, (dataset, width) in suite.groups().items():
        scores = {metric.key: Score(value, 0.01) for metric in dataset.metrics}
        groups[name] = GroupScores(name, dataset.name, width, scores)
    return Scorecard(suite.name, suite.phase(phase), groups)


# ---- columns and scores -----------------------------------------------------------------------


def test_columns_cover_every_dataset_metric_and_width_once_and_fit():
    found = columns(SUITE)
    cells = [
        (c.datasets[0].name, c.metric.key, c.bin_width_ms) for c in found if len(c.datasets) == 1
    ]
    expected = {
        (dataset.name, metric.key, width)
        for dataset in SUITE.datasets
        for metric in dataset.metrics
        for width in SUITE.bin_widths(dataset)
    }
    assert set(cells) == expected
    assert len(cells) == len(expected)
    for attribute in ("key", "title"):
        values = [getattr(column, attribute) for column in found]
        assert len(set(values)) == len(values)
        assert max(map(len, values)) <= 36
    assert {c.bin_width_ms for c in found if not c.hidden} == {SUITE.ranked_bin_width_ms}
    assert [c.metric.key for c in found if c.ascending] == ["tp corr", "tp corr"]


def test_a_boards_first_column_is_what_orders_it():
    for board in SUITE.boards():
        first = columns(SUITE, board)[0]
        assert (first.datasets[0], first.metric) == SUITE.ranking(board)


def test_a_mean_is_of_the_numbers_that_are_shown_and_needs_all_of_them():
    card = card_of()
    for name, value in (("mc_maze_large", 0.10004), ("mc_maze_medium", 0.10004)):
        card.groups[name].scores["co-bps"] = Score(value)
    card.groups["mc_maze_small"].scores["co-bps"] = Score(0.2)
    scores = scores_of(card, SUITE, None)
    assert scores["mc_maze_scaling_mean_co_bps"] == round((0.1 + 0.1 + 0.2) / 3, 4)
    del card.groups["mc_maze_small_20"]
    assert "mc_maze_scaling_20_mean_co_bps" not in scores_of(card, SUITE, None)


def test_shown_scores_are_rounded_and_have_a_floor_where_truth_is_hidden():
    assert set(scores_of(card_of(value=0.123456), SUITE, None).values()) == {0.1235}
    assert set(scores_of(card_of(value=-7.5), SUITE, None).values()) == {-1.0}
    assert set(scores_of(card_of(phase="val"), SUITE, None).values()) == {0.123456}


def test_what_is_missing_is_refused_where_it_would_be_placed_first():
    card = card_of()
    card.groups["dmfc_rsg"].scores.pop("tp corr")  # ascending: a missing one is last
    del card.groups["mc_rtt_20"]  # hidden
    scores_of(card, SUITE, None)
    card.groups["mc_maze"].scores.pop("fp-bps")
    del card.groups["mc_rtt"]
    with pytest.raises(SubmissionError) as caught:
        scores_of(card, SUITE, None)
    assert [problem.partition(": this")[0] for problem in caught.value.problems] == [
        "mc_maze: fp-bps has no score: it is undefined; this phase takes complete submissions "
        "only, as a missing score would be placed first",
        "mc_rtt: found nothing, expected it",
    ]


def test_a_phase_for_one_board_asks_for_and_gives_that_boards_scores_alone():
    card = card_of()
    del card.groups["mc_maze"]
    scores = scores_of(card, SUITE, "mc_rtt")
    assert set(scores) == {column.key for column in columns(SUITE, "mc_rtt")}
    with pytest.raises(SubmissionError, match="with all of MC_Maze only"):
        scores_of(card, SUITE, "mc_maze")


@pytest.mark.parametrize("value", [1e10, -1e12, math.inf, math.nan])
def test_numbers_that_the_board_cannot_store_are_refused(value):
    card = card_of(phase="val")
    card.groups["mc_maze"].scores["fp-bps"] = Score(value)
    with pytest.raises(SubmissionError, match=r"MC_Maze fp-bps: found .*which is what the leader"):
        scores_of(card, SUITE, None)


def test_the_page_escapes_what_it_quotes():
    card = card_of()
    card.notes = ["<script>alert(1)</script>"]
    page = page_of(card, SUITE)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "0.1235" in page
    assert "0.123456" not in page


def test_a_task_is_read_as_it_was_written_and_nothing_else():
    task = Task("test", "mc_maze", 540)
    assert parse_task(task.as_json()) == task
    for odd in (b"[]", b"{}", b'{"phase": 1, "board": null, "limit_seconds": 2}', b"\xff", b"no"):
        with pytest.raises(ValueError, match=r".*"):
            parse_task(odd)


# ---- the upload -------------------------------------------------------------------------------


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


@pytest.mark.parametrize(
    "names", [["a.h5"], ["mine/a.HDF5", "mine/.DS_Store"], ["a.h5", "__MACOSX/._a.h5", "readme.md"]]
)
def test_the_one_hdf5_file_is_found_wherever_it_lies(tmp_path, names):
    found = the_file(files(tmp_path, "metadata", *names))
    assert found == tmp_path / names[0]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "found no file, expected a zip with one HDF5 file"),
        (["a.zip"], "found a.zip, expected"),
        (["a.h5", "b/c.h5"], "found a.h5, b/c.h5, expected one HDF5 file in the zip"),
        ([f"{i}.h5" for i in range(9)], "and 4 more, expected one"),
        (["a\x1b[2J.txt"], "found a\\x1b[2J.txt, expected"),
    ],
)
def test_no_file_or_several_are_refused_with_their_names(tmp_path, names, said):
    with pytest.raises(SubmissionError) as caught:
        the_file(files(tmp_path, "metadata", *names))
    assert said in str(caught.value)


def test_a_link_is_no_file(tmp_path):
    (tmp_path / "a.h5").symlink_to("/etc/passwd")
    with pytest.raises(SubmissionError):
        the_file(tmp_path)


# ---- the whole --------------------------------------------------------------------------------


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders as Codabench lays them out, and logging as it was, afterwards."""
    files(tmp_path, "program/score.py", "input/res/a.h5", "input/ref/truth.h5")
    (tmp_path / "output").mkdir()
    (tmp_path / "program/task.json").write_bytes(Task("test", None, 60).as_json())
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "program" / "score.py")])
    with warnings.catch_warnings():
        yield tmp_path
    logging.disable(logging.NOTSET)


def run(app: Path, score: Callable[..., Any]) -> int:
    return main.run(score, str(app / "input"), str(app / "output"))


def raising(error: Exception) -> Callable[..., Scorecard]:
    def score(*_: Any, **__: Any) -> Scorecard:
        raise error

    return score


def test_scores_and_page_are_all_that_is_left_and_the_rest_is_printed(app, capsys):
    assert run(app, lambda *_, **__: card_of()) == 0
    assert sorted(path.name for path in (app / "output").iterdir()) == [
        "detailed_results.html",
        "scores.json",
    ]
    scores = json.loads((app / "output" / "scores.json").read_text())
    assert set(scores) == {column.key for column in columns(SUITE)}
    printed = capsys.readouterr()
    assert "mc_maze              co-bps 0.1235" in printed.out
    assert printed.err == ""


def test_the_one_scoring_call_is_made_as_for_a_participant(app):
    seen = []
    run(app, lambda *args, **kwargs: seen.append((args, kwargs)) or card_of())
    truth, submission = app / "input/ref/truth.h5", app / "input/res/a.h5"
    assert seen == [((truth, submission, "test"), {"for_participant": True})]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SubmissionError(["a: b"]), "submission rejected, 1 problem:\n  a: b\n"),
        (LimitError("reading it took too long"), "reading it took too long\n"),
        (AnnotationError("secret/path: broken"), HOST_MUST_MEND + "\n"),
        (ValueError("secret/path"), main._FAULT + "\n"),
    ],
)
def test_a_failure_is_its_message_exit_code_1_and_nothing_else(app, capsys, error, said):
    assert run(app, raising(error)) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", said)
    assert list((app / "output").iterdir()) == []


def test_a_dry_run_reads_what_participants_do_not(app, capsys, monkeypatch):
    log = app / "log"
    monkeypatch.setenv(main.LOG_VARIABLE, str(log))
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        assert run(app, raising(AnnotationError("secret/path: broken"))) == 1
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers = before
    assert "secret" not in capsys.readouterr().err
    assert "secret/path: broken" in log.read_text()


def test_what_hangs_is_ended_by_the_program_itself(tmp_path):
    script = (
        "import time\n"
        "from nlb_evalai.challenge.codabench.program.deadline import deadline\n"
        "with deadline(1):\n    time.sleep(60)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 1
    assert ran.stderr == (
        "scoring was ended: it took longer than 1 s, which is the limit of this phase\n"
    )


def test_a_task_that_cannot_be_read_is_the_hosts_fault(app, capsys):
    (app / "program/task.json").unlink()
    assert run(app, lambda *_, **__: card_of()) == 1
    assert capsys.readouterr().err == HOST_MUST_MEND + "\n"
    assert main.run(lambda: card_of(), "one") == 1
    assert capsys.readouterr().err == "usage: python3 score.py INPUT OUTPUT\n"


def test_the_program_imports_the_scorer_and_itself_alone(own_bundle):
    with (
        zipfile.ZipFile(own_bundle) as bundle,
        bundle.open("scoring_program-test.zip") as inner,
        zipfile.ZipFile(inner) as program,
    ):
        names = program.namelist()
        text = b"\n".join(program.read(name) for name in names if name.endswith(".py"))
    assert b"nlb_evalai" not in text
    assert {name.partition("/")[0] for name in names} == {
        *("score.py", "metadata.yaml", "requirements.txt", "task.json"),
        *("program", "evaluation_script"),
    }


def test_notes_about_evalais_boards_are_left_out_and_others_stay(app, capsys):
    card = card_of()
    card.groups["mc_maze_20"].scores.pop("co-bps")
    from evaluation_script.leaderboard import board_notes

    there = board_notes(card, SUITE)
    assert there
    card.notes = ["a note about the file", *there]
    assert run(app, lambda *_, **__: replace(card)) == 0
    out = capsys.readouterr().out
    assert "a note about the file" in out
    assert "EvalAI" not in out


def test_an_image_without_a_library_is_told_in_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, content in program_files(SUITE).items():
            archive.writestr(name, content if isinstance(content, bytes) else content.read_bytes())
        archive.extractall(tmp_path)
    # -S: no library but Python's own
    command = [sys.executable, "-S", str(tmp_path / "score.py"), str(tmp_path), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr == "the image that scores lacks numpy: please tell the organizers\n"
