"""Match of trial-averaged rates to the peri-stimulus time histograms."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from ..arrays import EVAL, Axis, Kind, Part, TruthArray
from .base import Metric, Used
from .jackknife import r2_from_sums

PSTH = TruthArray("psth", ("conditions", Axis.BINS, Axis.NEURONS), Kind.NUMBERS)
CONDITIONS = TruthArray("eval_cond_idx", ("conditions",), Kind.TRIAL_LISTS)
#: bins by which a trial is shifted to the right
JITTER = TruthArray("eval_jitter", (Axis.EVAL_TRIALS,), Kind.INTEGERS, default=0)


class PsthMatch(Metric):
    """Gathers blocks of trials into :func:`eval_psth` and its standard error.

    Keeps the rates of all eval trials, with all the digits they came with: a trial's influence on
    its condition's mean can only be told once the mean is known.
    """

    key = "psth R2"
    title = "match to PSTH"
    unit = "R2"
    best = 1.0
    summary = "R2 of condition-averaged rates against the PSTHs"
    about = (
        "The rates of each condition's evaluation trials are averaged and compared with the "
        "peri-stimulus time histogram (PSTH) of the recorded spikes. The score is R2 over all "
        "conditions and bins, averaged over neurons."
    )
    truth = (PSTH, CONDITIONS, JITTER)
    parts = (EVAL,)

    def __init__(self, truth: Mapping[str, Any]) -> None:
        self._psth: np.ndarray = truth[PSTH.name]
        self._conditions: Sequence[np.ndarray] = truth[CONDITIONS.name]
        self._jitter: np.ndarray = truth[JITTER.name]
        self._rates: np.ndarray = np.empty((0, 0, 0))
        self._used = self._used_bins()

    @classmethod
    def unfit(cls, truth: Mapping[str, Any]) -> Optional[str]:
        psth, jitter = truth[PSTH.name], truth[JITTER.name]
        members = np.concatenate([np.empty(0, np.intp), *truth[CONDITIONS.name]])
        twice = np.flatnonzero(np.bincount(members) > 1)
        if twice.size:
            return f"trial {twice[0]} is in two conditions"
        rows = 0
        for condition, trials in enumerate(truth[CONDITIONS.name]):
            if trials.size == 0:
                continue
            valid = ~np.isnan(psth[condition, :, 0])
            if not np.isfinite(psth[condition][valid]).all():
                return "psth is NaN for some neurons of a bin only"
            source = np.flatnonzero(valid)[None, :] - jitter[trials, None]
            if source.size and not (source.min() >= 0 and source.max() < len(valid)):
                return f"jitter shifts bins of condition {condition} in from outside the trial"
            rows += int(valid.sum())
        return None if rows >= 2 else "no condition has both eval trials and a PSTH"

    def used(self, part: Part, start: int, stop: int) -> Optional[Used]:
        used = self._used[start:stop, :, None]
        return used, used

    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        if self._rates.size == 0:
            shape = (len(self._jitter), self._psth.shape[1], self._psth.shape[2])
            single = all(np.can_cast(array.dtype, np.float32) for array in (heldin, heldout))
            self._rates = np.full(shape, np.nan, np.float32 if single else float)
        stop, n_heldin = start + len(heldin), heldin.shape[2]
        self._rates[start:stop, :, :n_heldin] = heldin
        self._rates[start:stop, :, n_heldin:] = heldout

    def _trials(self, condition: int) -> Tuple[np.ndarray, np.ndarray]:
        """The true PSTH (rows, neurons) and the jittered trials (trials, rows, neurons)."""
        trials = self._conditions[condition]
        valid = ~np.isnan(self._psth[condition, :, 0])
        jitter = self._jitter[trials]
        if not jitter.any():
            rates = self._rates[trials][:, valid].astype(float)
        else:
            source = np.flatnonzero(valid)[None, :] - jitter[:, None]
            inside = (source >= 0) & (source < self._rates.shape[1])
            rates = self._rates[trials[:, None], np.where(inside, source, 0)].astype(float)
            rates[~inside] = np.nan
        return self._psth[condition][valid], rates

    def _scored(self) -> List[int]:
        return [i for i, trials in enumerate(self._conditions) if trials.size]

    def _used_bins(self) -> np.ndarray:
        """(trials, bins) bool, where a rate is used."""
        used = np.zeros((len(self._jitter), self._psth.shape[1]), bool)
        for condition in self._scored():
            valid = np.flatnonzero(~np.isnan(self._psth[condition, :, 0]))
            for trial in self._conditions[condition]:
                source = valid - self._jitter[trial]
                used[trial, source[(source >= 0) & (source < used.shape[1])]] = True
        return used

    def compute(self) -> float:
        """The score; NaN if a rate that is used is NaN or shifted in from outside."""
        residual = np.zeros(self._psth.shape[2])
        for condition in self._scored():
            truth, rates = self._trials(condition)
            residual += np.square(truth - rates.mean(axis=0)).sum(axis=0)
        return float(r2_from_sums(residual, _total([self._true(c) for c in self._scored()])).mean())

    def _true(self, condition: int) -> np.ndarray:
        return self._psth[condition][~np.isnan(self._psth[condition, :, 0])]

    def standard_error(self) -> Optional[float]:
        """Jackknife error over the trials of each condition, conditions fixed.

        The score falls by the squared distance of each condition's mean rates from its PSTH. One
        that n trials average varies by ``4 b'Cb / n + 2 tr(C^2) / n^2``, with the distance b of
        the model's mean and the covariance C of its trials. The delete-one-trial jackknife,
        ``(n - 1) / n`` times the sum of squares about the condition's own mean, counts the second
        term twice (a little more if n is small), which is what is taken off here; for normal trials
        the rest is unbiased. ``tr(C^2)`` takes four trials: conditions of fewer have the mean of
        the others, or 0 if there are none. A condition of one trial varies as the others would
        with one trial each. The variance is never less than half of the jackknife's.

        Returns
        -------
        float or None
            None where no condition has two trials.

        References
        ----------
        Efron & Stein 1981, Annals of Statistics 9(3), on the jackknife's excess; Chen, Zhang &
        Zhong 2010, JASA 105(490), on estimating ``tr(C^2)``.
        """
        scored = self._scored()
        total = _total([self._true(c) for c in scored])
        scale = np.divide(1.0, total * len(total), where=total > 0, out=np.zeros_like(total))
        sizes = np.array([len(self._conditions[c]) for c in scored], float)
        jackknife, square = np.full((2, len(scored)), np.nan)
        for index, condition in enumerate(scored):
            if sizes[index] > 1:
                truth, rates = self._trials(condition)
                jackknife[index], square[index] = _condition_spread(truth, rates, scale)
        several = sizes > 1
        if not several.any():
            return None
        known = ~np.isnan(square)
        square[~known] = square[known].mean() if known.any() else 0.0
        n, plain, square = sizes[several], jackknife[several], square[several]
        excess = 2 * square / n**2 * (1 + (n - 2) / (n - 1) ** 2)
        alone = n * (plain - excess) - 2 * square / n + 2 * square
        n_alone = np.count_nonzero(~several)
        variance = (plain - excess).sum() + n_alone * alone.mean()
        least = (plain.sum() + n_alone * (n * plain).mean()) / 2
        return float(np.sqrt(max(variance, least))) if np.isfinite(variance) else None


def _condition_spread(
    truth: np.ndarray, rates: np.ndarray, scale: np.ndarray
) -> Tuple[float, float]:
    """How far the trials of a condition, two or more, spread the score.

    Parameters
    ----------
    truth : ndarray (rows, neurons)
    rates : ndarray (trials, rows, neurons)
    scale : ndarray (neurons,)
        What a squared error costs.

    Returns
    -------
    float, float
        The delete-one-trial jackknife variance, and an unbiased estimate of the squared Frobenius
        norm of the trials' covariance (NaN for fewer than four trials).
    """
    n_trials = len(rates)
    root = np.sqrt(scale)
    mean = rates.mean(axis=0)
    deviations = ((rates - mean) * root).reshape(n_trials, -1)
    error = ((mean - truth) * root).reshape(-1)
    # The mean without trial i is mean - (rates_i - mean) / (n - 1).
    own = np.einsum("ij,ij->i", deviations, deviations)
    cost = own / (n_trials - 1) ** 2 - 2 * (deviations @ error) / (n_trials - 1)
    spread = cost - cost.mean()
    jackknife = (n_trials - 1) / n_trials * np.dot(spread, spread)
    if n_trials < 4:
        return float(jackknife), np.nan
    products = np.square(deviations @ deviations.T).sum()
    square = (n_trials - 1) * (n_trials - 2) * products + own.sum() ** 2
    square -= n_trials * (n_trials - 1) * np.square(own).sum()
    return float(jackknife), float(
        square / (n_trials * (n_trials - 1) * (n_trials - 2) * (n_trials - 3))
    )


def _total(truths: Sequence[np.ndarray]) -> np.ndarray:
    """Sum of squares of the stacked rows about their mean, per neuron."""
    stacked = np.concatenate(truths)
    return np.asarray(np.square(stacked - stacked.mean(axis=0)).sum(axis=0))


def eval_psth(
    psth: np.ndarray,
    eval_rates: np.ndarray,
    eval_cond_idx: Sequence[np.ndarray],
    jitter: Optional[np.ndarray] = None,
) -> float:
    """R2 of trial-averaged rates to the PSTHs, averaged over neurons.

    Parameters
    ----------
    psth : ndarray (conditions, bins, neurons)
        Spikes per bin; NaN in neuron 0 marks bins that are not scored.
    eval_rates : ndarray (trials, bins, neurons)
        Spikes per bin.
    eval_cond_idx : sequence of ndarray of int
        Trials of each condition; conditions without trials are skipped.
    jitter : ndarray of int (trials,), optional
        Bins by which each trial is shifted to the right before averaging.

    Returns
    -------
    float
        1 is best. A neuron whose PSTH is constant counts as 1 if matched exactly, else 0.

    Raises
    ------
    ValueError
        If shapes differ, no condition has trials, or a rate that is used is not finite.

    References
    ----------
    Pei, Ye et al. 2021, arXiv:2109.04463, section 3.

    Examples
    --------
    >>> psth = np.sin(np.arange(20.0)).reshape(2, 10, 1)  # 2 conditions, 10 bins, 1 neuron
    >>> eval_psth(psth, psth[[0, 1, 1]], [np.array([0]), np.array([1, 2])])
    1.0
    """
    if eval_rates.shape[1:] != psth.shape[1:] or len(psth) != len(eval_cond_idx):
        raise ValueError(
            f"rates have shape {eval_rates.shape}, psth {psth.shape}, "
            f"for {len(eval_cond_idx)} conditions"
        )
    conditions = [np.asarray(trials, np.intp) for trials in eval_cond_idx]
    if not any(trials.size for trials in conditions):
        raise ValueError("no condition has trials")
    shift = np.zeros(len(eval_rates), np.intp) if jitter is None else np.asarray(jitter)
    metric = PsthMatch({PSTH.name: psth, CONDITIONS.name: conditions, JITTER.name: shift})
    metric.update(EVAL, 0, eval_rates, eval_rates[..., :0])
    score = metric.compute()
    if not np.isfinite(score):
        raise ValueError("a rate that the PSTHs need is NaN or infinite")
    return score
