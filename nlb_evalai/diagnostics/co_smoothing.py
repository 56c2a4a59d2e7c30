"""co-bps taken apart: which neurons, conditions and trials the bits come from."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, List, Optional

import numpy as np

from evaluation_script.arrays import Part
from evaluation_script.metrics.jackknife import by_block, jackknife_error
from evaluation_script.metrics.likelihood import ZERO_RATE
from nlb_evalai.diagnostics.base import Case, Diagnostic, NotHadError, Plain, Seen, heldout_spikes
from nlb_evalai.diagnostics.repeats import Repeats


@dataclass(frozen=True)
class Shares(Plain):
    """co-bps by neuron, condition or trial; arrays have one entry for each.

    Attributes
    ----------
    spikes : ndarray
        Scored held-out spikes.
    bits_per_spike : ndarray
        Bits per spike over the mean rates, b; NaN where there is no spike.
    standard_error : ndarray
        Of ``bits_per_spike``; NaN where it has none.
    contribution : ndarray
        What it adds to co-bps, in bits per spike of all spikes: ``spikes / all spikes * b`` where
        there are spikes. The contributions sum up to co-bps.
    """

    spikes: np.ndarray
    bits_per_spike: np.ndarray
    standard_error: np.ndarray
    contribution: np.ndarray


@dataclass(frozen=True)
class CoSmoothingShares(Plain):
    """co-bps taken apart.

    Attributes
    ----------
    neurons, trials : Shares
    conditions : Shares or None
        Of trials that belong to none, there is a last entry more, if there are any. None where the
        truth knows no conditions.
    silent_neurons : list of int
        Held-out neurons without a scored spike: what is predicted of them only costs.
    """

    neurons: Shares
    conditions: Optional[Shares]
    trials: Shares
    silent_neurons: List[int]


class Likelihoods:
    """Log-likelihoods of every eval trial and held-out neuron, beside those of the mean rates.

    Attributes
    ----------
    model : ndarray (trials, neurons)
        ``sum(n log r - r)`` of a submission, in nats.
    spikes, bins : ndarray (trials, neurons)
        Scored spikes and bins.
    block_starts : ndarray of int, optional
        The first trial of each block that error bars leave out as one (see ``Metric``).
    """

    def __init__(
        self,
        model: np.ndarray,
        spikes: np.ndarray,
        bins: np.ndarray,
        block_starts: Optional[np.ndarray] = None,
    ) -> None:
        self.model = model
        self.spikes = spikes
        self.bins = bins
        self.block_starts = block_starts
        self.n_spikes = float(spikes.sum())

    def mean_rates(self) -> np.ndarray:
        """The mean-rate model: spikes per bin (neurons,), where 0 counts as the scorer's 1e-9."""
        mean = self.spikes.sum(axis=0) / np.maximum(self.bins.sum(axis=0), 1)
        return np.asarray(np.where(mean > 0, mean, ZERO_RATE))

    def gains(self) -> np.ndarray:
        """Log-likelihood over that of the mean rates, in nats (trials, neurons).

        The sum over all, divided by all spikes and ln 2, is co-bps.
        """
        mean = self.mean_rates()
        return np.asarray(self.model - (self.spikes * np.log(mean) - self.bins * mean))

    def by_neuron(self) -> Shares:
        """Neurons; the error bar deletes a trial or block, with the mean rates of the rest."""
        model, by_trial, by_bins = (
            by_block(one, self.block_starts) for one in (self.model, self.spikes, self.bins)
        )
        spikes, bins = by_trial.sum(axis=0), by_bins.sum(axis=0)
        left, left_bins = spikes - by_trial, bins - by_bins
        with np.errstate(divide="ignore", invalid="ignore"):
            baseline = left * np.log(left / left_bins) - left
            left_out = (model.sum(axis=0) - model - baseline) / left / np.log(2)
        errors = [jackknife_error(column) for column in left_out.T]
        return self._shares(self.gains().sum(axis=0), spikes, errors)

    def by_group(self, groups: List[np.ndarray]) -> Shares:
        """Groups of trials; the error bar deletes a trial of the group, mean rates fixed."""
        gains, spikes = self.gains().sum(axis=1), self.spikes.sum(axis=1)
        errors = []
        for trials in groups:
            gain, count = gains[trials], spikes[trials]
            with np.errstate(divide="ignore", invalid="ignore"):
                left_out = (gain.sum() - gain) / (count.sum() - count) / np.log(2)
            errors.append(jackknife_error(left_out))
        return self._shares(
            np.array([gains[trials].sum() for trials in groups]),
            np.array([spikes[trials].sum() for trials in groups]),
            errors,
        )

    def by_trial(self, squares: np.ndarray) -> Shares:
        """Trials; the error bar is that of Poisson spikes.

        Parameters
        ----------
        squares : ndarray (trials,)
            ``sum(n log(r / mean)**2)``, which estimates the variance of a trial's gain.
        """
        spikes = self.spikes.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.sqrt(squares) / spikes / np.log(2)
        return self._shares(self.gains().sum(axis=1), spikes, errors)

    def _shares(self, gains: np.ndarray, spikes: np.ndarray, errors: Any) -> Shares:
        with np.errstate(divide="ignore", invalid="ignore"):
            bits = np.where(spikes > 0, gains / spikes / np.log(2), np.nan)
        errors = np.where(np.isfinite(bits), np.array(errors, float), np.nan)
        return Shares(spikes, bits, errors, gains / self.n_spikes / np.log(2))


class CoSmoothingDiagnostic(Diagnostic):
    """Gathers the log-likelihood of every trial and neuron."""

    def __init__(self, case: Case) -> None:
        self._truth = heldout_spikes(case.truth)
        self._scored = ~np.isnan(self._truth)
        self._all_scored = bool(self._scored.all())
        shape = (self._truth.shape[0], self._truth.shape[2])
        spikes = np.nansum(self._truth, axis=1, dtype=float)
        self.likelihoods = Likelihoods(
            np.zeros(shape),
            spikes,
            self._scored.sum(axis=1, dtype=float),
            case.layout.dataset.block_starts(shape[0]),
        )
        self._log_mean = np.log(self.likelihoods.mean_rates())
        self._squares = np.zeros(shape[0])
        self._conditions: List[np.ndarray] = []
        with suppress(NotHadError):
            self._conditions = Repeats(case.truth).conditions

    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        n_trials, n_bins, n_neurons = heldout.shape
        stop = start + n_trials
        spikes = self._truth[start:stop]
        if not self._all_scored:
            scored = self._scored[start:stop]
            heldout, spikes = np.where(scored, heldout, 0.0), np.where(scored, spikes, 0.0)
        where = np.flatnonzero(spikes)
        trial, neuron = where // (n_bins * n_neurons), where % n_neurons
        counts = spikes.reshape(-1)[where].astype(float)
        rates = heldout.reshape(-1)[where].astype(float)
        log_rates = np.log(np.where(rates == 0, ZERO_RATE, rates))
        size = n_trials * n_neurons
        gained = np.bincount(trial * n_neurons + neuron, counts * log_rates, size)
        predicted = heldout.sum(axis=1, dtype=float)
        if not heldout.min(initial=1.0) > 0:
            zeros = (heldout == 0) & self._scored[start:stop]
            predicted += ZERO_RATE * zeros.sum(axis=1)
        self.likelihoods.model[start:stop] = gained.reshape(n_trials, n_neurons) - predicted
        self._squares[start:stop] = np.bincount(
            trial, counts * np.square(log_rates - self._log_mean[neuron]), n_trials
        )

    def result(self, seen: Seen) -> CoSmoothingShares:
        neurons = self.likelihoods.by_neuron()
        groups = self.groups()
        return CoSmoothingShares(
            neurons,
            self.likelihoods.by_group(groups) if groups else None,
            self.likelihoods.by_trial(self._squares),
            np.flatnonzero(neurons.spikes == 0).tolist(),
        )

    def groups(self) -> List[np.ndarray]:
        """Trials by condition, and behind them those that belong to none; empty if all do."""
        rest = self._outside()
        return [*self._conditions, *([rest] if self._conditions and rest.size else [])]

    @property
    def has_outsiders(self) -> bool:
        """Whether the last of ``groups`` are the trials that belong to no condition."""
        return bool(self._conditions) and bool(self._outside().size)

    def _outside(self) -> np.ndarray:
        outside = np.ones(len(self._truth), bool)
        for trials in self._conditions:
            outside[trials] = False
        return np.flatnonzero(outside)
