"""Error bars are as wide as scores spread, and those of psth R2 are what their formula says."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, Dict, List

import numpy as np
import pytest

from benchmarks import calibration
from evaluation_script.annotation import Annotation
from evaluation_script.arrays import EVAL
from evaluation_script.metrics import PsthMatch
from evaluation_script.metrics.jackknife import block_starts
from evaluation_script.suites import DEFAULT_SUITE, SuiteError
from tests.evaluation_script.metrics.cases import Case, psth
from tests.snapshot.entry import GOLDEN


def test_bars_are_as_wide_as_scores_spread_where_trials_are_independent() -> None:
    drawn = calibration.repeated(60, 10, smoothing=False, sessions=2, draws=70, seed=1)
    found = {key: ratio.mean() for key, ratio in calibration.ratios(drawn)}
    assert set(found) == {"co-bps", "fp-bps", "vel R2", "psth R2"}
    assert all(0.85 <= ratio <= 1.2 for ratio in found.values()), found
    (timed,) = calibration.ratios(calibration.timed(240, sessions=2, draws=60, seed=0))
    assert 0.85 <= timed[1].mean() <= 1.2, timed


def test_blocks_mend_bars_that_are_too_narrow_under_drift() -> None:
    drawn = calibration.continuous(200, 8.0, sessions=2, draws=35, seed=1)
    found = {key: ratio.mean() for key, ratio in calibration.ratios(drawn)}
    assert found["vel R2"] < 0.75
    for key in ("co-bps", "fp-bps", "vel R2"):
        assert found[key] < found[f"{key}, blocks"]
        assert 0.75 <= found[f"{key}, blocks"] <= 1.35, found


def _variance(psths: List[np.ndarray], trials: List[np.ndarray]) -> float:
    """Of psth R2, by explicit covariances and all quadruples of trials: what the class computes."""
    stacked = np.concatenate(psths)
    total = np.square(stacked - stacked.mean(axis=0)).sum(axis=0)
    weight = np.array([0.0 if t == 0 else 1 / t / len(total) for t in total])
    plain, square = [], []
    for truth, rates in zip(psths, trials):
        n = len(rates)
        if n == 1:
            continue
        without = [np.delete(rates, i, axis=0).mean(axis=0) for i in range(n)]
        cost = np.array([(np.square(truth - mean) * weight).sum() for mean in without])
        plain.append((n - 1) / n * np.square(cost - cost.mean()).sum())
        flat = (rates * np.sqrt(weight)).reshape(n, -1)
        products = [
            ((flat[a] - flat[b]) @ (flat[c] - flat[d])) ** 2 / 4
            for a, b, c, d in itertools.permutations(range(n), 4)
        ]
        square.append(np.mean(products) if products else np.nan)
    usual = 0.0 if np.isnan(square).all() else np.nanmean(square)
    alone, variance, least = [], 0.0, 0.0
    for n, one, s in zip([len(t) for t in trials if len(t) > 1], plain, square):
        s = usual if np.isnan(s) else s
        # of normal trials the jackknife expects 4 b'Cb / n and this much of tr(C^2)
        expects = 4 / n**2 + 2 * (n - 2) / n**2 / (n - 1) ** 2
        linear = one - expects * s
        variance += linear + 2 * s / n**2
        alone.append(n * linear + 2 * s)
        least += one / 2
    n_alone = sum(len(t) == 1 for t in trials)
    several = [len(t) for t in trials if len(t) > 1]
    least += n_alone * np.mean([n * one for n, one in zip(several, plain)]) / 2
    return max(variance + n_alone * np.mean(alone), least)


@pytest.mark.parametrize(
    "case", [psth(), psth(jitter=True), psth(single=True)], ids=lambda c: c.name
)
def test_psth_bar_is_the_jackknife_within_conditions_less_its_excess(case: Case) -> None:
    trials = np.arange(case.n_trials)
    truth, rates = case.truth(trials), np.concatenate(case.rates(trials)[EVAL], axis=2)
    psths, members = [], []
    for condition, those in zip(truth["psth"], truth["eval_cond_idx"]):
        bins = np.flatnonzero(~np.isnan(condition[:, 0]))
        if len(those):
            psths.append(condition[bins])
            members.append(np.array([rates[i, bins - truth["eval_jitter"][i]] for i in those]))
    expected = np.sqrt(_variance(psths, members))
    assert case.fed(trials, [4]).standard_error() == pytest.approx(expected, rel=1e-9)


def _psth_bar(sizes: List[int]) -> Any:
    rng = np.random.default_rng(0)
    ends = np.cumsum(sizes)
    truth: Dict[str, Any] = {
        "psth": rng.normal(size=(len(sizes), 6, 3)),
        "eval_cond_idx": [np.arange(end - size, end) for end, size in zip(ends, sizes)],
        "eval_jitter": np.zeros(ends[-1], int),
    }
    metric = PsthMatch(truth)
    rates = rng.normal(size=(ends[-1], 6, 3))
    metric.update(EVAL, 0, rates, rates[..., :0])
    return metric.standard_error()


def test_psth_has_no_bar_where_no_condition_repeats() -> None:
    assert _psth_bar([1, 1, 1]) is None
    assert _psth_bar([1, 2, 1]) > 0


@pytest.mark.parametrize("n_trials", [1, 2, 3, 17, 100, 272, 1000])
def test_blocks_are_about_as_many_as_their_trials(n_trials: int) -> None:
    lengths = np.diff([*block_starts(n_trials), n_trials])
    assert lengths.sum() == n_trials
    assert lengths.max() - lengths.min() <= 1
    assert len(lengths) >= min(2, n_trials)
    if n_trials > 3:
        assert abs(len(lengths) - n_trials**0.5) <= 2


def test_continuous_datasets_leave_out_blocks_and_others_single_trials() -> None:
    assert [d.name for d in DEFAULT_SUITE.datasets if d.continuous] == ["mc_rtt"]
    with Annotation(GOLDEN / "target_val.h5", "val") as annotation:
        for group in annotation.layouts:
            for metric in annotation.metrics(group)[0].values():
                assert (metric.block_starts is not None) == group.startswith("mc_rtt")


def test_a_metric_that_takes_no_blocks_fits_no_continuous_dataset() -> None:
    maze = replace(DEFAULT_SUITE.dataset("mc_maze"), continuous=True)
    with pytest.raises(SuiteError, match="mc_maze: psth R2 has no error bar for continuous trials"):
        replace(DEFAULT_SUITE, datasets=(maze,))
