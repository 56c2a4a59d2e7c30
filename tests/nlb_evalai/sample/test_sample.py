"""The embedded sample: its layout, its edges, and how its four submissions score."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from evaluation_script import evaluate
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.cli.sample import sample as sample_command
from nlb_evalai.errors import ToolError
from nlb_evalai.hdf5 import TrialWriter
from nlb_evalai.sample.files import (
    MODELS,
    SamplePaths,
    make_psth,
    make_sessions,
    small_suite,
    write_sample,
    write_submission,
)
from nlb_evalai.sample.simulation import BLOCK_TRIALS, Session

PHASES = [phase.codename for phase in DEFAULT_SUITE.phases]


@pytest.fixture(scope="module")
def paths(sample_paths: SamplePaths) -> SamplePaths:
    return sample_paths


@pytest.fixture(scope="module")
def scores(paths: SamplePaths) -> Dict[str, Dict[str, Dict[str, Dict[str, float]]]]:
    """phase -> model -> split -> label -> score."""
    return {
        phase: {
            model: {
                split: row
                for entry in evaluate(paths.annotations[phase], path, phase)["result"]
                for split, row in entry.items()
            }
            for model, path in paths.submissions[phase].items()
        }
        for phase in PHASES
    }


@pytest.mark.parametrize("phase", PHASES)
def test_true_rates_beat_smoothing_which_beats_the_mean_on_every_dataset(scores, phase):
    for split in DEFAULT_SUITE.splits():
        for label in scores[phase]["true"][split]:
            if label.endswith("co-bps"):
                true, smooth, mean = (
                    scores[phase][model][split][label] for model in ("true", "smoothing", "mean")
                )
                assert true > smooth > mean, f"{phase} {split} {label}"


@pytest.mark.parametrize("phase", PHASES)
def test_mean_rates_score_about_zero_bits_per_spike(scores, phase):
    for split, row in scores[phase]["mean"].items():
        for label, value in row.items():
            if label.endswith("co-bps"):
                assert abs(value) < 0.03, f"{phase} {split} {label}: {value}"


@pytest.mark.parametrize("phase", PHASES)
def test_every_label_of_every_board_gets_a_finite_score_from_true_rates(scores, phase):
    for board in DEFAULT_SUITE.boards():
        for width in DEFAULT_SUITE.bin_widths_ms:
            row = scores[phase]["true"][DEFAULT_SUITE.split(board, width)]
            assert set(row) == set(DEFAULT_SUITE.labels(board))
            assert all(math.isfinite(value) for value in row.values())


def test_small_scale_takes_seconds(tmp_path):
    start = time.perf_counter()
    write_sample(tmp_path, DEFAULT_SUITE)
    assert time.perf_counter() - start < 10  # about 1.5 s on an idle core


@pytest.mark.parametrize("phase", PHASES)
def test_shapes_and_types_are_those_of_the_reference_files(paths, phase):
    suite = small_suite(DEFAULT_SUITE)
    with h5py.File(paths.annotations[phase]) as truth:
        assert set(truth) == set(suite.groups())
        for name, (dataset, width) in suite.groups().items():
            group = truth[name]
            figures = dataset.published
            n_train, n_eval = figures.n_train[phase], figures.n_eval[phase]
            length, forward = dataset.bins(width), dataset.forward_bins(width)
            n_units = figures.n_heldin + figures.n_heldout
            shapes = {key: (value.shape, value.dtype.kind) for key, value in group.items()}
            timing = dataset.name == "dmfc_rsg"
            row = (5,) if timing else (length, 2)
            expected = {
                "eval_spikes_heldout": ((n_eval, length, figures.n_heldout), "f"),
                "eval_spikes_heldin_forward": ((n_eval, forward, figures.n_heldin), "f"),
                "eval_spikes_heldout_forward": (
                    (n_eval, forward, figures.n_heldout),
                    "f",
                ),
                "train_behavior": ((n_train, *row), "f"),
                "eval_behavior": ((n_eval, *row), "f"),
            }
            if dataset.name != "mc_rtt":
                conditions = len(group["psth"])
                expected["psth"] = ((conditions, length, n_units), "f")
                expected["eval_cond_idx"] = expected["train_cond_idx"] = ((conditions,), "O")
            if timing:
                expected["train_jitter"] = ((n_train,), "i")
                expected["eval_jitter"] = ((n_eval,), "i")
            if dataset.name == "area2_bump":
                expected["train_decode_mask"] = ((n_train, 2), "b")
                expected["eval_decode_mask"] = ((n_eval, 2), "b")
            assert shapes == expected
            for key, value in group.items():
                assert value.compression == "gzip"
                if value.dtype.kind in "fi":
                    assert value.dtype.itemsize == 4, key
                elif value.dtype.kind == "O":
                    assert h5py.check_vlen_dtype(value.dtype) == np.dtype("int32")


@pytest.mark.parametrize("phase", PHASES)
def test_the_root_says_phase_suite_rules_and_that_nothing_here_is_real(paths, phase):
    with h5py.File(paths.annotations[phase]) as truth:
        assert truth.attrs["phase"] == phase
        assert truth.attrs["suite"] == DEFAULT_SUITE.name
        assert truth.attrs["rules_version"] == DEFAULT_SUITE.rules_version
        assert "sample" in truth.attrs["origin"]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("suffix", ["", "_20"])
def test_the_truth_holds_the_edges_of_real_data(paths, phase, suffix):
    with h5py.File(paths.annotations[phase]) as truth:
        dmfc = truth["dmfc_rsg" + suffix]
        scored = ~np.isnan(dmfc["eval_spikes_heldout"][:, :, 0])
        jitter = dmfc["eval_jitter"][()]
        assert jitter.max() > 0
        for trial, shift in enumerate(jitter):
            stop = scored.shape[1] - shift
            assert not scored[trial, stop:].any(), "a jittered trial ends in NaN"
            assert scored[trial, stop - 1]
        assert not scored[:, 0].all(), "short trials begin with NaN"
        behavior = dmfc["eval_behavior"][()]
        outlier = np.isnan(behavior).all(axis=1)
        assert 0 < outlier.sum() < len(outlier) / 4
        assert not np.isnan(behavior[~outlier]).any()
        listed = np.concatenate(list(dmfc["eval_cond_idx"][()]))
        assert sorted(listed) == list(np.flatnonzero(~outlier))
        contexts = behavior[~outlier][:, :3]
        _, counts = np.unique(contexts, axis=0, return_counts=True)
        assert len(counts) == 8
        assert counts.min() >= 3, "a correlation needs trials"

        for name in ("mc_maze", "area2_bump", "dmfc_rsg", "mc_maze_small"):
            group = truth[name + suffix]
            sizes = [len(index) for index in group["eval_cond_idx"][()]]
            assert 0 in sizes, f"{name}: a condition without evaluation trials"
            assert len(set(sizes)) > 1
        for name in ("area2_bump", "dmfc_rsg"):
            psth = truth[name + suffix]["psth"][()]
            padded = np.isnan(psth)
            assert padded.any()
            assert (padded.all(axis=2) == padded.any(axis=2)).all()

        for part in ("train", "eval"):
            mask = truth["area2_bump" + suffix][f"{part}_decode_mask"][()]
            assert (mask.sum(axis=1) == 1).all()
            assert (mask.sum(axis=0) >= 5).all()
            velocity = np.isnan(truth["mc_rtt" + suffix][f"{part}_behavior"][()])
            assert velocity.any()
            assert (velocity.all(axis=2) == velocity.any(axis=2)).all()


def test_coarse_bins_are_sums_of_fine_ones(paths):
    with h5py.File(paths.annotations["val"]) as truth:
        fine = truth["mc_maze/eval_spikes_heldout"][()]
        coarse = truth["mc_maze_20/eval_spikes_heldout"][()]
        np.testing.assert_array_equal(
            fine.reshape(len(fine), -1, 4, fine.shape[2]).sum(axis=2), coarse
        )
        assert fine.max() > 1, "counts, not flags"


def test_the_one_dataset_submission_holds_one_dataset_without_forward_rates(paths):
    with h5py.File(paths.submissions["test"]["one-dataset"]) as file:
        assert list(file) == ["mc_maze", "mc_maze_20"]
        assert not any("forward" in key for key in file["mc_maze"])


def test_same_arguments_same_bytes(paths, tmp_path):
    again = write_sample(tmp_path, DEFAULT_SUITE, phases=["test"])
    assert again.annotations["test"].read_bytes() == paths.annotations["test"].read_bytes()
    for model in MODELS:
        first, second = paths.submissions["test"][model], again.submissions["test"][model]
        assert first.read_bytes() == second.read_bytes(), model


def test_another_seed_gives_other_data(paths, tmp_path):
    other = write_sample(tmp_path, DEFAULT_SUITE, phases=["val"], models=["mean"], seed=1)
    assert other.annotations["val"].read_bytes() != paths.annotations["val"].read_bytes()


def test_phases_and_models_can_be_chosen(tmp_path):
    result = CliRunner().invoke(
        sample_command, [str(tmp_path), "--phase", "val", "--model", "mean"]
    )
    assert result.exit_code == 0, result.output
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.h5"))
    assert files == ["annotations/val.h5", "submissions/val/mean.h5"]


@pytest.mark.parametrize("argument", ["scale", "phases", "models"])
def test_a_choice_that_does_not_exist_is_named(tmp_path, argument):
    value = "tset" if argument == "scale" else ["tset"]
    with pytest.raises(ValueError, match="found 'tset', expected one of"):
        write_sample(tmp_path, DEFAULT_SUITE, **{argument: value})


@pytest.mark.parametrize("kind", ["real", "unfinished", "no HDF5"])
def test_ground_truth_that_is_no_sample_is_never_replaced(tmp_path, kind):
    real = tmp_path / "annotations" / "test.h5"
    real.parent.mkdir()
    with h5py.File(real, "w") as file:
        file["mc_maze"] = np.arange(1000)
    content = {"real": real.read_bytes(), "unfinished": real.read_bytes()[:3000], "no HDF5": b"x"}
    real.write_bytes(content[kind])
    with pytest.raises(ToolError) as caught:
        write_sample(tmp_path, DEFAULT_SUITE)
    assert f"{real}: found ground truth that is not the embedded sample's" in str(caught.value)
    assert real.read_bytes() == content[kind]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [real]


def test_a_full_disk_is_an_error_in_words_and_leaves_the_sample_before(tmp_path):
    before = (
        write_sample(tmp_path, DEFAULT_SUITE, phases=["val"], models=["mean"])
        .annotations["val"]
        .read_bytes()
    )
    # The kernel refuses to write further, as it does on a full disk.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    code = f"{limit}; from nlb_evalai.cli import main; main()"
    process = subprocess.run(
        [sys.executable, "-c", code, "sample", str(tmp_path), "--phase", "val"],
        capture_output=True,
        text=True,
        check=False,
    )
    truth = tmp_path / "annotations" / "val.h5"
    assert process.stderr == f"error: {truth}: cannot be written: File too large\n"
    assert process.returncode == 1
    assert truth.read_bytes() == before
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["mean.h5", "val.h5"]


def test_full_scale_has_the_official_shapes_and_blocks_of_trials():
    for session, dataset in zip(make_sessions(DEFAULT_SUITE, "full"), DEFAULT_SUITE.datasets):
        for phase in DEFAULT_SUITE.phases:
            n_train = sum(session.sizes[split] for split in phase.train_splits)
            assert n_train == dataset.published.n_train[phase.codename]
            assert session.sizes[phase.eval_split] == dataset.published.n_eval[phase.codename]
        assert len(session.starts("train")) == math.ceil(session.sizes["train"] / BLOCK_TRIALS)
        block = session.block("val", 0)
        window, forward = block.window(block.rates, 5)
        n_trials, n_units = min(session.sizes["val"], BLOCK_TRIALS), 0
        n_units = dataset.published.n_heldin + dataset.published.n_heldout
        assert window.shape == (n_trials, dataset.window_ms // 5, n_units)
        assert forward.shape == (n_trials, 40, n_units)


def _session_of_many_blocks() -> Session:
    dataset = next(one for one in DEFAULT_SUITE.datasets if one.name == "mc_maze_medium")
    return Session(DEFAULT_SUITE, dataset, conditions=27)


def test_a_submission_of_many_blocks_is_whole_and_in_order(tmp_path):
    session = _session_of_many_blocks()
    path = tmp_path / "true.h5"
    write_submission(path, DEFAULT_SUITE.phase("test"), [session], "true")
    blocks = [block.window(block.rates, 5)[0] for block in session.blocks(["train", "val"])]
    expected = np.concatenate(blocks)[:, :, session.n_heldin :].astype(np.float32)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["mc_maze_medium/train_rates_heldout"][()], expected)


def test_a_block_made_again_alone_is_the_same():
    one, two = _session_of_many_blocks(), _session_of_many_blocks()
    late = two.block("train", 128)
    block = list(one.blocks(["train"]))[-1]
    np.testing.assert_array_equal(block.spikes, late.spikes)
    np.testing.assert_array_equal(block.velocity(20), late.velocity(20))


def test_psth_is_the_mean_over_the_trials_of_each_condition():
    session = make_sessions(DEFAULT_SUITE)[0]
    psth = make_psth(session, ["train", "val"], 5)
    rates = np.concatenate(
        [block.window(block.rates, 5)[0] for block in session.blocks(["train", "val"])]
    )
    condition = np.concatenate([session.trials(s).condition for s in ("train", "val")])
    np.testing.assert_allclose(psth[3], rates[condition == 3].mean(axis=0), rtol=1e-12)


def test_trials_appended_in_any_blocks_arrive_in_order(tmp_path: Path):
    values = np.arange(300 * 140 * 9, dtype=np.float32).reshape(300, 140, 9)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        writer = TrialWriter(file, "x", values.shape)
        for start, stop in ((0, 7), (7, 64), (64, 65), (65, 300)):
            writer.append(values[start:stop])
        writer.flush()
        np.testing.assert_array_equal(file["x"][()], values)
