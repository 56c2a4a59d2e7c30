"""The check before upload says what the server would say, by the server's own code."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from evaluation_script import evaluate
from evaluation_script.errors import SubmissionError
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.cli.check import check
from nlb_evalai.submission.check import check_submission
from tests.paths import GOLDEN

TRUTH = GOLDEN / "target_val.h5"
PROBES = sorted(
    path for path in (GOLDEN / "probes").glob("*.h5") if not path.stem.endswith("_target")
)


@pytest.mark.parametrize("probe", PROBES[::4], ids=lambda path: path.stem)
def test_with_a_truth_it_agrees_with_the_server_word_for_word(probe: Path) -> None:
    report = check_submission(probe, "val", TRUTH)
    try:
        evaluate(TRUTH, probe, "val")
    except SubmissionError as error:
        assert report.problems == error.problems
        assert not report.would_score
    else:
        assert report.accepted
        assert report.would_score


def test_without_a_truth_the_published_shapes_are_expected() -> None:
    report = check_submission(PROBES[0], "test", suite=DEFAULT_SUITE)
    assert not report.accepted
    assert all("expected (" in problem for problem in report.problems)
    assert report.checked_against == "published shapes"


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """A submission of the official shapes of one small group, without forward predictions."""
    path = tmp_path / "official.h5"
    shapes = {
        "train_rates_heldin": (75, 35, 107),
        "train_rates_heldout": (75, 35, 35),
        "eval_rates_heldin": (25, 35, 107),
        "eval_rates_heldout": (25, 35, 35),
    }
    with h5py.File(path, "w") as file:
        for name, shape in shapes.items():
            file[f"mc_maze_small_20/{name}"] = np.full(shape, 0.1, np.float32)
    return path


def test_summary_tells_what_would_be_scored_and_what_left_out(official: Path) -> None:
    result = CliRunner().invoke(check, [str(official), "--phase", "val"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert "official.h5 would be scored in phase val" in result.output
    assert "co-bps, vel R2, psth R2" in result.output
    assert "fp-bps: no forward predictions were submitted" in result.output


def test_nan_cannot_be_judged_without_a_truth_in_val_and_is_refused_in_test(
    official: Path,
) -> None:
    with h5py.File(official, "r+") as file:
        file["mc_maze_small_20/eval_rates_heldin"][3, 2, 1] = np.nan
    report = check_submission(official, "val", suite=DEFAULT_SUITE)
    assert report.accepted
    assert any("1 NaN" in note for note in report.notes)
    with h5py.File(official, "r+") as file:
        group = file["mc_maze_small_20"]
        for name in list(group):
            trials = 100
            values = np.full((trials, *group[name].shape[1:]), 0.1, np.float32)
            del group[name]
            group[name] = values
        group["eval_rates_heldin"][3, 2, 1] = np.nan
    report = check_submission(official, "test", suite=DEFAULT_SUITE)
    assert len(report.problems) == 1
    assert "eval_rates_heldin: 1 NaN" in report.problems[0]


def test_json_is_for_scripts_and_the_exit_code_tells(official: Path) -> None:
    arguments = [str(official), "--phase", "val", "--json"]
    result = CliRunner().invoke(check, arguments)
    assert result.exit_code == 0
    assert json.loads(result.output)["would_score"] == {
        "mc_maze_small_20": ["co-bps", "vel R2", "psth R2"]
    }
    bad = CliRunner().invoke(check, [str(PROBES[0]), "--phase", "val", "--json"])
    assert bad.exit_code == 1
    assert json.loads(bad.output)["accepted"] is False
