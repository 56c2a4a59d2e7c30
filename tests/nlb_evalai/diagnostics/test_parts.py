"""Each diagnostic against a plain computation of what it says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Dict, List

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_script.arrays import EVAL, Axis
from evaluation_script.metrics import CoSmoothing, PsthMatch, bits_per_spike, eval_psth
from evaluation_script.metrics.jackknife import jackknife_error
from evaluation_script.submission.layout import Layout
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.diagnostics.base import Case, Inputs, NotHadError, Seen, plain
from nlb_evalai.diagnostics.calibration import CalibrationDiagnostic
from nlb_evalai.diagnostics.ceilings import (
    PSEUDO_TRIALS,
    CeilingsDiagnostic,
    spearman_brown,
)
from nlb_evalai.diagnostics.co_smoothing import CoSmoothingDiagnostic, CoSmoothingShares
from nlb_evalai.diagnostics.consistency import ConsistencyWatch
from nlb_evalai.sample.models import smoothing_matrix

MAZE = DEFAULT_SUITE.datasets[0]
RNG = np.random.default_rng(5)


def case(truth: Dict[str, Any], **more: Any) -> Case:
    layout = Layout(MAZE, 20, {Axis.HELDIN: 3}, MAZE.metrics)
    return Case("maze", layout, truth, {}, **more)


def simulated(n_trials: int = 12, n_bins: int = 30, n_neurons: int = 4) -> tuple[Any, Any]:
    """Rates and spikes of conditions of 1 to 5 trials; a trial is in none; some bins not scored."""
    rates = np.exp(RNG.normal(-1.5, 0.7, (n_trials, n_bins, n_neurons))).astype(np.float32)
    spikes = RNG.poisson(rates).astype(np.float32)
    spikes[2, :7] = np.nan
    return rates, spikes


CONDITIONS = [np.array([0, 3, 5]), np.array([1]), np.array([2, 4, 6, 7, 8]), np.array([9, 10])]


def shares_of(
    rates: np.ndarray, spikes: np.ndarray, block: int = 5
) -> tuple[CoSmoothingDiagnostic, CoSmoothingShares]:
    truth = {
        "eval_spikes_heldout": spikes,
        "eval_cond_idx": CONDITIONS,
        "eval_jitter": np.zeros(len(spikes), int),
    }
    diagnostic = CoSmoothingDiagnostic(case(truth))
    for start in range(0, len(rates), block):
        part = rates[start : start + block]
        diagnostic.update(EVAL, start, part[..., :0], part)
    return diagnostic, diagnostic.result(Seen({}, {}))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_the_shares_of_neurons_conditions_and_trials_add_up_to_co_bps(
    seed: int, silent: bool, zeros: bool
) -> None:
    rng = np.random.default_rng(seed)
    rates = np.exp(rng.normal(-1, 1, (12, 9, 3)))
    spikes = rng.poisson(rates).astype(np.float32)
    spikes[:, :2] = np.nan
    spikes[0, 5, 1], spikes[3, 4, 0] = 1, 2
    if silent:
        spikes[..., 2] = np.where(np.isnan(spikes[..., 2]), np.nan, 0)
    if zeros:
        rates[::2, 3] = 0
    _, shares = shares_of(rates, spikes)
    expected = bits_per_spike(rates, spikes)
    every = spikes.shape and np.nansum(spikes)
    assert shares.conditions is not None
    for one in (shares.neurons, shares.conditions, shares.trials):
        assert one.contribution.sum() == pytest.approx(expected, abs=1e-9)
        known = one.spikes > 0
        weighted = (one.spikes / every * one.bits_per_spike)[known].sum()
        assert weighted + one.contribution[~known].sum() == pytest.approx(expected, abs=1e-9)
    assert (2 in shares.silent_neurons) == (np.nansum(spikes[..., 2]) == 0)


def test_a_neurons_share_is_the_score_of_that_neuron_alone_with_its_error_bar() -> None:
    rates, spikes = simulated()
    _, shares = shares_of(rates, spikes)
    for neuron in range(4):
        alone = CoSmoothing({"eval_spikes_heldout": spikes[..., [neuron]]})
        alone.add(rates[..., [neuron]], spikes[..., [neuron]])
        assert shares.neurons.bits_per_spike[neuron] == pytest.approx(alone.compute(), abs=1e-9)
        assert shares.neurons.standard_error[neuron] == pytest.approx(alone.standard_error())


def test_a_conditions_share_is_over_the_mean_rates_of_all_trials() -> None:
    rates, spikes = simulated()
    _, shares = shares_of(rates, spikes)
    mean = np.nanmean(spikes, axis=(0, 1))
    assert shares.conditions is not None
    groups = [*CONDITIONS, np.array([11])]
    assert len(shares.conditions.spikes) == len(groups)
    for number, trials in enumerate(groups):

        def bits(chosen: np.ndarray) -> float:
            n, r = spikes[chosen], rates[chosen].astype(float)
            gain = np.nansum(n * np.log(r / mean) - np.where(np.isnan(n), np.nan, r - mean))
            return float(gain / np.nansum(n) / np.log(2))

        assert shares.conditions.bits_per_spike[number] == pytest.approx(bits(trials), abs=1e-6)
        error = shares.conditions.standard_error[number]
        if len(trials) == 1:
            assert np.isnan(error)
        else:
            left = np.array([bits(np.delete(trials, i)) for i in range(len(trials))])
            assert error == pytest.approx(jackknife_error(left), rel=1e-4)


def test_a_trials_error_bar_is_the_spread_of_poisson_spikes() -> None:
    rates = np.exp(RNG.normal(-1, 0.5, (1, 40, 5)))
    # the first trial's spikes are drawn again and again; the others fix the mean rates
    gains = []
    errors = []
    for _ in range(300):
        spikes = np.concatenate([RNG.poisson(rates), np.full((11, 40, 5), 0.4)]).astype(float)
        spikes[1:] = np.round(spikes[1:] * 1.3)
        spikes[1:, ::2] = 1
        every = np.concatenate([rates, np.ones((11, 40, 5)) * 0.4])
        _, shares = shares_of(every, spikes, block=12)
        gains.append(shares.trials.contribution[0] * shares.trials.spikes.sum())
        errors.append(shares.trials.standard_error[0] * shares.trials.spikes[0])
    assert np.mean(errors) == pytest.approx(np.std(gains), rel=0.15)


def ceilings_of(
    rates: np.ndarray, spikes: np.ndarray, jitter: np.ndarray, **more: Any
) -> tuple[Any, Dict[str, Any]]:
    n_all = rates.shape[2]
    psth = np.zeros((len(CONDITIONS), spikes.shape[1], n_all))
    shifted = np.array([np.roll(one, shift, axis=0) for one, shift in zip(rates, jitter)])
    for number, trials in enumerate(CONDITIONS):
        psth[number] = shifted[trials].mean(axis=0)
    psth[:, :4] = np.nan
    n_heldin = n_all - spikes.shape[2]
    truth = {
        "eval_spikes_heldout": spikes,
        "eval_cond_idx": CONDITIONS,
        "eval_jitter": jitter,
        "psth": psth,
    }
    found = case(truth, **more)
    shares, ceilings = CoSmoothingDiagnostic(found), CeilingsDiagnostic(found)
    metric = PsthMatch({key: truth[key] for key in ("psth", "eval_cond_idx", "eval_jitter")})
    shares.update(EVAL, 0, rates[..., :n_heldin], rates[..., n_heldin:])
    metric.update(EVAL, 0, rates[..., :n_heldin], rates[..., n_heldin:])
    seen = Seen({"psth R2": metric}, {"co_smoothing": shares})
    return ceilings.result(seen), truth


@pytest.mark.parametrize("jittered", [False, True])
def test_the_ceiling_of_co_bps_is_the_smoothed_psth_of_the_other_trials(jittered: bool) -> None:
    rates, spikes = simulated()
    jitter = RNG.integers(0, 4, len(spikes)) if jittered else np.zeros(len(spikes), int)
    for trial, shift in enumerate(jitter):
        spikes[trial, len(spikes[0]) - shift :] = np.nan  # as a jittered window's end
    found, _ = ceilings_of(rates, spikes, jitter)
    aligned = np.array([np.roll(one, shift, axis=0) for one, shift in zip(spikes, jitter)])
    sd_ms = MAZE.session.psth.kernel_sd_ms  # type: ignore[union-attr]
    kernel = smoothing_matrix(30, 20, sd_ms)
    mean = np.nanmean(spikes, axis=(0, 1))
    kept = [trials for trials in CONDITIONS if len(trials) > 1]
    best = -np.inf
    for strength in PSEUDO_TRIALS:
        gain, count = 0.0, 0.0
        for trials in kept:
            for trial in trials:
                others = aligned[[t for t in trials if t != trial]]
                scored = ~np.isnan(others[..., 0])
                summed = kernel @ np.nan_to_num(others).sum(axis=0) + strength * mean
                rate = summed / (kernel @ scored.sum(axis=0) + strength)[:, None]
                n = aligned[trial]
                gain += np.nansum(
                    np.where(np.isnan(n), np.nan, n * np.log(rate / mean) - rate + mean)
                )
                count += np.nansum(n)
        best = max(best, gain / count / np.log(2))
    assert found.co_bps.ceiling == pytest.approx(best, rel=1e-4)
    trials = np.concatenate(kept)
    assert found.co_bps.n_trials == len(trials)
    n, r = spikes[trials], rates[trials].astype(float)
    ours = np.nansum(np.where(np.isnan(n), np.nan, n * np.log(r / mean) - r + mean))
    assert found.co_bps.score == pytest.approx(ours / np.nansum(n) / np.log(2), rel=1e-4)
    if found.co_bps.ceiling > 0:
        assert found.co_bps.fraction == pytest.approx(found.co_bps.score / found.co_bps.ceiling)


def test_the_ceiling_of_psth_r2_is_what_noise_leaves_to_the_true_rates() -> None:
    """Over many sessions the true rates score what the ceiling says, by neuron and in all."""
    rng = np.random.default_rng(2)
    n_conditions, n_each, n_bins, n_neurons = 5, 8, 25, 6
    conditions = np.arange(n_conditions * n_each).reshape(n_conditions, n_each)
    kernel = smoothing_matrix(n_bins, 20, MAZE.session.psth.kernel_sd_ms)  # type: ignore[union-attr]
    ceilings, scores = [], []
    for _ in range(12):
        signal = kernel @ rng.normal(0, 1.5, (n_conditions, n_bins, n_neurons))
        rates = np.exp(signal - 1).repeat(n_each, axis=0)
        spikes = rng.poisson(rates).astype(np.float32)
        psth = np.array([(kernel @ spikes[trials]).mean(axis=0) for trials in conditions])
        smooth = kernel @ rates
        truth = {
            "eval_spikes_heldout": spikes,
            "eval_cond_idx": list(conditions),
            "eval_jitter": np.zeros(len(rates), int),
            "psth": psth,
        }
        found = case(truth)
        shares, ceiling = CoSmoothingDiagnostic(found), CeilingsDiagnostic(found)
        metric = PsthMatch({key: truth[key] for key in ("psth", "eval_cond_idx", "eval_jitter")})
        metric.update(EVAL, 0, smooth[..., :0], smooth)
        shares.update(EVAL, 0, smooth[..., :0], smooth)
        result = ceiling.result(Seen({"": metric}, {"co_smoothing": shares}))
        assert [one.neurons for one in result.psth] == ["held-out"]
        assert result.psth[0].score == pytest.approx(eval_psth(psth, smooth, list(conditions)))
        assert result.psth[0].lengthening == pytest.approx(2)
        ceilings.append(result.psth[0].ceiling)
        scores.append(result.psth[0].score)
    assert 0.5 < np.mean(scores) < 0.95
    assert np.mean(ceilings) == pytest.approx(np.mean(scores), abs=0.03)


def test_all_neurons_have_a_ceiling_where_the_inputs_hold_their_spikes() -> None:
    rates, spikes = simulated(n_neurons=6)
    heldin, heldout = spikes[..., :2], spikes[..., 2:]
    jitter = np.zeros(len(spikes), int)
    found, _ = ceilings_of(rates, heldout, jitter, inputs=Inputs(heldin))
    assert [one.neurons for one in found.psth] == ["held-out", "all"]
    assert len(found.psth[1].by_neuron) == 6
    assert found.psth[1].by_neuron[2:] == pytest.approx(found.psth[0].by_neuron)
    wrong, _ = ceilings_of(rates, heldout, jitter, inputs=Inputs(heldin[:, :, :1]))
    assert "shape (12, 30, 1), expected (12, 30, 2)" in wrong.left_out[0]
    without, _ = ceilings_of(rates, heldout, jitter)
    assert "--inputs" in without.left_out[0]


def test_spearman_brown_of_halves_and_of_many() -> None:
    correlation = np.array([0.0, 0.5, 0.9, -0.2])
    assert spearman_brown(correlation, 2) == pytest.approx([0, 2 / 3, 1.8 / 1.9, 0])
    # signal variance 1, noise 1 in a half: twice, ten times as many trials
    assert spearman_brown(np.array([0.5]), 20)[0] == pytest.approx(1 / (1 + 1 / 20))


@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (0.4, 0.55), (-0.3, 1.8)])
def test_calibration_finds_the_line_that_was_put_in(a: float, b: float) -> None:
    rng = np.random.default_rng(1)
    log_true = rng.normal(-2, 0.8, (20, 60, 5)) + np.linspace(-1, 1, 5)
    spikes = rng.poisson(np.exp(log_true)).astype(np.float32)
    spikes[4, :11] = np.nan
    given = ((log_true - a) / b).astype(np.float32)
    diagnostic = CalibrationDiagnostic(case({"eval_spikes_heldout": spikes}))
    for start in range(0, 20, 7):
        rates = np.exp(given[start : start + 7])
        diagnostic.update(EVAL, start, rates[..., :0], rates)
    found = diagnostic.result(Seen({}, {}))
    assert found.line.a is not None
    assert found.line.b == pytest.approx(b, abs=3 * found.line.b_error)
    assert found.within_neurons is not None
    assert found.within_neurons.b == pytest.approx(b, abs=3 * found.within_neurons.b_error)
    # an ordinary Newton search over every bin finds the same
    scored = ~np.isnan(spikes)
    x, n = given[scored].astype(float), spikes[scored].astype(float)
    line = np.array([0.0, 1.0])
    for _ in range(60):
        rate = np.exp(line[0] + line[1] * x)
        design = np.stack([np.ones_like(x), x])
        line += np.linalg.solve((design * rate) @ design.T, design @ (n - rate)) * 0.7
    assert [found.line.a, found.line.b] == pytest.approx(line, abs=2e-3)
    before = bits_per_spike(np.exp(given), spikes)
    after = bits_per_spike(np.exp(line[0] + line[1] * given), spikes)
    assert found.line.gain == pytest.approx(after - before, abs=1e-3)
    verdict = "neither too steep nor too flat" if b == 1 else f"{max(b, 1 / b):.1f}x too"
    assert verdict in found.line.verdict


def test_rates_that_do_not_vary_have_no_calibration() -> None:
    spikes = RNG.poisson(0.3, (6, 10, 2)).astype(np.float32)
    diagnostic = CalibrationDiagnostic(case({"eval_spikes_heldout": spikes}))
    diagnostic.update(EVAL, 0, np.empty((6, 10, 0)), np.full((6, 10, 2), 0.3))
    with pytest.raises(NotHadError, match="do not vary"):
        diagnostic.result(Seen({}, {}))


def watched(heldin: np.ndarray, heldout: np.ndarray, block: int) -> ConsistencyWatch:
    watch = ConsistencyWatch(20)
    for start in range(0, len(heldin), block):
        watch.update(start, heldin[start : start + block], heldout[start : start + block])
    return watch


def test_consistency_is_a_regression_on_the_other_half_of_the_trials() -> None:
    latents = RNG.standard_normal((21, 30, 4))
    heldout = latents @ RNG.standard_normal((4, 6)) * 0.3 - 2
    heldout = np.exp(heldout + RNG.normal(0, 0.2, heldout.shape))
    heldin = np.exp(
        latents @ RNG.standard_normal((4, 9)) * 0.3 - 2 + RNG.normal(0, 0.4, (21, 30, 9))
    )
    heldin[3, 5, 0] = np.nan
    heldout[7, 2, 3] = 0.0
    residual = total = 0.0
    log_in, log_out = (np.log(np.maximum(one, 1e-5)) for one in (heldin, heldout))
    log_out[3, 5], log_in[3, 5] = np.nan, np.nan
    for fit, test in (
        (slice(0, None, 2), slice(1, None, 2)),
        (slice(1, None, 2), slice(0, None, 2)),
    ):
        x, y = (one[fit].reshape(-1, one.shape[2]) for one in (log_out, log_in))
        u, v = (one[test].reshape(-1, one.shape[2]) for one in (log_out, log_in))
        x, y, u, v = (one[np.isfinite(one).all(axis=1)] for one in (x, y, u, v))
        weights = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)[0]
        residual += np.square(v - np.c_[u, np.ones(len(u))] @ weights).sum()
        total += np.square(v - v.mean(axis=0)).sum()
    for block in (21, 4, 5):
        found = watched(heldin, heldout, block).result()
        assert found.shared == pytest.approx(1 - residual / total, abs=1e-4)
        assert found.n_rows == 21 * 30 - 1


@pytest.mark.parametrize(
    ("heldin", "heldout", "why"),
    [
        (np.ones((4, 10, 3)), np.ones((4, 10, 0)), "no held-out rates"),
        (np.ones((4, 1, 3)), np.ones((4, 1, 2)), "2 bins in half of the trials"),
        (np.full((4, 10, 3), 0.25), RNG.random((4, 10, 2)), "do not vary"),
    ],
)
def test_consistency_says_why_there_is_none(
    heldin: np.ndarray, heldout: np.ndarray, why: str
) -> None:
    assert why in str(watched(heldin, heldout, 4).told())


def test_plain_values_are_json() -> None:
    found: List[Any] = plain([SimpleNamespace, np.array([1, np.inf]), (np.float32(0.5), None)])[1:]
    assert found == [[1.0, None], [0.5, None]]
