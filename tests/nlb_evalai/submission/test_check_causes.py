"""Wrong files of every kind: the likely cause stands first, and a line mends it."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from evaluation_script import evaluate
from evaluation_script.arrays import RATE_ARRAYS
from evaluation_script.errors import LimitError, SubmissionError
from evaluation_script.submission.layout import published_layouts
from evaluation_script.suites import load
from nlb_evalai.cli.check import check
from nlb_evalai.submission.check import check_submission
from tests.nlb_evalai.submission.wrong_files import (
    GROUP,
    WRONG,
    empty,
    filled,
    like,
    shapes,
)
from tests.paths import FINGERS, GOLDEN
from tests.snapshot import corpus

OF_VALIDATION = ("test trials in validation", "training and evaluation swapped")


@pytest.mark.parametrize("name", WRONG)
def test_the_cause_stands_first_and_a_line_mends_it(name: str, tmp_path: Path) -> None:
    wrong = WRONG[name]
    path = tmp_path / "submission.h5"
    wrong.write(path)
    report = check_submission(path, "val" if name in OF_VALIDATION else "test")
    first, second = report.causes_told()[:2]
    assert first.startswith("likely cause: ")
    assert wrong.what in first
    assert second.startswith("  to mend it: ")
    assert wrong.mend in second
    assert report.accepted == wrong.accepted


def test_there_are_at_least_thirty_of_them() -> None:
    assert len(WRONG) >= 30


@pytest.mark.parametrize(("name", "code"), [("spikes per second", 0), ("a flat file", 1)])
def test_the_command_says_the_cause_in_its_first_line(name: str, code: int, tmp_path: Path) -> None:
    path = tmp_path / "submission.h5"
    WRONG[name].write(path)
    ran = CliRunner().invoke(check, [str(path), "--phase", "test"])
    assert ran.exit_code == code
    assert ran.output.splitlines()[0].startswith("likely cause: ")
    assert WRONG[name].what in ran.output.splitlines()[0]


def test_what_mends_the_axes_does(tmp_path: Path) -> None:
    path = tmp_path / "submission.h5"
    with h5py.File(path, "w") as file:
        for name, shape in shapes().items():
            file[f"{GROUP}/{name}"] = like(name, shape).transpose(1, 2, 0)
    with h5py.File(path, "r+") as file:
        for cause in check_submission(path, "test").causes:
            given = {"rates": file[cause.where][()]}
            exec(cause.mend, {}, given)
            del file[cause.where]
            file[cause.where] = given["rates"]
    report = check_submission(path, "test")
    assert report.accepted
    assert report.causes == []


def test_what_moves_groups_does(tmp_path: Path) -> None:
    for name in ("a flat file", "a nested file", "nested arrays"):
        path = tmp_path / f"{name}.h5"
        WRONG[name].write(path)
        with h5py.File(path, "r+") as file:
            exec(check_submission(path, "test").causes[0].mend, {"file": file})
            [group] = [one for one in file if len(file[one])]
            assert set(RATE_ARRAYS) <= {*file[group]}


def test_another_suite_has_the_same_causes(tmp_path: Path) -> None:
    suite = load(FINGERS)
    path = tmp_path / "submission.h5"
    phase = suite.phases[1].codename
    layouts = published_layouts(suite, phase)
    ranked, other = list(layouts)[:2]
    layout = layouts[other]
    known = {array.name: layout.shape(array) for part in layout.required() for array in part.arrays}
    empty(path, {n: tuple(length or 3 for length in s) for n, s in known.items()}, ranked)
    [first] = check_submission(path, phase, suite=suite).causes[:1]
    assert f"{layout.bin_width_ms} ms bins under" in first.what
    assert first.mend == f"file.move('{ranked}', '{other}')"


def test_check_refuses_all_that_the_server_refuses_and_the_honest_get_advice_at_most(
    tmp_path: Path,
) -> None:
    refused = 0
    for name, case in corpus.build(tmp_path).items():
        if not (case.truth.exists() and case.submission.exists()) or name.startswith("truth"):
            continue
        if name == "no such phase":
            continue
        try:
            evaluate(str(case.truth), str(case.submission), case.phase)
            problems = []
        except SubmissionError as error:
            problems = error.problems
        except LimitError as error:
            problems = [str(error)]
        report = check_submission(case.submission, case.phase, case.truth)
        assert set(problems) <= set(report.problems), name
        assert report.accepted == (not problems), name
        refused += bool(problems)
        if name.startswith("honest"):
            assert report.accepted
    assert refused > 30


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("submission_*.h5")), ids=lambda p: p.stem)
def test_golden_submissions_are_never_refused(path: Path) -> None:
    phase = path.stem.split("_")[1]
    assert check_submission(path, phase, GOLDEN / f"target_{phase}.h5").accepted


def test_a_note_tells_of_a_board_that_ranks_by_what_is_missing_and_of_the_file_type(
    tmp_path: Path,
) -> None:
    path = tmp_path / "submission.hdf5"
    filled(path, lambda name, rates: rates)
    notes = check_submission(path, "test").notes
    assert any("without [500] co-bps" in note and "ranks this entry as 0" in note for note in notes)
    assert any("names that end in .h5" in note for note in notes)


def test_figures_that_nobody_published_are_not_compared_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "submission.h5"
    filled(path, lambda name, rates: rates, "dmfc_rsg_20")
    report = check_submission(path, "val")
    assert report.accepted
    assert any("is not published, so it was not compared" in note for note in report.notes)
    assert report.checked_against == "published shapes"


def test_rates_that_are_refused_for_secrecy_are_refused_here_too(tmp_path: Path) -> None:
    path = tmp_path / "submission.h5"
    filled(path, lambda name, rates: np.where(rates < 0.1, 1e-12, rates))
    [*problems] = check_submission(path, "test").problems
    assert any("positive rates below 1e-09" in problem for problem in problems)
