"""The script of the submission guidelines, run as it stands there."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from evaluation_script import evaluate, suites
from evaluation_script.arrays import Axis
from evaluation_script.submission.layout import published_layouts
from evaluation_script.suites import DEFAULT_SUITE, Suite
from nlb_evalai.challenge.head import head_of
from nlb_evalai.challenge.pages import render_pages
from nlb_evalai.submission.check import check_submission
from tests.paths import FINGERS, ROOT

#: axes whose length nobody published
UNKNOWN = 6


def script_of(suite: Suite) -> str:
    page = render_pages(suite, head_of(suite))["submission_guidelines.html"]
    [script] = [
        text for text in re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL) if "save(" in text
    ]
    return html.unescape(script)


def write_inputs(path: Path, suite: Suite, *groups: str) -> None:
    """Counts as ``inputs build`` writes them, of the published shapes."""
    rng = np.random.default_rng(5)
    layouts = published_layouts(suite, suite.phases[-1].codename)
    with h5py.File(path, "w") as file:
        for group in groups:
            size = {axis: layouts[group].size(axis) or UNKNOWN for axis in Axis}
            bins = {"": Axis.BINS}
            if layouts[group].dataset.forward_ms is not None:
                bins["_forward"] = Axis.FORWARD_BINS
            for side, neurons in (("heldin", Axis.HELDIN), ("heldout", Axis.HELDOUT)):
                for end, axis in bins.items():
                    shape = (size[Axis.TRAIN_TRIALS], size[axis], size[neurons])
                    spikes = rng.poisson(0.2, shape).astype("f4")
                    spikes[:2, -1] = np.nan  # as where nothing was recorded
                    file[f"{group}/train_spikes_{side}{end}"] = spikes
            shape = (size[Axis.EVAL_TRIALS], size[Axis.BINS], size[Axis.HELDIN])
            file[f"{group}/eval_spikes_heldin"] = rng.poisson(0.2, shape).astype("f4")


def run(folder: Path, suite: Suite) -> Path:
    script = folder / "script.py"
    script.write_text(script_of(suite), encoding="utf-8")
    subprocess.run(
        [sys.executable, script.name], cwd=folder, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    return folder / "submission.h5"


def test_its_file_is_one_that_check_and_the_scorer_take(tmp_path: Path) -> None:
    groups = ("mc_maze_small", "mc_maze_small_20", "dmfc_rsg_20")
    write_inputs(tmp_path / "inputs.h5", DEFAULT_SUITE, *groups)
    submission = run(tmp_path, DEFAULT_SUITE)
    report = check_submission(submission, "test")
    assert report.accepted, report.problems
    assert report.causes == []
    assert set(report.would_score) == set(groups)
    truth = tmp_path / "truth.h5"
    rng = np.random.default_rng(6)
    layouts = published_layouts(DEFAULT_SUITE, "test")
    with h5py.File(truth, "w") as file:
        for group in groups[:2]:
            size = layouts[group].size
            for name, bins, neurons in (
                ("heldout", Axis.BINS, Axis.HELDOUT),
                ("heldin_forward", Axis.FORWARD_BINS, Axis.HELDIN),
                ("heldout_forward", Axis.FORWARD_BINS, Axis.HELDOUT),
            ):
                shape = (size(Axis.EVAL_TRIALS), size(bins), size(neurons))
                file[f"{group}/eval_spikes_{name}"] = rng.poisson(0.2, shape).astype("f4")
            for split, axis in (("train", Axis.TRAIN_TRIALS), ("eval", Axis.EVAL_TRIALS)):
                velocity = rng.normal(size=(size(axis), size(Axis.BINS), 2))
                file[f"{group}/{split}_behavior"] = velocity
    answer = evaluate(str(truth), str(submission), "test")
    scores = {split: labels for row in answer["result"] for split, labels in row.items()}
    for split in ("mc_maze_scaling_split", "mc_maze_scaling_20_split"):
        assert set(scores[split]) == {"[100] co-bps", "[100] vel R2", "[100] fp-bps"}


def test_the_guidelines_of_another_suite_have_one_that_runs(tmp_path: Path) -> None:
    shutil.copyfile(FINGERS, tmp_path / "fingers.py")
    suite = suites.load(FINGERS)
    groups = list(suite.groups())
    write_inputs(tmp_path / "inputs.h5", suite, *groups)
    submission = run(tmp_path, suite)
    report = check_submission(submission, suite.phases[-1].codename, suite=suite)
    assert report.accepted, report.problems
    assert set(report.would_score) == set(groups)


@pytest.mark.parametrize("suite", [DEFAULT_SUITE, suites.load(FINGERS)], ids=lambda one: one.name)
def test_its_lines_fit_a_phone(suite: Suite) -> None:
    assert max(map(len, script_of(suite).splitlines())) <= 60
