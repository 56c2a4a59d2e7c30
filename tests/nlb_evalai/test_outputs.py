"""No command replaces a file that it reads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from nlb_evalai.cli.annotations import annotations_group
from nlb_evalai.cli.award import award
from nlb_evalai.cli.baseline import baseline
from nlb_evalai.cli.bundle import bundle
from nlb_evalai.cli.inputs import inputs
from nlb_evalai.cli.report import report
from nlb_evalai.cli.score import score
from nlb_evalai.cli.site import site
from nlb_evalai.cli.worker import worker
from nlb_evalai.errors import ToolError
from nlb_evalai.outputs import spare_inputs
from tests.paths import ROOT

SESSION = ROOT / "tests" / "data" / "sessions" / "mc_rtt_full.nwb"
OLD = ROOT / "tests" / "data" / "old"


def test_a_file_is_known_under_every_name(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("x")
    (tmp_path / "link").symlink_to(source)
    os.link(source, tmp_path / "hard")
    (tmp_path / "folder").mkdir()
    for name in ("source", "link", "hard", "folder/../source"):
        with pytest.raises(ToolError, match=r"would replace .*source, which this command reads"):
            spare_inputs([tmp_path / name], [source])
    spare_inputs([tmp_path / "new"], [source, tmp_path / "missing"])


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A folder with one of each kind of file that commands read."""
    shutil.copy(SESSION, tmp_path / "session.nwb")
    scenario = OLD / "scenario"
    for name in ("results.sqlite", "entries.csv", "judges.csv", "overrides.csv"):
        shutil.copy(scenario / name, tmp_path / name)
    (tmp_path / "truth").mkdir()
    for name in ("val", "test"):
        shutil.copy(OLD / "submission_val.h5", tmp_path / "truth" / f"{name}.h5")
    shutil.copy(OLD / "submission_val.h5", tmp_path / "submission.h5")
    (tmp_path / "token").write_text("secret")
    return tmp_path


CASES = {
    "annotations build": (
        annotations_group,
        "build --phase val --nwb mc_rtt={0}/session.nwb --out {0}/session.nwb",
    ),
    "annotations publish": (
        annotations_group,
        "publish {0}/truth/val.h5 s3://bucket/key --pointer {0}/truth/val.h5",
    ),
    "inputs build": (inputs, "build --phase val --nwb mc_rtt={0} --out {0}/session.nwb"),
    "baseline": (baseline, "--phase val --nwb mc_rtt={0} --out {0}/session.nwb"),
    "bundle build": (bundle, "build --annotations {0}/truth --out {0}/truth/test.h5"),
    "score": (
        score,
        "{0}/submission.h5 --phase val --annotations {0}/truth/val.h5 --store {0}/submission.h5",
    ),
    "score, on the truth": (
        score,
        "{0}/submission.h5 --phase val --annotations {0}/truth/val.h5 --store {0}/truth/val.h5",
    ),
    "report": (report, "--store {0}/results.sqlite --out {0}/results.sqlite"),
    "site build": (site, "build --store {0}/results.sqlite --out {0}"),
    "site build, of an award": (
        site,
        "build --store {0}/results.sqlite --award {0}/truth --out {0}/truth",
    ),
    "worker": (
        worker,
        "--annotations {0}/truth --queue q --token-file {0}/token --state {0}/state "
        "--health-file {0}/truth/val.h5",
    ),
    "worker, on the token": (
        worker,
        "--annotations {0}/truth --queue q --token-file {0}/token --state {0}/state "
        "--health-file {0}/token",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_output_that_is_an_input_is_refused_and_nothing_changes(
    given: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nlb_evalai.remote.log.set_up", lambda *args: None)
    before = {path: path.read_bytes() for path in given.rglob("*") if path.is_file()}
    command, line = CASES[case]
    result = CliRunner().invoke(command, line.format(given).split())
    assert isinstance(result.exception, ToolError), result.output
    assert "which this command reads" in str(result.exception)
    assert {path: path.read_bytes() for path in given.rglob("*") if path.is_file()} == before


def test_an_award_spares_its_own_tables(given: Path) -> None:
    (given / "entries.csv").rename(given / "ranks.csv")
    before = (given / "ranks.csv").read_bytes()
    options = f"--store {given}/results.sqlite --entries {given}/ranks.csv --out {given}"
    result = CliRunner().invoke(award, options.split())
    assert isinstance(result.exception, ToolError)
    assert "ranks.csv: would replace" in str(result.exception)
    assert (given / "ranks.csv").read_bytes() == before


def test_a_folder_with_the_truth_in_a_folder_inside_is_told_which_to_give(given: Path) -> None:
    (given / "truth").rename(given / "annotations")
    options = ["build", "--annotations", str(given), "--out", str(given / "bundle.zip")]
    result = CliRunner().invoke(bundle, options)
    inside = given / "annotations"
    assert f"found {inside / 'test.h5'}: give {inside} as the folder" in str(result.exception)
