"""One scorer, two platforms: the sample's submissions through both replicas."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Dict, Iterator, Tuple

import h5py
import pytest

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.challenge import platform as platforms
from nlb_evalai.challenge.codabench.program.columns import columns
from nlb_evalai.challenge.names import names
from nlb_evalai.challenge.replica import Outcome, Replica

PHASE = "test"
COMPLETE = ("true", "smoothing", "mean")


@pytest.fixture(scope="module")
def replicas(sample_paths, tmp_path_factory) -> Iterator[Dict[str, Replica]]:
    folder = tmp_path_factory.mktemp("both")
    truth = sample_paths.annotations[PHASE].parent
    found = {}
    for name in names():
        platform = platforms.find(name)
        built = platform.build(folder / f"{name}.zip", truth, suite=DEFAULT_SUITE)
        found[name] = platform.replica(built.path)
    yield found
    for replica in found.values():
        replica.close()


@pytest.fixture(scope="module")
def outcomes(sample_paths, replicas) -> Dict[Tuple[str, str], Outcome]:
    """(platform, model) -> what became of it."""
    return {
        (name, model): replica.score(sample_paths.submissions[PHASE][model], PHASE)
        for name, replica in replicas.items()
        for model in COMPLETE
    }


@pytest.mark.parametrize("model", COMPLETE)
def test_both_platforms_show_the_same_numbers(outcomes, model):
    there, here = outcomes["evalai", model], outcomes["codabench", model]
    assert there.fit, there.problems
    assert here.fit, here.problems
    rows = {split: row for entry in there.output["result"] for split, row in entry.items()}
    expected = {}
    for column in columns(DEFAULT_SUITE):
        row = rows[DEFAULT_SUITE.split(column.board, column.bin_width_ms)]
        values = [row.get(dataset.label(column.metric)) for dataset in column.datasets]
        if None not in values:
            expected[column.key] = round(sum(values) / len(values), 4)
    assert here.output == expected
    lacking = {column.key for column in columns(DEFAULT_SUITE)} - set(expected)
    tp_corr = {"dmfc_rsg_tp_corr", "dmfc_rsg_20_tp_corr"}
    assert lacking == (tp_corr if model == "mean" else set()), "constant rates have no tp corr"


def test_both_boards_show_the_same_digits_in_the_same_order(replicas, outcomes):
    there, here = (
        replicas[name].shown(PHASE, {model: outcomes[name, model] for model in COMPLETE})
        for name in ("evalai", "codabench")
    )
    (board,) = here.boards
    assert [row.team for row in board.rows] == list(COMPLETE)
    assert board.rows[0].cells["MC_Maze co-bps"] == "0.325", "Codabench writes no zeros at the end"
    shown = {column.title: column for column in columns(DEFAULT_SUITE) if not column.hidden}
    assert set(board.labels) == set(shown)
    for row in board.rows:
        for title, cell in row.cells.items():
            column = shown[title]
            if len(column.datasets) == 1:
                split = DEFAULT_SUITE.split(column.board, column.bin_width_ms)
                same = next(one for one in there.boards if one.name == split)
                label = column.datasets[0].label(column.metric)
                other = next(one for one in same.rows if one.team == row.team).cells[label]
                assert float(other) == float(cell)


def refused(folder: Path, source: Path) -> Path:
    """A submission with three faults of three kinds."""
    broken = folder / "broken.h5"
    shutil.copyfile(source, broken)
    with h5py.File(broken, "r+") as file:
        del file["mc_maze/eval_rates_heldout"]
        file["mc_rtt/eval_rates_heldin"][0, 0, 0] = float("nan")
        file["mc_mase"] = [1.0]
    return broken


def test_both_platforms_refuse_a_file_in_the_same_words(sample_paths, replicas, tmp_path):
    broken = refused(tmp_path, sample_paths.submissions[PHASE]["smoothing"])
    there, here = (replicas[name].score(broken, PHASE) for name in ("evalai", "codabench"))
    assert there.failed
    assert here.failed
    assert here.refused
    assert here.stdout == ""
    assert here.stderr.startswith("submission rejected, ")
    assert here.stderr.count("\n") >= 3
    # EvalAI puts its own lines of a traceback before it
    assert there.stderr.partition("SubmissionError: ")[2] == here.stderr


def test_what_is_not_complete_is_refused_with_all_that_it_lacks(sample_paths, replicas):
    outcome = replicas["codabench"].score(sample_paths.submissions[PHASE]["one-dataset"], PHASE)
    assert outcome.refused
    lines = outcome.stderr.splitlines()
    assert lines[0] == "submission rejected, 7 problems:"
    assert lines[1].startswith("  mc_maze: fp-bps has no score: no forward predictions")
    for name in ("mc_rtt", "area2_bump", "dmfc_rsg", "mc_maze_large"):
        assert any(line.startswith(f"  {name}: found nothing, expected it: this") for line in lines)
    assert "as a missing score would be placed first" in lines[1]


def test_the_page_of_results_needs_nothing_else_and_shows_what_the_board_does(outcomes):
    page = outcomes["codabench", "true"].page
    assert "<script" not in page
    assert "http" not in page
    assert "0.3250" in page
    receipt = outcomes["evalai", "true"].output["submission_metadata"]
    exact = receipt["groups"]["mc_maze"]["scores"]["co-bps"]["value"]
    assert repr(exact)[:8] not in page + outcomes["codabench", "true"].stdout


def test_participants_read_nothing_about_the_other_platform(outcomes):
    for model in COMPLETE:
        outcome = outcomes["codabench", model]
        assert "EvalAI" not in outcome.stdout + outcome.page
        assert outcome.stderr == ""


def test_the_dry_run_plays_the_platform_that_a_bundle_is_for(replicas):
    assert {name: replica.title for name, replica in replicas.items()} == {
        "codabench": "Codabench",
        "evalai": "EvalAI",
    }
