"""Each of five models is recognized by a diagnostic where the three scores do not say so."""

from __future__ import annotations

import re
from typing import Dict

import numpy as np
import pytest

from nlb_evalai.diagnostics.evaluation import Evaluation
from tests.nlb_evalai.diagnostics.five_models import BROKEN, MODELS, row
from tests.paths import ROOT

Rows = Dict[str, Dict[str, float]]


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
