"""The entry point: whatever goes wrong ends in one message for whoever typed the command."""

from __future__ import annotations

import subprocess
import sys

import h5py
import pytest

from nlb_evalai import cli
from tests.paths import GOLDEN


def test_what_is_wrong_with_the_truth_is_said_to_who_has_it_and_said_once(tmp_path):
    truth = tmp_path / "truth.h5"
    with h5py.File(truth, "w") as file:
        file.attrs["phase"] = "val"
    options = ["--phase", "test", "--annotations", str(truth)]
    command = [sys.executable, "-m", "nlb_evalai", "check", str(GOLDEN / "submission_test_a.h5")]
    process = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert process.stderr == f"error: {truth} is of phase val, expected test\n"


@pytest.mark.parametrize(
    "arguments",
    [["sample", "{}/below"], ["dry-run", "--keep", "{}/below", "--phase", "val"]],
    ids=lambda arguments: arguments[0],
)
def test_a_place_that_cannot_be_written_is_an_error_in_words(
    tmp_path, monkeypatch, capsys, arguments
):
    place = tmp_path / "file"
    place.touch()
    monkeypatch.setattr("sys.argv", ["nlb-evalai", *(one.format(place) for one in arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {place}/below")
