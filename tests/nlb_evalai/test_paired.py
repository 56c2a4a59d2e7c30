"""Paired differences and corrected p-values against the shortest code that could be right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nlb_evalai.paired import (
    Difference,
    holm,
    lead_p_value,
    of_left_out,
    paired_difference,
    paired_likelihoods,
)

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 40), SEEDS)
def test_paired_errors_of_likelihoods_equal_brute_force(n_trials: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(-300, 30, (2, n_trials))
    spikes = rng.integers(1, 90, n_trials).astype(float)
    found = paired_likelihoods(first, second, spikes)

    def bits(nats: np.ndarray, trials: np.ndarray) -> float:
        return float(nats[trials].sum() / spikes[trials].sum() / np.log(2))

    trials = np.arange(n_trials)
    left_out = [[bits(one, trials[trials != i]) for i in trials] for one in (first, second)]
    both = [bits(one, trials) for one in (first, second)]
    differences = np.subtract(*left_out)
    spread = ((differences - differences.mean()) ** 2).sum()
    expected = np.sqrt((n_trials - 1) / n_trials * spread)
    general = paired_difference(*both, *np.array(left_out))
    for one in (found, general):
        assert one.difference == pytest.approx(both[0] - both[1], rel=1e-9, abs=1e-9)
        assert one.standard_error == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_blocks_of_trials_are_left_out_as_one() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.normal(-300, 30, (2, 12))
    spikes = rng.integers(1, 90, 12).astype(float)
    found = paired_likelihoods(first, second, spikes, np.array([0, 3, 7]))
    sums = [[one[:3].sum(), one[3:7].sum(), one[7:].sum()] for one in (first, second, spikes)]
    expected = paired_likelihoods(*np.array(sums))
    assert found.n_trials == expected.n_trials == 3
    assert found.standard_error == pytest.approx(expected.standard_error, rel=1e-9)
    assert found.difference == pytest.approx(expected.difference, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 60), SEEDS)
def test_of_means_the_difference_is_the_paired_t_test(n_trials: int, seed: int) -> None:
    first, second = np.random.default_rng(seed).normal(0, 1, (2, n_trials))
    left_out = [(one.sum() - one) / (n_trials - 1) for one in (first, second)]
    found = paired_difference(first.mean(), second.mean(), *left_out)
    t, p = stats.ttest_rel(first, second)
    assert found.z == pytest.approx(t, rel=1e-6)
    assert found.p_value == pytest.approx(p, rel=1e-6)


def test_what_has_no_error_or_no_spread_is_said() -> None:
    assert of_left_out(0.1, np.array([0.1])).p_value is None
    assert of_left_out(0.1, np.array([0.1, np.nan, 0.1])).z is None
    assert of_left_out(0.0, np.zeros(5)).p_value == 1
    certain = of_left_out(-0.5, np.full(5, -0.5))
    assert (certain.z, certain.p_value) == (-np.inf, 0)


def test_differences_of_other_trials_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shapes differ: \(3,\), \(4,\), \(3,\)"):
        paired_likelihoods(np.zeros(3), np.zeros(4), np.ones(3))
    with pytest.raises(ValueError, match="shapes differ"):
        paired_difference(0.0, 0.0, np.zeros(3), np.zeros(4))


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(1e-6, 0.5))
def test_holm_rejects_what_its_steps_reject(p_values, level) -> None:
    rejected = set()
    for step, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[i] * (len(p_values) - step) > level:
            break
        rejected.add(i)
    assert {i for i, p in enumerate(holm(p_values)) if p <= level} == rejected


def test_holm_refuses_what_is_no_probability() -> None:
    for p_values in ([0.1, np.nan], [1.5], [-0.1]):
        with pytest.raises(ValueError, match="probabilities"):
            holm(p_values)


def test_a_lead_is_corrected_for_its_own_entries_and_holds_over_all_of_the_others() -> None:
    ahead, barely = Difference(0.3, 0.1, 100), Difference(0.1, 0.1, 100)
    behind, unknown = Difference(-0.3, 0.1, 100), Difference(0.3, None, 1)
    assert ahead.p_value == pytest.approx(2 * stats.t.sf(3, 99))
    assert lead_p_value([ahead], 1) == ahead.p_value
    assert lead_p_value([ahead], 5) == pytest.approx(5 * ahead.p_value)
    assert lead_p_value([ahead, barely], 1) == barely.p_value
    assert lead_p_value([ahead, behind], 1) == 1
    assert lead_p_value([barely], 20) == 1
    assert lead_p_value([ahead, unknown], 1) is None
    assert lead_p_value([], 1) is None
