"""The files that are written: whole, in the reference's layout, with their origin."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, List, Optional

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from evaluation_script.suites import DEFAULT_SUITE
from evaluation_script.suites.nlb21 import RULES_VERSION
from nlb_evalai import __version__
from nlb_evalai.cli import cli
from nlb_evalai.errors import ToolError
from nlb_evalai.truth.build import StepProgress, build_annotations
from tests.nlb_evalai.truth.conftest import DATA, SESSIONS, assert_same, names_of

SMALL = SESSIONS / "mc_maze_small_train.nwb"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def val(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An annotation file of two datasets, made by the command."""
    out = tmp_path_factory.mktemp("built") / "val.h5"
    # given in another order than the suite's
    result = run(
        *("annotations", "build", "--phase", "val", "--out", out),
        *("--nwb", f"mc_maze_small={SMALL}", "--nwb", f"mc_rtt={SESSIONS / 'mc_rtt_train.nwb'}"),
    )
    assert result.exit_code == 0, result.output
    assert "wrote" in result.output
    assert re.search(r"mc_maze_small +24 +13 +140 +12 +5 +4 +0\.0%", result.output)
    return out


def test_the_file_holds_the_reference_arrays_in_its_layout(val: Path) -> None:
    with h5py.File(val, "r") as built, h5py.File(DATA / "golden" / "target_val.h5", "r") as gold:
        groups = ["mc_maze_small", "mc_maze_small_20", "mc_rtt", "mc_rtt_20"]
        assert sorted(built) == groups
        for group in groups:
            assert set(built[group]) == set(gold[group])
            for name, wanted in gold[group].items():
                found = built[group][name]
                assert found.dtype == wanted.dtype
                assert found.compression == "gzip"
                ragged = found.dtype == object
                one, other = (list(n[()]) if ragged else n[()] for n in (found, wanted))
                assert_same(one, other, name)


def test_the_file_tells_its_origin(val: Path) -> None:
    with h5py.File(val, "r") as built:
        attributes = dict(built.attrs)
    assert set(attributes) == {"phase", "suite", "rules_version", "sources", "versions"}
    assert attributes["phase"] == "val"
    assert attributes["suite"] == "nlb21"
    assert attributes["rules_version"] == RULES_VERSION
    sources = json.loads(attributes["sources"])
    digest = hashlib.sha256(SMALL.read_bytes()).hexdigest()
    assert sources["mc_maze_small"] == {"mc_maze_small_train.nwb": digest}
    assert json.loads(attributes["versions"])["nlb-evalai"] == __version__


def test_the_same_sessions_make_the_same_bytes(val: Path, tmp_path: Path) -> None:
    sources = {"mc_rtt": [SESSIONS / "mc_rtt_train.nwb"], "mc_maze_small": [SMALL]}
    build_annotations("val", sources, tmp_path / "again.h5", DEFAULT_SUITE)
    assert (tmp_path / "again.h5").read_bytes() == val.read_bytes()


def test_only_the_file_is_left_with_the_permissions_of_any_other(val: Path) -> None:
    assert names_of(list(val.parent.iterdir())) == ["val.h5"]
    plain = val.parent / "plain"
    plain.touch()
    assert stat.S_IMODE(val.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    plain.unlink()


def test_show_tells_shapes_and_origin_but_no_value(val: Path) -> None:
    output = run("annotations", "show", val).output
    assert re.search(r"mc_maze_small +psth +float32 +4 × 140 × 17 +0\.0%", output)
    assert re.search(r"mc_rtt +train_behavior +float32 +57 × 120 × 2 +0\.4%", output)
    assert "phase: val" in output
    assert "mc_rtt_train.nwb " in output
    with h5py.File(val, "r") as built:
        speeds = np.abs(built["mc_rtt/eval_behavior"][()]).ravel()
    shown = {float(number) for number in re.findall(r"(?<![\w.])\d+\.\d{3,}", output)}
    assert not shown & {round(float(speed), 3) for speed in speeds if speed > 1}


def test_verify_accepts_it_and_holds_it_to_official_shapes_by_default(val: Path) -> None:
    good = run("annotations", "verify", val, "--shapes", "any", "--partial")
    assert good.exit_code == 0
    assert "good (any shapes)" in good.output
    process = subprocess.run(
        [sys.executable, "-m", "nlb_evalai", "annotations", "verify", str(val)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert "mc_rtt/eval_behavior: found shape (20, 120, 2), expected (270, 120, 2)" in (
        process.stderr
    )


def test_errors_end_the_command_with_one_message(tmp_path: Path) -> None:
    command = ["annotations", "build", "--phase", "val", "--out", str(tmp_path / "val.h5")]
    process = subprocess.run(
        [sys.executable, "-m", "nlb_evalai", *command, "--nwb", f"mc_rtt={SMALL}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert process.stderr.startswith("error: mc_rtt: mc_maze_small_train.nwb: no time series")
    assert "Traceback" not in process.stderr
    assert list(tmp_path.iterdir()) == []


def test_show_and_verify_name_a_file_that_is_no_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "no.h5"
    path.write_text("no")
    for command in ("show", "verify"):
        result = run("annotations", command, path)
        assert isinstance(result.exception, ToolError)
        assert "no.h5" in str(result.exception)


def test_show_says_what_is_no_array_and_no_group(tmp_path: Path) -> None:
    path = tmp_path / "odd.h5"
    with h5py.File(path, "w") as file:
        file["at the [b] root"] = np.zeros(3)
        file["gone"] = h5py.SoftLink("/nowhere")
        file["mc_maze/nested/psth"] = np.zeros(3)
        file["mc_maze/lost"] = h5py.SoftLink("/nowhere")
        file["mc_maze/empty"] = h5py.Empty("f4")
        file["mc_maze/psth"] = np.zeros((2, 3), "f4")
    output = run("annotations", "show", path).output
    for line in (
        r"at the \[b\] root +not a group: float64 +3",
        r"gone +not a group: link to nothing",
        r"mc_maze +nested +not an array",
        r"mc_maze +lost +link to nothing",
        r"mc_maze +empty +not an array",
        r"mc_maze +psth +float32 +2 × 3 +0\.0%",
    ):
        assert re.search(line, output), line


def test_inputs_are_written_with_their_origin(tmp_path: Path) -> None:
    out = tmp_path / "inputs.h5"
    both = f"mc_rtt={SESSIONS}/mc_rtt_t*"
    result = run("inputs", "build", "--phase", "test", "--out", out, "--nwb", both)
    assert result.exit_code == 0, result.output
    with h5py.File(out, "r") as file:
        assert json.loads(file.attrs["sources"])["mc_rtt"].keys() == {
            "mc_rtt_test.nwb",
            "mc_rtt_train.nwb",
        }
        assert file["mc_rtt/eval_spikes_heldin"].shape == (18, 120, 12)
        assert "eval_spikes_heldout" not in file["mc_rtt"]


def test_progress_hears_of_every_step_and_unit(tmp_path: Path) -> None:
    class Heard(StepProgress):
        def __init__(self) -> None:
            self.steps: List[Any] = []

        def step(self, what: str, total: Optional[int] = None) -> None:
            self.steps.append([what, total, 0])

        def advance(self) -> None:
            self.steps[-1][2] += 1

    heard = Heard()
    sources = {"mc_maze_small": [SMALL]}
    build_annotations("val", sources, tmp_path / "val.h5", DEFAULT_SUITE, progress=heard)
    assert heard.steps == [
        ["mc_maze_small: reading", None, 0],
        ["mc_maze_small: trial averages", 17, 17],
        ["verifying", None, 0],
    ]
