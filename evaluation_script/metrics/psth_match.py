"""Match of trial-averaged rates to the peri-stimulus time histograms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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
            self._rates = np.empty(shape, np.float32 if single else float)
        stop, n_heldin = start + len(heldin), heldin.shape[2]
        self._rates[start:stop, :, :n_heldin] = heldin
        self._rates[start:stop, :, n_heldin:] = heldout

    def _trials(self, condition: int) -> Tuple[np.ndarray, np.ndarray]:
        """The true PSTH (rows, neurons) and the jittered trials (trials, rows, neurons)."""
        trials = self._conditions[condition]
        valid = ~np.isnan(self._psth[condition, :, 0])
        jitter = self._jitter[trials]
        if not jitter.any():
            rates = self._rates[trials].astype(float)
            if not valid.all():
                rates = rates[:, valid]
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
        return float(self.by_neuron().mean())

    def by_neuron(self) -> np.ndarray:
        """R2 of each neuron (neurons,), of which the score is the mean."""
        residual = np.zeros(self._psth.shape[2])
        for condition in self._scored():
            truth, rates = self._trials(condition)
            residual += np.square(truth - rates.mean(axis=0)).sum(axis=0)
        return r2_from_sums(residual, self._total)

    @cached_property
    def _total(self) -> np.ndarray:
        """Sum of squares of all scored rows of the PSTHs about their mean, per neuron."""
        scored = self._psth[self._scored()]
        rows = scored[~np.isnan(scored[..., 0])]
        return np.asarray(np.square(rows - rows.mean(axis=0)).sum(axis=0))

    def spread(self) -> Optional[SpreadWithinConditions]:
        """How the score varies with the trials of each condition, conditions fixed.

        None where no condition has two trials.
        """
        scored = self._scored()
        total = self._total
        scale = np.divide(1.0, total * len(total), where=total > 0, out=np.zeros_like(total))
        several = [c for c in scored if len(self._conditions[c]) > 1]
        if not several:
            return None
        found = tuple(_spread_of(*self._trials(condition), scale) for condition in several)
        return SpreadWithinConditions(found, len(scored) - len(several))


@dataclass(frozen=True)
class _ConditionSpread:
    """How the n trials of a condition, two or more, move the summed squared error.

    ``cost`` (n,) is what is added without each of them. ``products`` (n, n) are those of the
    trials' deviations from their mean, scaled as errors are, and ``own`` (n,) their diagonal. All
    are subtracted where two models are compared.
    """

    cost: np.ndarray
    own: np.ndarray
    products: np.ndarray

    def __sub__(self, other: _ConditionSpread) -> _ConditionSpread:
        return _ConditionSpread(
            self.cost - other.cost, self.own - other.own, self.products - other.products
        )

    def jackknife(self) -> float:
        """The delete-one-trial jackknife variance."""
        n_trials = len(self.cost)
        spread = self.cost - self.cost.mean()
        return float((n_trials - 1) / n_trials * np.dot(spread, spread))

    def square(self) -> float:
        """An unbiased estimate of ``tr(C^2)`` (NaN for fewer than four trials)."""
        n_trials = len(self.own)
        if n_trials < 4:
            return np.nan
        products = np.square(self.products).sum()
        square = (n_trials - 1) * (n_trials - 2) * products + self.own.sum() ** 2
        square -= n_trials * (n_trials - 1) * np.square(self.own).sum()
        return float(square / (n_trials * (n_trials - 1) * (n_trials - 2) * (n_trials - 3)))


@dataclass(frozen=True)
class SpreadWithinConditions:
    """The spread of a score that falls by each condition's squared distance from its PSTH.

    A distance that n trials average varies by ``4 b'Cb / n + 2 tr(C^2) / n^2``, with the distance b
    of the model's mean and the covariance C of its trials. The delete-one-trial jackknife,
    ``(n - 1) / n`` times the sum of squares about the condition's own mean, counts the second
    term twice (a little more if n is small), which is what is taken off here; for normal trials
    the rest is unbiased. ``tr(C^2)`` takes four trials: conditions of fewer have the mean of the
    others, or 0 if there are none. A condition of one trial varies as the others would with one
    trial each. The variance is never less than half of the jackknife's.

    The difference of two models is such a quadratic form of their trials side by side, in which
    the products of one count negative: its spread is the difference of theirs, term by term.

    Parameters
    ----------
    conditions : tuple of _ConditionSpread
        Those of two trials or more, one at least.
    n_alone : int
        Conditions of one trial.

    References
    ----------
    Efron & Stein 1981, Annals of Statistics 9(3), on the jackknife's excess; Chen, Zhang &
    Zhong 2010, JASA 105(490), on estimating ``tr(C^2)``.
    """

    conditions: Tuple[_ConditionSpread, ...]
    n_alone: int

    @property
    def size(self) -> int:
        """Trials."""
        return self.n_alone + sum(len(one.cost) for one in self.conditions)

    def __sub__(self, other: SpreadWithinConditions) -> SpreadWithinConditions:
        pairs = zip(self.conditions, other.conditions)
        return SpreadWithinConditions(tuple(one - two for one, two in pairs), self.n_alone)

    def error(self) -> Optional[float]:
        """The standard error; None where it is not finite."""
        n = np.array([len(one.cost) for one in self.conditions], float)
        plain = np.array([one.jackknife() for one in self.conditions])
        square = np.array([one.square() for one in self.conditions])
        known = ~np.isnan(square)
        square[~known] = square[known].mean() if known.any() else 0.0
        excess = 2 * square / n**2 * (1 + (n - 2) / (n - 1) ** 2)
        alone = n * (plain - excess) - 2 * square / n + 2 * square
        variance = (plain - excess).sum() + self.n_alone * alone.mean()
        least = (plain.sum() + self.n_alone * (n * plain).mean()) / 2
        return float(np.sqrt(max(variance, least))) if np.isfinite(variance) else None


def _spread_of(truth: np.ndarray, rates: np.ndarray, scale: np.ndarray) -> _ConditionSpread:
    """How the trials of a condition, two or more, spread the score.

    Parameters
    ----------
    truth : ndarray (rows, neurons)
    rates : ndarray of float64 (trials, rows, neurons)
        Turned into deviations from their mean.
    scale : ndarray (neurons,)
        What a squared error costs.
    """
    n_trials = len(rates)
    root = np.sqrt(scale)
    mean = rates.mean(axis=0)
    rates -= mean
    rates *= root
    deviations = rates.reshape(n_trials, -1)
    error = ((mean - truth) * root).reshape(-1)
    products = deviations @ deviations.T
    own = np.diagonal(products)
    # The mean without trial i is mean - (rates_i - mean) / (n - 1).
    cost = own / (n_trials - 1) ** 2 - 2 * (deviations @ error) / (n_trials - 1)
    return _ConditionSpread(cost, own, products)


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
