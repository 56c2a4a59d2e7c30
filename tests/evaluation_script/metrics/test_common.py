"""What holds for every metric: blocks do not matter, and error bars are the jackknife's.

The error bar of psth R2 is more than a jackknife: see ``test_error_bars.py``.
"""

from __future__ import annotations

from typing import List, Optional

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_script.metrics import PsthMatch
from evaluation_script.metrics.jackknife import jackknife_error, r2_from_sums
from tests.evaluation_script.metrics.cases import CASES, Case

every_metric = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every_metric
@settings(max_examples=20, deadline=None)
@given(edges=st.lists(st.integers(1, 20), max_size=4))
def test_score_does_not_depend_on_how_trials_are_cut_into_blocks(case: Case, edges: list) -> None:
    trials = np.arange(case.n_trials)
    metric = case.fed(trials, edges)
    assert metric.compute() == pytest.approx(case.whole(trials), abs=1e-12, rel=0)


@pytest.mark.parametrize(
    ("case", "starts"),
    [(case, None) for case in CASES if case.metric is not PsthMatch]
    + [(case, [0, 3, 4, 9]) for case in CASES if case.metric.takes_blocks],
    ids=lambda one: getattr(one, "name", "blocks" if one else "trials"),
)
def test_standard_error_equals_the_brute_force_jackknife(
    case: Case, starts: Optional[List[int]]
) -> None:
    trials = np.arange(case.n_trials)
    metric = case.fed(trials, [5])
    metric.block_starts = None if starts is None else np.array(starts)
    left = np.split(trials, starts[1:] if starts else trials[1:])
    left_out = np.array([case.whole(np.delete(trials, those)) for those in left])
    n = len(left)
    brute = np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2))
    assert brute > 0
    assert metric.standard_error() == pytest.approx(brute, abs=1e-9, rel=0)


@every_metric
def test_only_rates_that_are_used_matter(case: Case) -> None:
    trials = np.arange(case.n_trials)
    metric, spoiled = case.fed(trials, []), case.metric(case.truth(trials))
    for part, sides in case.rates(trials).items():
        used = metric.used(part, 0, len(sides[0]))
        assert used is not None
        assert any(where.any() for where in used)
        heldin, heldout = (np.where(where, rates, -7e5) for where, rates in zip(used, sides))
        if part.heldout in case.metric.not_negative:
            heldin, heldout = np.abs(heldin), np.abs(heldout)
        spoiled.update(part, 0, heldin, heldout)
    assert spoiled.compute() == metric.compute()


@every_metric
def test_a_metric_says_what_it_needs(case: Case) -> None:
    metric, trials = case.metric, np.arange(case.n_trials)
    assert set(case.truth(trials)) == {array.name for array in metric.truth}
    assert tuple(case.rates(trials)) == metric.parts
    assert metric.unfit(case.truth(trials)) is None
    for name in ("key", "title", "unit"):
        assert getattr(metric, name)
    assert set(metric.not_negative) <= {a for p in metric.parts for a in p.arrays}


def test_no_error_bar_where_a_score_is_undefined_without_some_trial() -> None:
    assert jackknife_error(np.array([0.1, np.nan, 0.2])) is None
    assert jackknife_error(np.array([0.1])) is None


def test_r2_of_a_constant_truth_is_one_if_matched_and_zero_if_not() -> None:
    found = r2_from_sums(np.array([0.0, 2.0, 1.0]), np.array([0.0, 0.0, 4.0]))
    assert found.tolist() == [1.0, 0.0, 0.75]
