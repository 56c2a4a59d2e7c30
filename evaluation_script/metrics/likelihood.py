"""Poisson likelihoods in bits per spike: what co-smoothing and forward prediction share."""

from __future__ import annotations

from typing import Dict, List

import numpy as np

from .base import Metric
from .jackknife import LeftOut, by_block

#: stands for a rate of exactly zero
ZERO_RATE = 1e-9


class BitsPerSpike(Metric):
    """Gathers blocks of trials into :func:`bits_per_spike` and its standard error.

    The log-likelihood of a bin is ``n log r - r``; a logarithm is only taken where there is a
    spike. The mean-rate model needs no bins at all: with S spikes of a neuron in B scored bins
    its log-likelihood is ``S log(S / B) - S``. The ``ln n!`` cancel.
    """

    best = float("inf")
    unit = "bits per spike"
    takes_blocks = True

    def __init__(self) -> None:
        self._log_likelihood: List[np.ndarray] = []
        self._spikes: List[np.ndarray] = []
        self._bins: List[np.ndarray] = []

    def add(self, rates: np.ndarray, spikes: np.ndarray) -> None:
        """Take the next trials.

        Parameters
        ----------
        rates : ndarray (trials, bins, neurons)
            Predicted spikes per bin, finite and >= 0 where scored.
        spikes : ndarray (trials, bins, neurons)
            Counts; NaN marks bins that are not scored.
        """
        trials = rates.shape[0]
        n_bins = np.full((trials, rates.shape[2]), float(rates.shape[1]))
        unscored = np.isnan(spikes)
        if unscored.any():
            rates = np.where(unscored, 0.0, rates)
            spikes = np.where(unscored, 0.0, spikes)
            n_bins -= unscored.sum(axis=1)
            n_zeros = ((rates == 0) & ~unscored).sum(axis=(1, 2))
        else:
            n_zeros = _count_zeros(rates)
        per_trial = rates.reshape(trials, -1).sum(axis=1, dtype=float) + ZERO_RATE * n_zeros
        where = np.flatnonzero(spikes != 0)  # many times as fast as on the counts
        counts = spikes.reshape(-1)[where].astype(float)
        predicted = rates.reshape(-1)[where].astype(float)
        predicted[predicted == 0] = ZERO_RATE
        per_spike = counts * np.log(predicted)
        trial = where // (rates.shape[1] * rates.shape[2])
        self._log_likelihood.append(
            np.bincount(trial, weights=per_spike, minlength=trials) - per_trial
        )
        self._spikes.append(spikes.sum(axis=1, dtype=float))
        self._bins.append(n_bins)

    def per_trial(self) -> Dict[str, np.ndarray]:
        """Log-likelihood (without ``ln n!``) and scored spikes of each trial.

        The difference of two submissions' log-likelihoods, over all spikes and ln 2, is that of
        their scores.
        """
        return {
            "log_likelihood": np.concatenate(self._log_likelihood),
            "spikes": np.concatenate(self._spikes).sum(axis=1),
        }

    def compute(self) -> float:
        """The score; -inf or NaN where there is no spike."""
        likelihood = np.concatenate(self._log_likelihood).sum(keepdims=True)
        spikes = np.concatenate(self._spikes).sum(axis=0, keepdims=True)
        bins = np.concatenate(self._bins).sum(axis=0, keepdims=True)
        return float(_bits(likelihood, spikes, bins)[0])

    def spread(self) -> LeftOut:
        """The score without each trial or block; the mean-rate model is refitted each time."""
        likelihood = by_block(np.concatenate(self._log_likelihood), self.block_starts)
        spikes = by_block(np.concatenate(self._spikes), self.block_starts)
        bins = by_block(np.concatenate(self._bins), self.block_starts)
        return LeftOut(
            _bits(
                likelihood.sum() - likelihood,
                spikes.sum(axis=0) - spikes,
                bins.sum(axis=0) - bins,
            )
        )


def _count_zeros(rates: np.ndarray) -> np.ndarray:
    if rates.size and rates.min() > 0:
        return np.zeros(rates.shape[0])
    return (rates == 0).sum(axis=(1, 2)).astype(float)


def _bits(likelihood: np.ndarray, spikes: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Bits per spike over the mean-rate model, for each row.

    ``likelihood`` (rows,) is the model's; ``spikes`` and ``bins`` are (rows, neurons).
    """
    rate = spikes / np.where(bins > 0, bins, 1.0)
    rate = np.where(rate > 0, rate, ZERO_RATE)
    null = (spikes * np.log(rate) - bins * rate).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (likelihood - null) / spikes.sum(axis=1) / np.log(2)


def check_scored(rates: np.ndarray, spikes: np.ndarray) -> None:
    """ValueError if shapes differ, or a scored rate is negative or not finite."""
    if rates.shape != spikes.shape:
        raise ValueError(f"rates have shape {rates.shape}, spikes {spikes.shape}")
    scored = rates[~np.isnan(spikes)]
    if not np.isfinite(scored).all():
        raise ValueError("a scored rate is NaN or infinite")
    if (scored < 0).any():
        raise ValueError("a scored rate is negative")


def neg_log_likelihood(rates: np.ndarray, spikes: np.ndarray) -> float:
    """Poisson negative log-likelihood ``sum(r - n log r + ln n!)`` over the scored bins.

    Parameters
    ----------
    rates : ndarray (...)
        Predicted spikes per bin, >= 0. Exact zeros count as 1e-9; the array is not changed.
    spikes : ndarray (...)
        Counts; NaN marks bins that are not scored.

    Returns
    -------
    float
        In nats; lower is better.

    Raises
    ------
    ValueError
        If shapes differ, or a scored rate is negative or not finite.

    Examples
    --------
    >>> round(neg_log_likelihood(np.array([0.5, 0.5]), np.array([1, 0])), 4)  # 1 - log(0.5)
    1.6931
    """
    from scipy.special import gammaln

    check_scored(rates, spikes)
    scored = ~np.isnan(spikes)
    rate = rates[scored].astype(float)
    count = spikes[scored].astype(float)
    rate[rate == 0] = ZERO_RATE
    return float(np.sum(rate - count * np.log(rate) + gammaln(count + 1.0)))
