"""One submission scored at home: its table, its receipt, and truth as it was published."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from evaluation_script import evaluate as evaluate_on_server
from evaluation_script.files import file_sha256
from evaluation_script.scoring import score
from evaluation_script.suites import DEFAULT_SUITE
from evaluation_script.suites.suite import PublishedTruth
from nlb_evalai.cli import cli
from nlb_evalai.errors import ToolError
from nlb_evalai.truth.known import TRUTH, known_files
from nlb_evalai.truth.phase import phase_of_truth
from tests.paths import GOLDEN

SUBMISSION, TRUTH_FILE = GOLDEN / "submission_test_a.h5", GOLDEN / "target_test.h5"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], catch_exceptions=True)


def evaluated(tmp_path: Path, *more: object) -> Dict[str, Any]:
    out = tmp_path / "receipt.json"
    result = run(
        *("evaluate", SUBMISSION, "--annotations", TRUTH_FILE, "--phase", "test"),
        *("--receipt", out, *more),
    )
    assert result.exit_code == 0, result.output
    return dict(json.loads(out.read_text()))


def test_the_table_and_the_receipt_hold_the_scores_of_the_one_scoring_call(tmp_path: Path) -> None:
    receipt = evaluated(tmp_path)
    card = score(TRUTH_FILE, SUBMISSION, "test")
    result = run("evaluate", SUBMISSION, "--annotations", TRUTH_FILE, "--phase", "test", "--json")
    assert json.loads(result.stdout)["receipt"]["groups"].keys() == receipt["groups"].keys()
    shown = run("evaluate", SUBMISSION, "--annotations", TRUTH_FILE, "--phase", "test").stdout
    for name, group in card.groups.items():
        line = next(line for line in shown.splitlines() if line.split()[:1] == [name])
        for key, one in group.scores.items():
            assert receipt["groups"][name]["scores"][key]["value"] == one.value
            assert f"{one.value:.4f} ± {one.standard_error:.4f}" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "either --annotations FILE or --truth published"),
        (["--annotations", TRUTH_FILE], "of none that is published: add --phase (val or test)"),
        (["--annotations", TRUTH_FILE, "--phase", "dev"], "expected one of val, test"),
        (["--annotations", SUBMISSION, "--phase", "test"], "holds no dataset of nlb21"),
        (["--annotations", __file__, "--phase", "test"], "cannot be read as HDF5"),
        (["--truth", "published", "--phase", "val"], "is known to be published"),
    ],
)
def test_what_cannot_be_looked_at_is_told(arguments: List[object], words: str) -> None:
    result = run("evaluate", SUBMISSION, *arguments)
    assert result.exit_code != 0
    assert words in (result.output + str(getattr(result.exception, "detail", result.exception)))


def verify(receipt: Path, *more: object, submission: Path = SUBMISSION) -> Result:
    return run(
        *("receipt", "verify", receipt, "--submission", submission),
        *("--annotations", TRUTH_FILE, *more),
    )


def test_a_receipt_verifies_and_one_changed_digit_is_found(tmp_path: Path) -> None:
    receipt, path = evaluated(tmp_path), tmp_path / "receipt.json"
    result = verify(path)
    assert result.exit_code == 0, result.output
    assert "verified, " in result.output
    group = next(iter(receipt["groups"]))
    value = receipt["groups"][group]["scores"]["co-bps"]["value"]
    receipt["groups"][group]["scores"]["co-bps"]["value"] = value + 1e-8
    path.write_text(json.dumps(receipt))
    result = verify(path)
    assert isinstance(result.exception, ToolError)
    assert result.exception.exit_code == 1
    assert f"{group}: score of co-bps: the receipt says {value + 1e-8}, found {value}" in str(
        result.exception
    )
    report = json.loads(verify(path, "--json").stdout)
    assert not report["verified"]
    assert len(report["differences"]) == 1


def test_another_file_is_told_by_its_hash_and_not_scored(tmp_path: Path) -> None:
    evaluated(tmp_path)
    other = GOLDEN / "submission_test_c.h5"
    result = verify(tmp_path / "receipt.json", submission=other)
    assert f"submission: {other} has sha256 {file_sha256(other)}" in str(result.exception)


def test_of_other_rules_scores_are_compared_and_error_bars_are_not(tmp_path: Path) -> None:
    receipt, path = evaluated(tmp_path), tmp_path / "receipt.json"
    receipt["rules_version"] = "0.9"
    for group in receipt["groups"].values():
        for one in group["scores"].values():
            one["standard_error"] *= 2
    receipt["versions"]["numpy"] = "1.0"
    path.write_text(json.dumps(receipt))
    result = verify(path)
    assert result.exit_code == 0, result.output
    assert (
        "of rules 0.9, here they are 1.2: scores are compared; error bars are not" in result.output
    )
    assert "computed with other versions: numpy 1.0, here" in result.output


def test_a_receipt_is_shown_in_brief_and_what_is_none_is_told(tmp_path: Path) -> None:
    evaluated(tmp_path)
    shown = run("receipt", "show", tmp_path / "receipt.json").output
    assert "suite nlb21, rules 1.2, phase test" in shown
    assert file_sha256(SUBMISSION) in shown
    (tmp_path / "receipt.json").write_text("{}")
    result = run("receipt", "show", tmp_path / "receipt.json")
    assert "is no receipt: the file: 'schema' is a required property" in str(result.exception)


# ---- truth as it was published ------------------------------------------------------------------


def test_known_truth_is_the_suites_truth() -> None:
    """The list for people and the suite's, which the scorer has, name the same files."""
    listed = {one.sha256: (one.phase, one.n_bytes) for one in known_files() if one.kind == TRUTH}
    assert listed == {one.sha256: (one.phase, one.n_bytes) for one in DEFAULT_SUITE.published_truth}


def test_public_truth_has_nothing_to_hide_whatever_its_phase_says() -> None:
    truth = GOLDEN / "target_test.h5"
    known = PublishedTruth(
        "known.h5", "test", file_sha256(truth), truth.stat().st_size, "2024", "https://example.org"
    )
    open_suite = replace(DEFAULT_SUITE, published_truth=(known,))
    hidden, public = (score(truth, SUBMISSION, "test", suite=s) for s in (None, open_suite))
    assert hidden.receipt["truth"] == {"is_public": False, "published_as": None}
    assert public.receipt["truth"] == {"is_public": True, "published_as": "known.h5"}
    assert hidden.phase.score_decimals == 4
    assert public.phase.score_decimals is None
    assert hidden.receipt["groups"].keys() == public.receipt["groups"].keys()
    for name, group in hidden.groups.items():
        assert group.scores == public.groups[name].scores


def test_truth_without_attributes_is_of_the_phase_whose_published_shapes_it_has(
    tmp_path: Path,
) -> None:
    path = tmp_path / "truth.h5"
    with h5py.File(path, "w") as file:
        file["mc_maze_small_20/eval_spikes_heldout"] = np.zeros((25, 35, 35), "f4")
    assert phase_of_truth(path, DEFAULT_SUITE) == "val"
    with h5py.File(path, "a") as file:
        file["mc_maze_20/eval_spikes_heldout"] = np.zeros((574, 35, 45), "f4")
    assert phase_of_truth(path, DEFAULT_SUITE) == "val"
    del_and = tmp_path / "both.h5"
    with h5py.File(del_and, "w") as file:  # mc_maze has as many eval trials in either phase
        file["mc_maze_20/eval_spikes_heldout"] = np.zeros((574, 35, 45), "f4")
    with pytest.raises(ToolError, match="its shapes fit val and test: add --phase"):
        phase_of_truth(del_and, DEFAULT_SUITE)
    with h5py.File(del_and, "a") as file:
        file.attrs["phase"] = np.bytes_("test")
    assert phase_of_truth(del_and, DEFAULT_SUITE) == "test"
    with pytest.raises(ToolError, match="holds the truth of phase 'test', expected 'val'"):
        phase_of_truth(del_and, DEFAULT_SUITE, "val")


def test_scores_on_truth_of_the_reference_equal_those_with_attributes(tmp_path: Path) -> None:
    """``save_to_h5`` of the reference writes no attributes."""
    named = tmp_path / "named.h5"
    shutil.copyfile(TRUTH_FILE, named)
    with h5py.File(TRUTH_FILE) as file:
        assert not dict(file.attrs)
    with h5py.File(named, "a") as file:
        file.attrs.update(phase="test", suite="nlb21")
    answers = [evaluate_on_server(path, SUBMISSION, "test") for path in (TRUTH_FILE, named)]
    assert answers[0]["result"] == answers[1]["result"]
