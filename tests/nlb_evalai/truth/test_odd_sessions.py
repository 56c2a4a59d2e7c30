"""Odd sessions: the reference's result, or the right one where the reference stops on a fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict

import h5py
import numpy as np
import pytest

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.truth.build import load_session
from nlb_evalai.truth.files import read_arrays, write_arrays
from nlb_evalai.truth.inputs import build_inputs
from nlb_evalai.truth.nwb import read_nwb
from nlb_evalai.truth.recording import Recording
from nlb_evalai.truth.targets import Selection, build_targets
from tests.nlb_evalai.truth import odd_sessions as odd
from tests.nlb_evalai.truth.conftest import SESSIONS, assert_same, load
from tests.nlb_evalai.truth.digests import fingerprints

VAL = Selection(("train",), ("val",))
Edited = Callable[..., Path]


def targets_of(path: Path, case: odd.Odd) -> Dict[str, Any]:
    name = odd.dataset_of(case.session)
    dataset = DEFAULT_SUITE.dataset(name)
    if case.like_lightning:
        assert dataset.session is not None
        rules = replace(dataset.session, eval_window=dataset.session.train_window)
        dataset = replace(dataset, session=rules)
    selection = Selection(
        tuple(odd.as_splits(case.train)),
        tuple(odd.as_splits(case.evaluate)),
        psth_beyond=case.evaluate == "test",
    )
    recording = load_session(dataset, [path])
    return build_targets(recording, dataset, selection, [case.bin_width_ms])[case.bin_width_ms]


def build(edited: Edited, session: str, edit: Callable[[h5py.File], None]) -> Dict[str, Any]:
    return targets_of(edited(session, edit), odd.Odd(session, edit, 20))


@pytest.mark.parametrize("name", sorted(odd.ODD))
def test_equals_the_reference(name: str, edited: Edited, expected: Dict[str, Any]) -> None:
    case = odd.ODD[name]
    built = targets_of(edited(case.session, case.edit), case)
    assert fingerprints(built) == expected["odd"][name]


def test_columns_named_with_a_space_swap_x_and_y(edited: Edited) -> None:
    plain = build(edited, "mc_maze_small_train", odd.as_it_is)["eval_behavior"]
    spaced = build(edited, "mc_maze_small_train", odd.spaced_columns)["eval_behavior"]
    assert_same(spaced, np.ascontiguousarray(plain[..., ::-1]), "eval_behavior")


def test_a_trial_without_observed_forward_window_is_missing_there_only(edited: Edited) -> None:
    built = build(edited, "mc_maze_small_train", odd.forward_unobserved)
    n_eval = len(built["eval_spikes_heldout"])
    assert len(built["eval_spikes_heldin_forward"]) == n_eval - 1
    assert len(built["eval_behavior"]) == n_eval


def test_a_partly_observed_forward_window_is_nan_where_it_was_not(edited: Edited) -> None:
    """The reference stops: windows of several lengths cannot be stacked."""
    whole = build(edited, "mc_maze_small_train", odd.as_it_is)
    built = build(edited, "mc_maze_small_train", odd.forward_partly_unobserved)
    for name in ("eval_spikes_heldin_forward", "eval_spikes_heldout_forward"):
        missing = np.isnan(built[name])
        assert built[name].shape == whole[name].shape
        assert missing[4, 5:].all()
        assert not missing[np.arange(len(missing)) != 4].any()
        seen = ~missing
        seen[4, 4] = False  # the bin in which observation ends holds a part of its spikes
        np.testing.assert_array_equal(built[name][seen], whole[name][seen])


def test_a_gap_in_an_unrelated_series_costs_no_spikes(edited: Edited) -> None:
    """The reference drops the bin, and stops because one window is shorter then."""
    whole = build(edited, "mc_maze_train", odd.as_it_is)
    built = build(edited, "mc_maze_train", odd.gaze_lost_in_one_trial)
    for name, value in whole.items():
        assert_same(built[name], value, name)


def test_a_spike_after_the_end_is_unobserved_like_one_in_a_gap(edited: Edited) -> None:
    """The reference stops with an IndexError."""
    in_gap = build(edited, "mc_maze_small_train", odd.spike_in_gap)
    after_end = build(edited, "mc_maze_small_train", odd.spike_after_end)
    assert fingerprints(after_end) == fingerprints(in_gap)
    path = edited("mc_maze_small_train", odd.spike_after_end)
    assert "1 held" in "".join(read_nwb(path).notes)


@pytest.mark.parametrize(
    ("edit", "expected_ms"),
    [(odd.spike_half_ms_before_zero, 0), (odd.spike_2_ms_before_zero, -2)],
)
def test_a_spike_before_zero_goes_to_the_first_bin_or_wraps_to_the_end(
    edited: Edited, edit: Callable[[h5py.File], None], expected_ms: int
) -> None:
    before = read_nwb(SESSIONS / "mc_maze_small_train.nwb")
    after = read_nwb(edited("mc_maze_small_train", edit))
    changed = []
    for old, new in (
        (one.units[key], other.units[key])
        for one, other in ((before.heldin, after.heldin), (before.heldout, after.heldout))
        for key in one.units
    ):
        if old.spike_ms.tolist() != new.spike_ms.tolist():
            changed += sorted(set(new.spike_ms.tolist()) - set(old.spike_ms.tolist()))
    assert changed == [expected_ms % after.n_ms]


def test_a_trial_without_onset_is_left_out_everywhere(edited: Edited) -> None:
    """The reference leaves it out of the inputs, and stops on it when it makes the truth."""
    whole = build(edited, "mc_maze_small_train", odd.as_it_is)
    path = edited("mc_maze_small_train", odd.onset_missing)
    recording = load_session(DEFAULT_SUITE.dataset("mc_maze_small"), [path])
    dataset = DEFAULT_SUITE.dataset("mc_maze_small")
    built = build_targets(recording, dataset, VAL, [20])[20]
    inputs = build_inputs(recording, dataset, VAL, [20])[20]
    assert_same(
        built["train_behavior"], np.delete(whole["train_behavior"], 5, axis=0), "train_behavior"
    )
    assert len(inputs["train_spikes_heldin"]) == len(built["train_behavior"])
    assert max(np.concatenate(built["train_cond_idx"])) < len(built["train_behavior"])
    assert sum("have no 'move_onset_time'" in note for note in recording.notes) == 1


def test_conditions_of_equal_size_can_be_saved(edited: Edited, tmp_path: Path) -> None:
    """The reference makes a matrix of them that HDF5 cannot hold."""
    built = build(edited, "mc_maze_small_train", odd.equal_conditions)
    assert {len(rows) for rows in built["eval_cond_idx"]} == {1}
    with h5py.File(tmp_path / "saved.h5", "w") as file:
        write_arrays(file, built)
        saved = read_arrays(file)
        assert h5py.check_vlen_dtype(file["eval_cond_idx"].dtype) == np.int32
    assert_same(saved["eval_cond_idx"], built["eval_cond_idx"], "eval_cond_idx")


def test_a_condition_longer_than_the_array_keeps_its_end(edited: Edited) -> None:
    """The reference cuts its front in the wrong place and stops."""
    longer = build(edited, "dmfc_rsg_train", odd.produced_in_1600_ms)
    exact = build(edited, "dmfc_rsg_train", odd.produced_in_1500_ms)
    assert longer["psth"].shape[1] == 75
    assert not np.isnan(longer["psth"][0]).any()
    # all but the first bin, which only the longer windows cover in every trial
    np.testing.assert_array_equal(longer["psth"][0, 1:], exact["psth"][0, 1:])


@pytest.mark.parametrize("width", [5, 20])
def test_forward_windows_at_the_edge_of_the_recording_are_nan_beyond_it(width: int) -> None:
    """Two train trials of mc_rtt end less than 200 ms before a gap and before the end; there
    the reference stops."""
    recording = load("mc_rtt", "train")
    inputs = build_inputs(recording, DEFAULT_SUITE.dataset("mc_rtt"), VAL, [width])[width]
    for name in ("train_spikes_heldin_forward", "train_spikes_heldout_forward"):
        value = inputs[name]
        missing = np.isnan(value)
        assert value.shape[:2] == (len(inputs["train_spikes_heldin"]), 200 // width)
        assert missing.any(axis=(1, 2)).sum() == 2
        assert (missing.any(axis=2) == missing.all(axis=2)).all()
    assert any("2 windows cut short" in note for note in recording.notes)


def test_overlapping_train_windows_lose_no_spikes(edited: Edited) -> None:
    """Where a window would be cut at the next one, the reference's inputs cannot be stacked."""

    def both_train(file: h5py.File) -> None:
        for row in odd.rows_of(file, "val"):
            file[odd.TRIALS + "split"][row] = "train" if row % 2 else "val"

    path = edited("area2_bump_train", both_train)
    recording = load_session(DEFAULT_SUITE.dataset("area2_bump"), [path])
    inputs = build_inputs(recording, DEFAULT_SUITE.dataset("area2_bump"), VAL, [20])[20]
    assert any("cut short" in note for note in recording.notes)
    assert inputs["train_spikes_heldin"].shape[1] == 30
    assert not np.isnan(inputs["train_spikes_heldin"]).any()


@pytest.fixture(scope="module")
def recording() -> Recording:
    return load("dmfc_rsg", "train")


class TestJitter:
    """dmfc_rsg: the numbers that the reference draws."""

    EVAL = (0, 43, 27, 33, 25, 39, 26, 54, 58, 23, 44, 32, 34)
    EVAL_SEED_1 = (0, 43, 0, 18, 9, 6, 11, 21, 24, 32, 23, 41, 12)
    TRAIN = (33, 43, 36, 33, 25, 39, 26, 54, 58, 23, 48, 32, 34)

    @staticmethod
    def targets(recording: Recording, seed: int) -> Dict[str, Any]:
        return build_targets(recording, DEFAULT_SUITE.dataset("dmfc_rsg"), VAL, [5], seed)[5]

    def test_train_and_eval_use_the_same_draws(self, recording: Recording) -> None:
        built = self.targets(recording, 0)
        assert built["eval_jitter"][:13].tolist() == list(self.EVAL)
        assert built["train_jitter"][:13].tolist() == list(self.TRAIN)

    def test_another_seed_jitters_otherwise_and_leaves_the_psth(self, recording: Recording) -> None:
        first, second = self.targets(recording, 0), self.targets(recording, 1)
        assert second["eval_jitter"][:13].tolist() == list(self.EVAL_SEED_1)
        assert_same(second["psth"], first["psth"], "psth")

    def test_hidden_trials_have_none(self) -> None:
        recording = load("dmfc_rsg", "full")
        selection = Selection(("train", "val"), ("test",), psth_beyond=True)
        built = build_targets(recording, DEFAULT_SUITE.dataset("dmfc_rsg"), selection, [5])[5]
        assert (built["eval_jitter"] == 0).all()
        assert (built["train_jitter"] > 0).any()
