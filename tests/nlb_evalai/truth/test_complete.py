"""Truth that lacks datasets, differs from what was published, or is out for everybody to read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner, Result

from evaluation_script.errors import AnnotationError
from evaluation_script.files import file_sha256
from evaluation_script.suites import DEFAULT_SUITE
from evaluation_script.suites.suite import PublishedTruth
from nlb_evalai.challenge.evalai.bundle import build_bundle
from nlb_evalai.challenge.evalai.replica.worker import Replica
from nlb_evalai.challenge.evalai.rules.run import check_bundle
from nlb_evalai.cli import cli
from nlb_evalai.errors import ToolError
from nlb_evalai.sample.files import SamplePaths
from nlb_evalai.truth.complete import missing_datasets
from tests.paths import GOLDEN


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def _real(sample_paths: SamplePaths, folder: Path, *without: str) -> Path:
    """The sample's truth as if it were real, without some groups."""
    folder.mkdir()
    for phase, path in sample_paths.annotations.items():
        with h5py.File(path) as source, h5py.File(folder / f"{phase}.h5", "w") as target:
            target.attrs.update(phase=phase, suite="nlb21")
            for name in source:
                if not name.startswith(without or "-"):
                    source.copy(source[name], target, name)
    return folder


def test_missing_datasets_are_named_with_what_that_means() -> None:
    groups = set(DEFAULT_SUITE.groups())
    assert missing_datasets(groups, DEFAULT_SUITE) is None
    less = {name for name in groups if not name.startswith(("mc_rtt", "mc_maze_large"))}
    assert missing_datasets(less, DEFAULT_SUITE) == (
        "5 of 7 datasets: mc_rtt, mc_maze_large missing; "
        "entries rank as 0 on the mc_maze_scaling board"
    )


def test_verify_refuses_truth_that_lacks_datasets_unless_it_may(
    sample_paths: SamplePaths, tmp_path: Path
) -> None:
    folder = _real(sample_paths, tmp_path / "truth", "mc_rtt")
    truth = folder / "val.h5"
    result = run("annotations", "verify", truth, "--shapes", "any", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["problems"] == ["6 of 7 datasets: mc_rtt missing"]
    result = run("annotations", "verify", truth, "--shapes", "any", "--partial")
    assert result.exit_code == 0, result.output
    assert "note: 6 of 7 datasets: mc_rtt missing" in result.output


def test_a_bundle_is_warned_of_lacking_odd_and_public_truth(
    sample_paths: SamplePaths, tmp_path: Path
) -> None:
    folder = _real(sample_paths, tmp_path / "truth", "mc_rtt")
    built = build_bundle(tmp_path / "b.zip", folder)
    said = "\n".join(built.warnings)
    assert "[truth-as-published] annotations/test.h5: 6 of 7 datasets: mc_rtt missing" in said
    assert (
        "area2_bump/eval_spikes_heldout: found shape (20, 120, 3), expected (98, 120, 16)" in said
    )
    truth = folder / "test.h5"
    known = PublishedTruth(
        "out.h5", "test", file_sha256(truth), truth.stat().st_size, "2024", "https://example.org"
    )
    suite = replace(DEFAULT_SUITE, published_truth=(known,))
    found = [str(one) for one in check_bundle(tmp_path / "b.zip", suite=suite)]
    assert (
        "warning [published-truth] annotations/test.h5: is out.h5, published since 2024: this "
        "phase hides nothing, and shows full precision"
    ) in found


def test_a_fault_of_truth_reaches_the_containers_stderr_and_not_the_participant(
    sample_paths: SamplePaths, tmp_path: Path
) -> None:
    folder = _real(sample_paths, tmp_path / "truth")
    with h5py.File(folder / "val.h5", "a") as file:
        del file["mc_maze/eval_behavior"]
        file["mc_maze/eval_behavior"] = [[1.0, 2.0]]
    build_bundle(tmp_path / "b.zip", folder)
    with Replica(tmp_path / "b.zip") as replica:
        outcome = replica.score(sample_paths.submissions["val"]["one-dataset"], "val")
    assert outcome.failed
    assert "mc_maze/eval_behavior has shape (1, 2), expected three axes" in outcome.worker_log
    assert "The organizers must mend it" in outcome.stderr
    assert "eval_behavior" not in outcome.stderr + outcome.stdout


def test_truth_of_the_reference_is_adopted_with_its_phase_and_provenance(tmp_path: Path) -> None:
    truth, out = GOLDEN / "target_test.h5", tmp_path / "test.h5"
    result = run("annotations", "adopt", truth, "--out", out)
    assert isinstance(result.exception, ToolError)
    assert "add --phase (val or test)" in str(result.exception)
    result = run("annotations", "adopt", truth, "--phase", "test", "--out", out)
    assert result.exit_code == 0, result.output
    with h5py.File(truth) as before, h5py.File(out) as after:
        assert (after.attrs["phase"], after.attrs["suite"]) == ("test", "nlb21")
        origin = json.loads(after.attrs["sources"])["adopted"]
        assert origin == {"target_test.h5": file_sha256(truth)}
        assert sorted(before) == sorted(after)
        for group in before:
            for name, values in before[group].items():
                assert after[group][name].shape == values.shape
    result = run("annotations", "adopt", out, "--phase", "val", "--out", tmp_path / "val.h5")
    assert isinstance(result.exception, (ToolError, AnnotationError))
    assert not (tmp_path / "val.h5").exists()


def test_an_adopted_file_is_never_the_one_it_is_made_of(tmp_path: Path) -> None:
    truth = tmp_path / "test.h5"
    truth.write_bytes((GOLDEN / "target_test.h5").read_bytes())
    result = run("annotations", "adopt", truth, "--phase", "test", "--out", truth)
    assert result.exit_code != 0
    assert file_sha256(truth) == file_sha256(GOLDEN / "target_test.h5")


@pytest.mark.parametrize("command", [["annotations", "show"], ["annotations", "verify"]])
def test_commands_take_truth_without_attributes(command: list) -> None:
    result = run(*command, GOLDEN / "target_test.h5", *(["--shapes", "any", "--partial",
                 "--phase", "test"] if "verify" in command else []))  # fmt: skip
    assert result.exit_code == 0, result.output
