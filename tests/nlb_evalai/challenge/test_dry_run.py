"""The dry run: boards, views, and an exit code that can be trusted."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
import h5py
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from evaluation_script import suites
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.challenge.dry_run import write_null_model
from nlb_evalai.challenge.evalai.bundle import build_bundle
from nlb_evalai.challenge.evalai.config import CONFIG_NAME, read_challenge
from nlb_evalai.challenge.evalai.replica.boards import shown_phase
from nlb_evalai.cli.dry_run import dry_run
from nlb_evalai.cli.show import print_boards
from nlb_evalai.errors import ToolError
from nlb_evalai.truth.publish import publish
from tests.nlb_evalai.challenge.evalai import toy
from tests.nlb_evalai.challenge.evalai.rules.parts import Parts
from tests.paths import FINGERS, ROOT


def _run(*arguments: Any, width: int = 116) -> Result:
    environment = {"COLUMNS": str(width)}
    return CliRunner(env=environment).invoke(dry_run, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def with_no_arguments() -> Result:
    return _run()


def test_the_sample_passes(with_no_arguments):
    assert with_no_arguments.exit_code == 0, with_no_arguments.output
    assert "EvalAI would take all of it: 8 submissions, 20 leaderboards" in with_no_arguments.output


def test_the_readme_shows_what_is_printed(with_no_arguments):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("✓ bundle")[2].partition("```")[0]
    printed = {_without_chance(line) for line in with_no_arguments.output.splitlines()}
    lines = [_without_chance(line) for line in f"✓ bundle{shown}".splitlines()]
    assert [line for line in lines if line not in printed | {"  ⋮"}] == []
    assert len(lines) > 20


def _without_chance(line: str) -> str:
    """A line without times, sizes, hashes, and the filling of a rule."""
    line = re.sub(r" *\d+\.\d s|\d+ MiB|sha256 \w+|\d+\.\d MB", "…", line)
    return line.rstrip(" ─")


def test_ten_boards_of_each_phase_are_printed_public_and_private(with_no_arguments):
    lines = with_no_arguments.output.splitlines()
    val = next(i for i, line in enumerate(lines) if "Validation (val): 10 leaderboards" in line)
    test = next(i for i, line in enumerate(lines) if "Test (test): 10 leaderboards" in line)
    assert "seen by hosts only" in lines[val]
    assert "public" in lines[test]
    for split in DEFAULT_SUITE.splits():
        for part in (lines[val:test], lines[test:]):
            assert sum(f"{split}  " in line for line in part) == 1, split


def test_every_board_ranks_true_over_smoothing_over_mean(with_no_arguments):
    rows = [
        line.split()
        for line in with_no_arguments.output.splitlines()
        if line[:2] in ("1 ", "2 ", "3 ", "4 ")
    ]
    places = {"true": set(), "smoothing": set(), "mean": set()}
    for row in rows:
        if row[1] in places:
            places[row[1]].add(int(row[0]))
    assert places["true"] == {1}
    assert places["smoothing"] == {2, 3}
    assert places["mean"] == {3, 4}


def test_what_is_undefined_or_not_submitted_is_shown_as_evalai_does(with_no_arguments):
    lines = with_no_arguments.output.splitlines()
    one = [line for line in lines if line.startswith("2 one-dataset")]
    assert one
    assert all(line.split()[5] == "E" for line in one), "no forward predictions"


def test_each_step_has_a_line_and_the_views_of_both_sides_are_there(with_no_arguments):
    output = with_no_arguments.output
    for text in ("✓ bundle", "✓ load", "✓ submissions", "✓ score val", "✓ score test"):
        assert text in output
    for text in (
        "participant  status",
        "stdout",
        "result file",
        "host",
        "metadata",
        "worker's log",
    ):
        assert text in output
    assert "embedded sample" in output


@pytest.mark.parametrize("width", [60, 80, 116, 200])
def test_boards_fit_terminals_of_any_width_and_lose_no_label(width):
    challenge = read_challenge(ROOT / CONFIG_NAME)
    phase = challenge.phase("test")
    splits = challenge.splits_of(phase)
    output = {
        "result": [
            {split.split: dict.fromkeys(split.leaderboard.labels, -0.12345)} for split in splits
        ]
    }
    text = io.StringIO()
    console = Console(file=text, width=width)
    shown = shown_phase(phase, splits, {"somebody": output})
    print_boards(shown, console)
    assert len(shown.boards) == 10
    assert max(len(line) for line in text.getvalue().splitlines()) <= width
    assert text.getvalue().count("-0.1235") + text.getvalue().count("-0.1234") == sum(
        len(split.leaderboard.labels) for split in splits
    )


def test_a_refused_submission_is_shown_as_the_participant_reads_it_and_fails(
    tmp_path, sample_paths
):
    broken = tmp_path / "broken.h5"
    shutil.copyfile(sample_paths.submissions["test"]["one-dataset"], broken)
    with h5py.File(broken, "r+") as file:
        del file["mc_maze/eval_rates_heldout"]
        file["mc_mase"] = [1.0]
    result = _run("--submission", broken, "--phase", "test")
    assert result.exit_code == 1
    assert "submission rejected, 2 problems" in result.output
    assert "mc_mase" in result.output
    assert "eval_rates_heldout" in result.output
    assert "1 of 1 submissions failed" in result.output


def test_a_given_submission_is_scored_in_its_phase_alone(sample_paths):
    result = _run("--submission", sample_paths.submissions["val"]["true"], "--phase", "val")
    assert result.exit_code == 0, result.output
    assert "Test (test)" not in result.output
    assert "1 submission, 10 leaderboards" in result.output


def test_a_bundle_for_remote_evaluation_is_tried_with_what_its_pointers_point_at(
    tmp_path, sample_paths, remote_head, moto, proxy
):
    client = boto3.client("s3", endpoint_url="http://{}:{}".format(*moto), region_name="us-east-1")
    client.create_bucket(Bucket="tried")
    client.close()
    folder = tmp_path / "truth"
    folder.mkdir()
    for phase, path in sample_paths.annotations.items():
        shutil.copyfile(path, folder / f"{phase}.h5")
        with h5py.File(folder / f"{phase}.h5", "r+") as file:
            del file.attrs["origin"]
        publish(folder / f"{phase}.h5", f"s3://tried/{phase}.h5", overwrite=True)
    bundle = build_bundle(tmp_path / "x.zip", folder, head=remote_head).path
    result = _run("--bundle", bundle, "--phase", "val")
    assert result.exit_code == 0, result.output
    assert "✓ score val" in result.output
    assert "null model: 10 leaderboard rows" in result.output


def test_other_truth_is_tried_with_its_null_model_which_scores_zero(tmp_path, sample_paths):
    for phase, path in sample_paths.annotations.items():
        shutil.copyfile(path, tmp_path / f"{phase}.h5")
        with h5py.File(tmp_path / f"{phase}.h5", "r+") as file:
            del file.attrs["origin"]
    kept = tmp_path / "kept"
    result = _run("--annotations", tmp_path, "--keep", kept)
    assert result.exit_code == 0, result.output
    for phase in sample_paths.annotations:
        receipt = json.loads((kept / phase / "null model" / "submission_metadata.json").read_text())
        for name, group in receipt["groups"].items():
            for metric in ("co-bps", "fp-bps"):
                assert abs(group["scores"][metric]["value"]) < 1e-6, f"{phase} {name} {metric}"


def test_no_null_model_is_made_of_what_is_no_hdf5(tmp_path):
    (tmp_path / "pointer.yaml").write_text("s3://bucket/key")
    with pytest.raises(ToolError, match="give a submission to score with --submission"):
        write_null_model(tmp_path / "pointer.yaml", "val", tmp_path / "out.h5")


def test_keep_leaves_the_bundle_and_all_that_evalai_would_keep(tmp_path):
    result = _run("--phase", "val", "--keep", tmp_path)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "bundle.zip").is_file()
    found = {path.name for path in (tmp_path / "val" / "true").iterdir()}
    assert found == {
        "stdout.txt",
        "stderr.txt",
        "worker.log",
        "result.json",
        "error.json",
        "submission_result.json",
        "submission_metadata.json",
    }


def test_a_built_bundle_can_be_run_instead(tmp_path, sample_paths):
    bundle = build_bundle(tmp_path / "x.zip", sample_paths.annotations["val"].parent).path
    submission = sample_paths.submissions["val"]["one-dataset"]
    result = _run("--bundle", bundle, "--phase", "val", "--submission", submission)
    assert result.exit_code == 0, result.output
    assert "✓ bundle" not in result.output


@pytest.fixture(scope="module")
def of_fingers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fingers")
    return build_bundle(folder / "fingers.zip", suite=suites.load(FINGERS)).path


def _elsewhere(*arguments):
    """The command in a process that has not loaded that suite."""
    return subprocess.run(
        [sys.executable, "-m", "nlb_evalai", "dry-run", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "116"},
    )


def test_a_suite_of_ones_own_is_run_with_its_sample():
    result = _run("--suite", FINGERS)
    assert result.exit_code == 0, result.output
    assert "EvalAI would take all of it: 12 submissions, 12 leaderboards" in result.output
    assert "suite fingers has no head" in result.output
    assert "squeezes_split  Squeezes (10 ms)" in result.output


def test_a_strangers_suite_is_asked_where_it_runs_and_tried_with_its_null_model(of_fingers):
    ran = _elsewhere("--bundle", of_fingers)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (
        "fingers, asked where it runs: phases, splits and labels are what it scores" in ran.stdout
    )
    assert "null model: 4 leaderboard rows" in ran.stdout
    assert "EvalAI would take all of it: 3 submissions, 12 leaderboards" in ran.stdout


def test_boards_that_a_strangers_suite_does_not_score_fail_the_run(of_fingers, tmp_path):
    parts = Parts(of_fingers)
    parts.config["leaderboard"][1]["schema"]["labels"].append("x")
    parts.config["challenge_phase_splits"].pop(0)
    ran = _elsewhere("--bundle", parts.write(tmp_path / "x.zip"))
    assert ran.returncode == 1
    assert "error [suite-label]" in ran.stdout
    assert "does not show taps_split, which the evaluation script returns" in ran.stdout


def test_a_strangers_suite_that_cannot_tell_is_an_error(of_fingers, tmp_path):
    parts = Parts(of_fingers)
    parts.truth("annotations/practice.h5", "practice", suite="fists")
    ran = _elsewhere("--bundle", parts.write(tmp_path / "x.zip"))
    assert ran.returncode == 1
    assert "error [truth-suite]" in ran.stdout
    assert "the evaluation script's suite: SuiteError: suite: found 'fists'" in ran.stderr


def test_an_output_that_evalai_would_refuse_fails_the_run_and_is_named(tmp_path):
    bundle = toy.write_bundle(tmp_path / "toy.zip")
    nan = toy.write_submission(tmp_path / "s.h5", {"result": [{"one_split": {"a": float("nan")}}]})
    result = _run("--bundle", bundle, "--submission", nan, "--phase", "val")
    assert result.exit_code == 1
    assert "result[0] one_split/a: found nan" in result.output


def test_json_is_all_that_it_prints(tmp_path, sample_paths):
    bundle = build_bundle(tmp_path / "x.zip", sample_paths.annotations["val"].parent).path
    submission = sample_paths.submissions["val"]["one-dataset"]
    result = _run("--bundle", bundle, "--phase", "val", "--submission", submission, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert list(told) == ["fit", "faults", "submissions"]
    assert (told["fit"], told["faults"]) == (True, [])
    [entry] = told["submissions"]
    assert (entry["phase"], entry["team"], entry["fit"]) == ("val", "one-dataset", True)
    assert [list(row) for row in entry["result"]] == [["mc_maze_split"], ["mc_maze_20_split"]]

    toys = toy.write_bundle(tmp_path / "toy.zip")
    nan = toy.write_submission(tmp_path / "s.h5", {"result": [{"one_split": {"a": float("nan")}}]})
    result = _run("--bundle", toys, "--submission", nan, "--phase", "val", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["fit"] is False
    assert told["faults"], "a toy's truth is no truth"
    [entry] = told["submissions"]
    assert (entry["fit"], entry["failed"], entry["result"]) == (False, False, None)
    assert "result[0] one_split/a: found nan" in entry["problems"][0]


def test_a_bundle_with_a_fault_is_not_praised_though_its_submission_is_scored(tmp_path):
    bundle = toy.write_bundle(tmp_path / "toy.zip")
    good = toy.write_submission(tmp_path / "s.h5", {"result": [{"one_split": {"a": 0.5}}]})
    result = _run("--bundle", bundle, "--phase", "val", "--submission", good)
    assert result.exit_code == 1
    assert "All was scored: 1 submission, 2 leaderboards. EvalAI would not get" in result.output
    assert "faults, named above" in result.output
    assert "EvalAI would take all of it" not in result.output


def test_a_worker_that_dies_fails_the_run(tmp_path):
    script = "import sys\ndef evaluate(*args, **kwargs):\n    sys.exit()\n"
    bundle = toy.write_bundle(tmp_path / "toy.zip", script)
    submission = toy.write_submission(tmp_path / "s.h5", {})
    result = _run("--bundle", bundle, "--submission", submission, "--phase", "val")
    assert result.exit_code == 1
    assert "the process died" in result.output


def test_memory_that_evalais_worker_lacks_fails_the_run_the_readers_with_it(tmp_path):
    bundle = toy.write_bundle(tmp_path / "toy.zip")
    output = {
        "result": [{"one_split": {"a": 1.0}}],
        "submission_metadata": {"peak_memory_mib": {"scorer": 20, "reader": 1020}},
    }
    submission = toy.write_submission(tmp_path / "s.h5", output)
    result = _run("--bundle", bundle, "--submission", submission, "--phase", "val")
    assert result.exit_code == 1
    assert re.search(
        r"it took up to 10\d\d MiB of memory, and EvalAI's worker has 1024 MiB", result.output
    )
    assert "EvalAI would take all of it" not in result.output


def test_a_config_that_is_no_utf8_is_named_and_ends_the_run(tmp_path):
    good = toy.write_bundle(tmp_path / "toy.zip")
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(tmp_path / "odd.zip", "w") as odd:
        for name in source.namelist():
            content = source.read(name)
            odd.writestr(name, content.replace(b"title: Toy", b"title: T\xf6y"))
    result = _run("--bundle", tmp_path / "odd.zip")
    assert "is not UTF-8 text: save it as UTF-8" in result.output
    assert isinstance(result.exception, ToolError)
    assert "challenge_config.yaml is not UTF-8 text" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--submission", __file__], "--submission needs --phase"),
        (["--bundle", __file__, "--annotations", "."], "leave --annotations out"),
        (["--bundle", __file__, "--head", __file__], "leave --head out"),
    ],
)
def test_options_that_contradict_each_other_are_refused(arguments, message):
    result = _run(*arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_an_unknown_phase_is_named(tmp_path: Path):
    result = _run("--phase", "tset")
    assert result.exit_code != 0
    assert "found 'tset', expected one of val, test" in str(result.exception)
