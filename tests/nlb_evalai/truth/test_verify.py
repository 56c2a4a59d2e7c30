"""Verification: good files pass, and every kind of fault is told with its array."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Callable

import h5py
import numpy as np
import pytest

from nlb_evalai.truth.errors import AnnotationFileError
from nlb_evalai.truth.verify import check_path
from tests.nlb_evalai.truth.conftest import DATA

GOLDEN = DATA / "golden"


@pytest.mark.parametrize("phase", ["val", "test"])
def test_files_of_the_reference_pass_unchanged(phase: str) -> None:
    report = check_path(GOLDEN / f"target_{phase}.h5")
    assert report.problems == []
    assert report.notes == ["no attributes: the file does not say its phase, suite or sources"]


def test_official_shapes_are_those_of_the_published_datasets() -> None:
    report = check_path(GOLDEN / "target_val.h5", official=True, phase="val")
    assert (
        "mc_maze/eval_spikes_heldout: found shape (25, 140, 5), expected (574, 140, 45)"
        in report.problems
    )
    # of dmfc_rsg's validation trials only the neurons and bins are published
    assert "dmfc_rsg_20/psth: found shape (16, 75, 17), expected (16, 75, 54)" in report.problems
    assert not any(line.startswith("dmfc_rsg_20/eval_behavior") for line in report.problems)
    hidden = check_path(GOLDEN / "target_test.h5", official=True, phase="test")
    assert any(
        line.startswith("dmfc_rsg_20/eval_behavior: found") and line.endswith("expected (283, 5)")
        for line in hidden.problems
    )
    unknown = check_path(GOLDEN / "target_val.h5", official=True)
    assert unknown.problems == ["phase unknown: official shapes differ by phase, please name it"]


def put(name: str, change: Callable[[Any], Any]) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        value = change(file[name][()])
        kept = file[name].dtype if value.dtype == object else value.dtype
        del file[name]
        file.create_dataset(name, data=value, dtype=kept)

    return edit


def at(index: Any, value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[index] = value
        return array

    return change


def first_row(value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def change(rows: np.ndarray) -> np.ndarray:
        rows[0] = np.asarray(value, np.int32)
        return rows

    return change


def drop(name: str) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        del file[name]

    return edit


FAULTS = {
    "half a spike": (
        put("mc_maze/eval_spikes_heldout", at((0, 0, 0), 0.5)),
        "mc_maze/eval_spikes_heldout: holds values that are no counts",
    ),
    "negative spikes": (
        put("mc_rtt/eval_spikes_heldin_forward", at((0, 0, 0), -1)),
        "mc_rtt/eval_spikes_heldin_forward: holds values that are no counts",
    ),
    "NaN for one unit": (
        put("mc_maze/eval_spikes_heldout", at((0, 0, 0), np.nan)),
        "mc_maze/eval_spikes_heldout: a bin is NaN for some of the units only",
    ),
    "a trial without a scored bin": (
        put("dmfc_rsg/eval_spikes_heldout", at(3, np.nan)),
        "dmfc_rsg/eval_spikes_heldout: 1 trials have no scored bin",
    ),
    "scored bins in two parts": (
        put("dmfc_rsg/eval_spikes_heldout", at((0, 280), np.nan)),
        "dmfc_rsg/eval_spikes_heldout: scored bins of trial 0 are not contiguous",
    ),
    "jitter of another file": (
        put("dmfc_rsg/eval_jitter", lambda jitter: jitter + 1),
        "dmfc_rsg/eval_spikes_heldout: trial 0 does not end where eval_jitter says",
    ),
    "jitter out of range": (
        put("dmfc_rsg/train_jitter", at(0, 300)),
        "dmfc_rsg/train_jitter: a value is out of range, expected 0 to 299 bins",
    ),
    "fewer eval trials": (
        put("mc_maze/eval_behavior", lambda value: value[:-1]),
        "mc_maze/eval_*: numbers of trials differ",
    ),
    "fewer trials at one width": (
        put("mc_rtt/train_behavior", lambda value: value[:-1]),
        "mc_rtt: (train, eval) trials differ: (56, 20) at 5 ms, (57, 20) at 20 ms",
    ),
    "NaN in one column": (
        put("area2_bump/train_behavior", at((0, 5, 1), np.nan)),
        "area2_bump/train_behavior: NaN in one column only",
    ),
    "no behavior at all": (
        put("mc_rtt/eval_behavior", lambda value: value * np.float32(np.nan)),
        "mc_rtt/eval_behavior: nothing but NaN",
    ),
    "infinite behavior": (
        put("mc_rtt/eval_behavior", at((0, 0, 0), np.inf)),
        "mc_rtt/eval_behavior: holds infinite values",
    ),
    "three columns": (
        put("mc_rtt/eval_behavior", lambda value: np.concatenate([value, value[..., :1]], -1)),
        "mc_rtt/eval_behavior: found 3 columns, expected 2",
    ),
    "negative rate": (
        put("mc_maze/psth", at((0, 0, 0), -0.1)),
        "mc_maze/psth: holds negative or infinite values",
    ),
    "NaN inside a PSTH": (
        put("mc_maze/psth", at((0, 7), np.nan)),
        "mc_maze/psth: NaN in the middle of a condition, expected at its end only",
    ),
    "PSTH padded at the wrong end": (
        put("dmfc_rsg/psth", lambda value: value[:, ::-1]),
        "dmfc_rsg/psth: NaN in the middle of a condition, expected at its front only",
    ),
    "PSTH of other units": (
        put("mc_maze/psth", lambda value: value[..., 1:]),
        "mc_maze/psth: found 16 neurons, expected 17 (held-in + held-out)",
    ),
    "PSTH of other bins": (
        put("mc_maze/psth", lambda value: value[:, 1:]),
        "mc_maze/psth: found 139 bins, expected 140",
    ),
    "a condition without indices": (
        put("mc_maze/eval_cond_idx", lambda rows: rows[1:]),
        "mc_maze/eval_cond_idx: found 9 conditions, psth has 10",
    ),
    "index out of range": (
        put("mc_maze/eval_cond_idx", first_row([0, 25])),
        "mc_maze/eval_cond_idx: an index is out of range, expected 0 to 24",
    ),
    "a trial in two conditions": (
        put("mc_maze/train_cond_idx", lambda rows: first_row(rows[1])(rows)),
        "mc_maze/train_cond_idx: a trial is in two conditions",
    ),
    "indices out of order": (
        put("mc_maze/train_cond_idx", lambda rows: first_row(rows[0][::-1])(rows)),
        "mc_maze/train_cond_idx: indices of a condition are not ascending",
    ),
    "masks of numbers": (
        put("area2_bump/eval_decode_mask", lambda masks: masks.astype("f4")),
        "area2_bump/eval_decode_mask: found float32, expected booleans",
    ),
    "two decoders for a trial": (
        put("area2_bump/eval_decode_mask", at(0, True)),
        "area2_bump/eval_decode_mask: a trial belongs to two decoders",
    ),
    "no spikes": (drop("mc_rtt/eval_spikes_heldout"), "mc_rtt/eval_spikes_heldout: missing"),
    "no conditions": (drop("mc_maze/eval_cond_idx"), "mc_maze/eval_cond_idx: missing"),
    "flat spikes": (
        put("mc_rtt/eval_spikes_heldout", lambda value: value[0]),
        "mc_rtt/eval_spikes_heldout: found shape (120, 5), expected 3 dimensions",
    ),
    "another suite's group": (
        lambda file: file.create_group("mc_mase"),
        "mc_mase: not a group of nlb21",
    ),
    "another phase": (
        lambda file: file.attrs.__setitem__("phase", "final"),
        "attribute phase: found 'final', not a phase of nlb21",
    ),
    "another suite": (
        lambda file: file.attrs.__setitem__("suite", "nlb24"),
        "attribute suite: found 'nlb24', expected nlb21",
    ),
    "other forward bins": (
        put("mc_rtt/eval_spikes_heldin_forward", lambda value: value[:, 1:]),
        "mc_rtt/eval_spikes_*_forward: bins differ: 39 and 40",
    ),
    "other held-out neurons": (
        put("mc_rtt/eval_spikes_heldout_forward", lambda value: value[..., 1:]),
        "mc_rtt/eval_spikes_heldout_forward: found 4 neurons, expected 5",
    ),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "val.h5"
    shutil.copyfile(GOLDEN / "target_val.h5", path)
    return path


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_fault_is_told_with_its_array(fault: str, file: Path) -> None:
    edit, message = FAULTS[fault]
    with h5py.File(file, "r+") as handle:
        edit(handle)
    problems = check_path(file).problems
    assert any(line.startswith(message) for line in problems), problems


def test_arrays_that_no_metric_reads_may_be_missing(file: Path) -> None:
    with h5py.File(file, "r+") as handle:
        del handle["mc_maze/train_cond_idx"], handle["dmfc_rsg/train_jitter"]
    assert check_path(file).problems == []


def test_bins_that_are_not_scored_are_noted(file: Path) -> None:
    with h5py.File(file, "r+") as handle:
        handle["mc_rtt/eval_spikes_heldin_forward"][2, 30:] = np.nan
    report = check_path(file)
    assert report.problems == []
    assert "mc_rtt/eval_spikes_heldin_forward: 10 bins are NaN and not scored" in report.notes


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.h5"
    path.write_bytes((GOLDEN / "target_val.h5").read_bytes()[:100_000])
    with pytest.raises(AnnotationFileError, match=r"cut\.h5.*\n.*cannot be read as HDF5"):
        check_path(path)
