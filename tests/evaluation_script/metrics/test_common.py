"""What holds for every metric: blocks do not matter, and error bars are the jackknife's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_script.metrics.jackknife import jackknife_error, r2_from_sums
from tests.evaluation_script.metrics.cases import CASES, Case

every_metric = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every_metric
@settings(max_examples=20, deadline=None)
@given(edges=st.lists(st.integers(1, 20), max_size=4))
def test_score_does_not_depend_on_how_trials_are_cut_into_blocks(case: Case, edges: list) -> None:
    trials = np.arange(case.n_trials)
    metric = case.make(trials)
    case.feed(metric, trials, edges)
    assert metric.compute() == pytest.approx(case.whole(trials), abs=1e-12, rel=0)


@every_metric
def test_standard_error_equals_the_brute_force_jackknife(case: Case) -> None:
    trials = np.arange(case.n_trials)
    metric = case.make(trials)
    case.feed(metric, trials, [5])
    left_out = np.array([case.whole(np.delete(trials, i)) for i in trials])
    n = len(trials)
    brute = np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2))
    assert brute > 0
    assert metric.standard_error() == pytest.approx(brute, abs=1e-9, rel=0)


def test_no_error_bar_where_a_score_is_undefined_without_some_trial() -> None:
    assert jackknife_error(np.array([0.1, np.nan, 0.2])) is None
    assert jackknife_error(np.array([0.1])) is None


def test_r2_of_a_constant_truth_is_one_if_matched_and_zero_if_not() -> None:
    found = r2_from_sums(np.array([0.0, 2.0, 1.0]), np.array([0.0, 0.0, 4.0]))
    assert found.tolist() == [1.0, 0.0, 0.75]
