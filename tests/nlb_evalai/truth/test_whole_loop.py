"""NWB sessions -> ground truth -> baseline -> scores, with the commands of docs/ground-truth.md."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict

import h5py
import numpy as np
import pytest

from evaluation_script import evaluate
from evaluation_script.arrays import RATE_ARRAYS
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.submission.baseline import baseline_rates
from tests.nlb_evalai.truth.conftest import DATA, SESSIONS, names_of

DATASETS = ("mc_rtt", "dmfc_rsg")


def nlb_evalai(*arguments: object, cwd: Path) -> str:
    """A command as a process of its own; its output."""
    process = subprocess.run(
        [sys.executable, "-m", "nlb_evalai", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def sources(variant: str) -> list:
    return [
        part for name in DATASETS for part in ("--nwb", f"{name}={SESSIONS}/{name}_{variant}.nwb")
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with annotations for both phases and the baseline's submission for val."""
    folder = tmp_path_factory.mktemp("loop")
    (folder / "annotations").mkdir()
    for phase, variant in (("val", "train"), ("test", "full")):
        out = f"annotations/{phase}.h5"
        nlb_evalai(
            *("annotations", "build", "--phase", phase, "--out", out, *sources(variant)),
            cwd=folder,
        )
        nlb_evalai("annotations", "verify", out, "--shapes", "any", "--partial", cwd=folder)
    nlb_evalai(
        "baseline", "--phase", "val", "--out", "submission.h5", *sources("train"), cwd=folder
    )
    return folder


def scores(truth: Path, submission: Path) -> Dict[str, Dict[str, float]]:
    result = evaluate(str(truth), str(submission), "val")["result"]
    return {split: values for entry in result for split, values in entry.items()}


def test_the_baseline_scores_against_what_was_built(built: Path) -> None:
    found = scores(built / "annotations" / "val.h5", built / "submission.h5")
    assert set(found) == {"mc_rtt_split", "mc_rtt_20_split", "dmfc_rsg_split", "dmfc_rsg_20_split"}
    assert found["mc_rtt_split"]["co-bps"] > 0.1
    assert found["mc_rtt_split"]["vel R2"] > 0.4
    assert found["dmfc_rsg_split"]["co-bps"] > 0.2
    assert found["dmfc_rsg_split"]["psth R2"] > 0.2
    assert found["mc_rtt_split"]["fp-bps"] > 0


def test_built_and_reference_truth_give_the_same_scores(built: Path) -> None:
    ours = scores(built / "annotations" / "val.h5", built / "submission.h5")
    assert ours == scores(DATA / "golden" / "target_val.h5", built / "submission.h5")


def test_the_dry_run_accepts_annotations_and_submission(built: Path) -> None:
    before = names_of(list((built / "annotations").iterdir()))
    output = nlb_evalai(
        *("dry-run", "--annotations", "annotations"),
        *("--phase", "val", "--submission", "submission.h5"),
        cwd=built,
    )
    found = scores(built / "annotations" / "val.h5", built / "submission.h5")
    assert f"{found['mc_rtt_split']['co-bps']:.4f}" in output
    assert f"{found['dmfc_rsg_20_split']['co-bps']:.4f}" in output
    assert "EvalAI would take all of it" in output
    assert names_of(list((built / "annotations").iterdir())) == before


def test_the_public_truth_can_stand_in_for_the_hidden_one(built: Path) -> None:
    folder = built / "public"
    folder.mkdir()
    for phase in ("val", "test"):
        shutil.copy(built / "annotations" / "val.h5", folder / f"{phase}.h5")
    with h5py.File(folder / "test.h5", "r+") as file:
        del file.attrs["phase"]
    output = nlb_evalai(
        *("dry-run", "--annotations", "public"),
        *("--phase", "val", "--submission", "submission.h5"),
        cwd=built,
    )
    assert "EvalAI would take all of it" in output


def test_the_submission_holds_positive_rates_of_the_inputs_shape(built: Path) -> None:
    with h5py.File(built / "submission.h5", "r") as file:
        for group in file.values():
            assert set(group) == set(RATE_ARRAYS)
            for node in group.values():
                assert node.dtype == np.float32
                assert (node[()] > 0).all()


def test_the_baseline_finds_held_out_neurons_that_follow_held_in_ones() -> None:
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 6, (60, 1, 1))
    rate = 0.3 * (1 + np.sin(phase + np.linspace(0, 6, 100)[None, :, None]))
    heldin = rng.poisson(np.repeat(rate, 12, axis=2)).astype(np.float32)
    heldout = rng.poisson(np.repeat(rate, 2, axis=2)).astype(np.float32)
    heldin[0, 0, 0] = np.nan
    rates = baseline_rates(
        DEFAULT_SUITE.datasets[0],
        5,
        {
            "train_spikes_heldin": heldin[:40],
            "train_spikes_heldout": heldout[:40],
            "eval_spikes_heldin": heldin[40:],
        },
    )
    predicted = rates["eval_rates_heldout"].reshape(-1, 2)
    truth = np.repeat(rate[40:], 2, axis=2).reshape(-1, 2)
    for unit in range(2):
        assert np.corrcoef(predicted[:, unit], truth[:, unit])[0, 1] > 0.8
    assert all(np.isfinite(value).all() and (value > 0).all() for value in rates.values())


def test_the_baseline_reads_forward_rates_off_the_last_bin() -> None:
    rng = np.random.default_rng(0)
    rate = rng.uniform(0.1, 0.9, 80)[:, None, None]
    spikes = rng.poisson(np.broadcast_to(rate, (80, 140, 9))).astype(np.float32)
    forward = rng.poisson(np.broadcast_to(rate[:60], (60, 40, 9))).astype(np.float32)
    forward[3], forward[5, 20:] = np.nan, np.nan
    inputs = {
        "train_spikes_heldin": spikes[:60, :, :7],
        "train_spikes_heldout": spikes[:60, :, 7:],
        "eval_spikes_heldin": spikes[60:, :, :7],
        "train_spikes_heldin_forward": forward[:, :, :7],
        "train_spikes_heldout_forward": forward[:, :, 7:],
    }
    rates = baseline_rates(DEFAULT_SUITE.datasets[0], 5, inputs)
    for kind, n_units in (("heldin", 7), ("heldout", 2)):
        ahead = rates[f"eval_rates_{kind}_forward"]
        assert ahead.shape == (20, 40, n_units)
        assert (ahead == ahead[:, :1]).all()
        assert (ahead > 0).all()
        for unit in range(n_units):
            assert np.corrcoef(ahead[:, 0, unit], rate[60:, 0, 0])[0, 1] > 0.7
    # nothing to learn from: no forward rates, and all else as before
    inputs["train_spikes_heldin_forward"] = forward[1:, :, :7]
    inputs["train_spikes_heldout_forward"] = np.full_like(forward[:, :, 7:], np.nan)
    less = baseline_rates(DEFAULT_SUITE.datasets[0], 5, inputs)
    assert set(rates) - set(less) == {"eval_rates_heldin_forward", "eval_rates_heldout_forward"}
