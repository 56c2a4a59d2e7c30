"""Few-shot co-smoothing equals a few lines that do the same, and says why it cannot be had."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Dict, Tuple

import h5py
import numpy as np
import pytest

from evaluation_script.annotation import Annotation
from nlb_evalai import evaluate
from nlb_evalai.diagnostics.base import NotHadError
from nlb_evalai.diagnostics.few_shot import FewShot, few_shot
from nlb_evalai.diagnostics.few_shot_files import (
    LATENT_ARRAYS,
    RATE_ARRAYS,
    checked,
    few_shot_of_file,
)
from nlb_evalai.diagnostics.inputs import InputsFile
from tests.nlb_evalai.diagnostics.five_models import Files, Simulated


@pytest.fixture
def changed(five: Tuple[Files, Simulated], tmp_path: Path):
    """A copy of the true model's file that a test may change."""
    path = tmp_path / "changed.h5"
    shutil.copy(five[0].submissions["true"], path)
    return path


def run(files: Files, path: Path, inputs: Path) -> FewShot | str:
    with Annotation(files.truth, "val", files.suite) as annotation, InputsFile(inputs) as file:
        return few_shot_of_file(path, annotation, file, ["mc_maze"])["mc_maze"]


def test_latents_are_used_where_there_are_some(five, changed) -> None:
    files, simulated = five
    with h5py.File(changed, "r+") as file:
        for split, part in (("train", "train"), ("val", "eval")):
            blocks = simulated.session.blocks([split])
            latents = np.concatenate([block._latents[:, :140:4] for block in blocks])
            file[f"mc_maze/{part}_latents"] = latents
    found = run(files, changed, files.inputs)
    assert isinstance(found, FewShot)
    assert (found.source, found.n_components) == ("latents", 6)
    assert 0.2 < found.scores[0].score < found.scores[1].score


def test_latents_are_read_alike_however_they_are_turned_and_stretched() -> None:
    rng = np.random.default_rng(4)
    latents = {trial: rng.normal(0, 1, (10, 3)) for trial in range(25)}
    eval_latents = rng.normal(0, 1, (9, 10, 3))
    weights = rng.normal(0, 0.5, (3, 2))
    spikes = rng.poisson(np.exp(np.stack(list(latents.values())) @ weights - 1)).astype(float)
    eval_spikes = rng.poisson(np.exp(eval_latents @ weights - 1)).astype(float)
    scores = []
    for turn in (np.eye(3), np.diag([10.0, 1.0, 0.5]) @ rng.normal(0, 1, (3, 3))):
        turned = {trial: one @ turn for trial, one in latents.items()}
        found = few_shot("latents", turned, eval_latents @ turn, spikes, eval_spikes, 20)
        assert found.n_components == 3
        scores.append(found.scores[0].draws)
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_latents_that_cannot_be_used_stop_nothing_else(five, changed) -> None:
    files, _ = five
    with h5py.File(changed, "r+") as file:
        file["mc_maze/train_latents"] = np.zeros((120, 35, 4), np.float32)
    found = next(
        iter(
            evaluate(
                changed, files.truth, suite=files.suite, diagnostics=True, inputs=files.inputs
            ).groups.values()
        )
    ).diagnostics
    assert found is not None
    assert found.few_shot is None
    assert found.left_out == {
        "few_shot": "train_latents stands alone: expected train_latents and eval_latents"
    }
    assert found.calibration is not None
    assert found.ceilings is not None
    assert found.ceilings.left_out == []


def facts(shape: tuple[int, ...], **more: Any) -> Dict[str, Any]:
    plain = {"link": "hard", "kind": "dataset", "layout": "contiguous", "external": 0}
    return {**plain, "dtype": "<f4", "shape": shape, "chunks": None, "filters": [], **more}


@pytest.mark.parametrize(
    ("names", "arrays", "why"),
    [
        (
            LATENT_ARRAYS,
            [facts((9, 5, 4)), facts((7, 5, 3))],
            r"differ in their last axis: \[3, 4\]",
        ),
        (
            LATENT_ARRAYS,
            [facts((8, 5, 4)), facts((7, 5, 4))],
            r"shape \(8, 5, 4\), expected \(9, 5, any",
        ),
        (LATENT_ARRAYS, [facts((9, 5)), facts((7, 5, 4))], r"train_latents: found shape \(9, 5\)"),
        (LATENT_ARRAYS, [facts((9, 5, 300)), facts((7, 5, 300))], "300 latents, expected 1 to 256"),
        (LATENT_ARRAYS, [facts((9, 5, 0)), facts((7, 5, 0))], "0 latents"),
        (
            LATENT_ARRAYS,
            [facts((9, 5, 4)), facts((7, 5, 4), dtype=None, type_class="string")],
            "eval_latents: found string elements",
        ),
        (LATENT_ARRAYS, [facts((9, 5, 4), layout="virtual"), facts((7, 5, 4))], "virtual dataset"),
        (LATENT_ARRAYS, [facts((9, 5, 4), filters=[32015]), facts((7, 5, 4))], "HDF5 filter 32015"),
        (
            LATENT_ARRAYS,
            [facts((9, 5, 4), link="soft"), facts((7, 5, 4))],
            "links are not followed",
        ),
        (RATE_ARRAYS, [None, facts((7, 5, 4))], "the submission has no train_rates_heldin"),
    ],
)
def test_arrays_that_cannot_be_read_are_named(names, arrays, why) -> None:
    found = {name: one for name, one in zip(names, arrays) if one is not None}
    with pytest.raises(NotHadError, match=why):
        checked(names, found, (9, 5), (7, 5))


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({}, "inputs.h5, maze/train_spikes_heldout is missing"),
        (
            {"train_spikes_heldout": np.ones((9, 5, 3))},
            r"found shape \(9, 5, 3\), expected \(any, 5, 4",
        ),
        ({"train_spikes_heldout": np.ones(9)}, r"found shape \(9,\)"),
        ({"train_spikes_heldout": np.array([b"text"])}, "found no array of numbers"),
        ({"train_spikes_heldout/inside": np.ones(1)}, "found no array of numbers"),
    ],
)
def test_inputs_that_do_not_fit_are_said(tmp_path, made, why) -> None:
    with h5py.File(tmp_path / "inputs.h5", "w") as file:
        file.create_group("maze")
        for name, values in made.items():
            file[f"maze/{name}"] = values
    with InputsFile(tmp_path / "inputs.h5") as inputs, pytest.raises(NotHadError, match=why):
        inputs.spikes("maze", "train_spikes_heldout", (None, 5, 4))


def test_too_few_trials_leave_out_one_number_only() -> None:
    rng = np.random.default_rng(3)
    train = {trial: rng.normal(0, 1, (10, 3)) for trial in range(30)}
    spikes = rng.poisson(0.4, (30, 10, 2)).astype(float)
    spikes[:, :, 1] = 0  # no spike in any draw
    spikes[4, 2] = np.nan
    evaluate_spikes = rng.poisson(0.4, (8, 10, 2)).astype(float)
    found = few_shot("latents", train, rng.normal(0, 1, (8, 10, 3)), spikes, evaluate_spikes, 5)
    assert [one.n_trials for one in found.scores] == [20]
    assert found.left_out == {80: "30 training trials"}
    assert np.isfinite(found.scores[0].draws).all()
    with pytest.raises(NotHadError, match="does not vary"):
        few_shot(
            "latents",
            {trial: np.zeros((10, 3)) for trial in range(30)},
            np.zeros((8, 10, 3)),
            spikes,
            evaluate_spikes,
            5,
        )
