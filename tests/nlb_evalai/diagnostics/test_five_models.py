"""Each of five models is recognized by a diagnostic where the three scores do not say so."""

from __future__ import annotations

import re
from typing import Dict, Tuple

import h5py
import numpy as np
import pytest

from evaluation_script.metrics import bits_per_spike
from evaluation_script.metrics.jackknife import jackknife_error
from nlb_evalai import evaluate
from nlb_evalai.diagnostics.evaluation import Evaluation
from nlb_evalai.diagnostics.few_shot import TRIALS, draws_of
from nlb_evalai.diagnostics.group import GroupDiagnostics
from tests.nlb_evalai.diagnostics.five_models import (
    BROKEN,
    MODELS,
    N_HELDIN,
    Files,
    Simulated,
    row,
)
from tests.paths import ROOT

Rows = Dict[str, Dict[str, float]]


@pytest.fixture(scope="module")
def evaluated(five: Tuple[Files, Simulated]) -> Dict[str, Evaluation]:
    files = five[0]
    return {
        name: evaluate(path, files.truth, suite=files.suite, diagnostics=True, inputs=files.inputs)
        for name, path in files.submissions.items()
    }


@pytest.fixture(scope="module")
def rows(evaluated: Dict[str, Evaluation]) -> Rows:
    return {name: row(found) for name, found in evaluated.items()}


def test_invented_dynamics_score_as_the_truth_and_are_inconsistent(rows: Rows) -> None:
    true, invented = rows["true"], rows["invented dynamics"]
    assert invented["co-bps"] == pytest.approx(true["co-bps"], abs=1e-6)
    assert invented["psth R2"] == pytest.approx(true["psth R2"], abs=0.01)
    assert invented["vel R2"] > 0.93
    assert true["consistency"] > 0.97
    assert invented["consistency"] < 0.65
    # held-out neurons are harder to read off them
    assert invented["few-shot, 20 trials"] < true["few-shot, 20 trials"] - 0.015


def test_a_condition_mean_knows_nothing_of_single_trials(rows: Rows) -> None:
    true, mean = rows["true"], rows["condition mean"]
    assert mean["vel R2"] > 0.8
    assert mean["psth R2"] > true["psth R2"] - 0.01
    assert mean["co-bps"] > 0.85 * true["co-bps"]
    assert abs(mean["vel R2 within conditions"]) < 1e-9
    for name in set(MODELS) - {"condition mean", "smoothing"}:
        assert rows[name]["vel R2 within conditions"] > 0.5, name
    assert mean["consistency"] > 0.97


def test_smoothing_passes_the_noise_of_spikes_on(rows: Rows) -> None:
    true, smoothing = rows["true"], rows["smoothing"]
    # its three scores are those of a middling model
    assert smoothing["psth R2"] > 0.9
    assert smoothing["vel R2"] > 0.8
    assert smoothing["co-bps"] > 0.65 * true["co-bps"]
    assert smoothing["few-shot, 20 trials"] < 0.6 * smoothing["co-bps"]
    for name in set(MODELS) - {"smoothing", "broken neuron"}:
        assert rows[name]["few-shot, 20 trials"] > 0.75 * rows[name]["co-bps"], name
        assert rows[name]["slope within neurons"] == pytest.approx(1, abs=0.03)
    assert smoothing["slope within neurons"] < 0.95
    assert smoothing["consistency"] < 0.6


def test_a_broken_neuron_is_named(evaluated: Dict[str, Evaluation], rows: Rows) -> None:
    group = next(iter(evaluated["broken neuron"].groups.values()))
    assert group.diagnostics is not None
    assert group.diagnostics.co_smoothing is not None
    neurons = group.diagnostics.co_smoothing.neurons
    below = np.flatnonzero(neurons.bits_per_spike < -2 * neurons.standard_error)
    assert below.tolist() == [BROKEN]
    # the scores could be those of a model that is a little worse everywhere
    assert rows["broken neuron"]["vel R2"] == pytest.approx(rows["true"]["vel R2"], abs=0.005)
    assert rows["broken neuron"]["co-bps"] == pytest.approx(rows["smoothing"]["co-bps"], abs=0.03)
    assert rows["broken neuron"]["consistency"] > 0.97
    for name in set(MODELS) - {"broken neuron"}:
        assert rows[name]["worst neuron"] > 0, name


def test_nothing_is_found_in_the_true_model(rows: Rows) -> None:
    true = rows["true"]
    assert true["slope within neurons"] == pytest.approx(1, abs=0.03)
    assert true["consistency"] > 0.97
    assert true["few-shot, 20 trials"] > 0.85 * true["co-bps"]
    assert true["share of its ceiling"] > 1.1


def test_the_table_of_the_docs_is_true(rows: Rows) -> None:
    text = (ROOT / "docs" / "diagnostics.md").read_text("utf-8")
    for name in next(iter(rows.values())):
        found = re.search(rf"^\| {re.escape(name)} \|(.*)\|$", text, re.MULTILINE)
        assert found, name
        told = [float(cell) for cell in found[1].split("|")]
        assert told == pytest.approx([rows[model][name] for model in MODELS], abs=0.006), name


def test_axes_are_those_of_vel_r2(five: Tuple[Files, Simulated], evaluated) -> None:
    group = next(iter(evaluated["invented dynamics"].groups.values()))
    decoding = group.diagnostics.decoding
    value = group.scores["vel R2"].value
    assert np.mean([one.r2 for one in decoding.axes]) == pytest.approx(value, abs=1e-9)
    files, simulated = five
    # a decoder of one's own: within conditions it explains as much
    with h5py.File(files.truth) as truth, h5py.File(files.submissions["invented dynamics"]) as sent:
        velocity = {one: truth[f"mc_maze/{one}_behavior"][()] for one in ("train", "eval")}
        rates = {
            one: np.concatenate(
                [sent[f"mc_maze/{one}_rates_{kind}"][()] for kind in ("heldin", "heldout")], axis=2
            ).astype(float)
            for one in ("train", "eval")
        }
    flat = rates["train"].reshape(-1, 42)
    design = np.c_[flat, np.ones(len(flat))]
    weights = np.linalg.lstsq(design, velocity["train"].reshape(-1, 2), rcond=None)[0]
    decoded = rates["eval"] @ weights[:-1] + weights[-1]
    residual, total = [], []
    for condition in range(8):
        trials = np.flatnonzero(simulated.condition("val") == condition)
        if len(trials) > 1:
            truth_, ours = velocity["eval"][trials], decoded[trials]
            truth_, ours = truth_ - truth_.mean(axis=0), ours - ours.mean(axis=0)
            residual.append(np.square(truth_ - ours).sum(axis=(0, 1)))
            total.append(np.square(truth_).sum(axis=(0, 1)))
    expected = 1 - np.sum(residual, axis=0) / np.sum(total, axis=0)
    assert [one.within_conditions for one in decoding.axes] == pytest.approx(expected, abs=0.02)
    left = [
        1 - np.sum(np.delete(residual, i, axis=0), axis=0) / np.sum(np.delete(total, i, axis=0), 0)
        for i in range(len(total))
    ]
    error = jackknife_error(np.array(left)[:, 0])
    assert decoding.axes[0].within_error == pytest.approx(error, rel=0.1)
    assert decoding.within_conditions == pytest.approx(expected.mean(), abs=0.02)


def newton(regressors: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The same penalized Poisson regression by Newton's method: intercept, then weights."""
    design = np.c_[np.ones(len(counts)), regressors]
    penalty = np.r_[0.0, np.full(regressors.shape[1], 1e-3)]
    weights = np.r_[np.log(counts.mean()), np.zeros(regressors.shape[1])]
    for _ in range(12):
        rates = np.exp(design @ weights)
        slope = design.T @ (counts - rates) / len(counts) - penalty * weights
        weights += np.linalg.solve(
            (design.T * rates) @ design / len(counts) + np.diag(penalty), slope
        )
    return weights


def simple_few_shot(simulated: Simulated, k: int) -> np.ndarray:
    """Few-shot co-bps of the true model, in a few lines."""
    heldin = {split: np.log(rates[..., :N_HELDIN]) for split, rates in simulated.rates.items()}
    spikes = {split: counts[..., N_HELDIN:] for split, counts in simulated.spikes.items()}
    every = sorted({int(t) for draws in draws_of(120).values() for d in draws for t in d})
    rows = heldin["train"][every].reshape(-1, N_HELDIN)
    _, sizes, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    share = np.cumsum(sizes**2) / (sizes**2).sum()
    kept = axes[: np.searchsorted(share, 0.99) + 1]
    scale = np.sqrt(len(rows)) / sizes[: len(kept)]
    scores = {split: (x - rows.mean(axis=0)) @ kept.T * scale for split, x in heldin.items()}
    bits = []
    for draw in draws_of(120)[k]:
        x = scores["train"][draw].reshape(-1, len(kept))
        y = spikes["train"][draw].reshape(len(x), -1)
        weights = np.array([newton(x, column) for column in y.T])
        rates = np.exp(scores["val"] @ weights[:, 1:].T + weights[:, 0])
        bits.append(bits_per_spike(rates, spikes["val"]))
    return np.array(bits)


def found_of(evaluation: object) -> GroupDiagnostics:
    return next(iter(evaluation.groups.values())).diagnostics  # type: ignore[attr-defined]


def test_few_shot_co_bps_is_that_of_a_few_lines(five, evaluated) -> None:
    found = found_of(evaluated["true"]).few_shot
    assert [one.n_trials for one in found.scores] == list(TRIALS)
    for one in found.scores:
        expected = simple_few_shot(five[1], one.n_trials)
        assert one.draws == pytest.approx(expected, abs=2e-4)
        assert one.score == pytest.approx(expected.mean(), abs=2e-4)
        assert one.spread == pytest.approx(expected.std(ddof=1), abs=2e-4)
    assert found.source == "held-in log rates"
    assert found.parameters["penalty"] == 1e-3


def test_more_trials_read_better_up_to_the_score(evaluated) -> None:
    for name, evaluation in evaluated.items():
        few, many = found_of(evaluation).few_shot.scores
        assert few.score < many.score, name
    true = next(iter(evaluated["true"].groups.values()))
    assert found_of(evaluated["true"]).few_shot.scores[1].score < true.scores["co-bps"].value
