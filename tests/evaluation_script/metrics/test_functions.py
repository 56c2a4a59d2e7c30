"""The plain functions: against the reference's, at their edges, and their errors."""

from __future__ import annotations

import nlb_tools.evaluation as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_script.metrics import (
    bits_per_spike,
    eval_psth,
    neg_log_likelihood,
    speed_tp_correlation,
)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.sampled_from([1e-9, 1e-3, 0.1, 10.0, 1e3]))
def test_likelihoods_equal_the_references(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 7, 3))
    spikes = rng.poisson(0.5, shape).astype(float)
    spikes[rng.random(shape) < 0.1] = np.nan
    spikes.flat[0] = 1.0
    rates = rng.gamma(1.0, scale, shape)
    rates[rng.random(shape) < 0.1] = 0.0
    for ours, theirs in (
        (bits_per_spike, reference.bits_per_spike),
        (neg_log_likelihood, reference.neg_log_likelihood),
    ):
        expected = theirs(rates.copy(), spikes.copy())
        assert ours(rates, spikes) == pytest.approx(expected, rel=1e-11, abs=1e-11)


def test_mean_rate_scores_zero_and_truth_beats_it() -> None:
    rng = np.random.default_rng(1)
    rates = rng.gamma(1.0, 0.5, (50, 20, 4))
    spikes = rng.poisson(rates).astype(float)
    mean = np.broadcast_to(spikes.mean(axis=(0, 1)), spikes.shape)
    assert bits_per_spike(mean, spikes) == pytest.approx(0.0, abs=1e-12)
    assert bits_per_spike(rates, spikes) > 0.1


@pytest.mark.parametrize("count", [0.0, np.nan])
def test_without_any_spike_there_are_no_bits_per_spike(count: float) -> None:
    with pytest.raises(ValueError, match="there is no spike to predict"):
        bits_per_spike(np.full((2, 3, 1), 0.1), np.full((2, 3, 1), count))


@pytest.mark.parametrize("function", [bits_per_spike, neg_log_likelihood])
@pytest.mark.parametrize(
    ("rate", "message"), [(np.nan, "NaN"), (np.inf, "infinite"), (-0.1, "negative")]
)
def test_bad_rates_are_errors_where_scored_only(function, rate: float, message: str) -> None:
    rates, spikes = np.full((2, 3, 1), 0.5), np.ones((2, 3, 1))
    rates[1, 1, 0] = rate
    with pytest.raises(ValueError, match=message):
        function(rates, spikes)
    spikes[1, 1, 0] = np.nan
    assert np.isfinite(function(rates, spikes))


def test_different_shapes_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3, 1\), spikes \(2, 3, 2\)"):
        bits_per_spike(np.ones((2, 3, 1)), np.ones((2, 3, 2)))


def test_psth_in_integers_and_negative_jitter_equal_the_references() -> None:
    rng = np.random.default_rng(3)
    psth = rng.gamma(1.0, 0.2, (3, 12, 4))
    psth[:, :3] = np.nan
    psth[:, 9:] = np.nan
    rates = rng.gamma(1.0, 0.2, (9, 12, 4))
    members = [np.array([0, 1, 2]), np.array([3, 4]), np.array([], int)]
    jitter = np.array([-3, 2, 0, 3, -1, 0, 0, 0, 0])
    expected = reference.eval_psth(psth, rates, members, jitter)
    assert eval_psth(psth, rates, members, jitter) == pytest.approx(expected, abs=1e-12)


def test_psth_of_a_rate_shifted_in_from_outside_is_an_error() -> None:
    psth, rates = np.random.default_rng(0).random((1, 5, 2)), np.ones((2, 5, 2))
    with pytest.raises(ValueError, match="NaN or infinite"):
        eval_psth(psth, rates, [np.array([0, 1])], np.array([0, 2]))


def test_tp_correlation_equals_the_references() -> None:
    rng = np.random.default_rng(5)
    n = 20
    behavior = np.column_stack(
        [rng.integers(0, 2, n), np.zeros(n), np.arange(n) // 10, np.ones(n), rng.normal(size=n)]
    ).astype(float)
    behavior[:4, 0] = behavior[10:14, 0] = [0, 0, 1, 1]
    behavior[-1] = np.nan
    spikes, rates = rng.poisson(1.0, (n, 9, 2)).astype(float), rng.random((n, 9, 5))
    spikes[3, :4] = np.nan
    expected = reference.speed_tp_correlation(spikes, rates, behavior)
    assert speed_tp_correlation(spikes, rates, behavior) == pytest.approx(expected, abs=1e-12)


def test_tp_correlation_of_constant_rates_is_nan_and_a_lone_trial_an_error() -> None:
    behavior = np.array([[0.0, 0, 0, 1, 5], [0, 0, 0, 1, 6], [0, 0, 0, 1, 7]])
    spikes = np.ones((3, 4, 1))
    assert np.isnan(speed_tp_correlation(spikes, np.ones((3, 4, 2)), behavior))
    behavior[0, 0] = 1
    with pytest.raises(ValueError, match="fewer than two"):
        speed_tp_correlation(spikes, np.ones((3, 4, 2)), behavior)
