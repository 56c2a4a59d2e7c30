"""Which eval trials repeat a condition, and their spikes, aligned and smoothed."""

from __future__ import annotations

from typing import Any, List, Mapping

import numpy as np

from evaluation_script.metrics.psth_match import CONDITIONS, JITTER
from nlb_evalai.diagnostics.base import NotHadError


class Repeats:
    """The conditions of a group's eval trials.

    Parameters
    ----------
    truth : mapping
        The truth's arrays by name.

    Raises
    ------
    NotHadError
        If the truth knows no conditions, or none has two eval trials.

    Attributes
    ----------
    conditions : list of ndarray of int
        The eval trials of each condition, as in the truth; some may be empty.
    repeated : list of int
        The conditions with two eval trials or more.
    jitter : ndarray of int (trials,)
        Bins by which a trial is shifted to the right to align it with the others.
    """

    def __init__(self, truth: Mapping[str, Any]) -> None:
        found = truth.get(CONDITIONS.name)
        if found is None:
            raise NotHadError("the truth knows no conditions: no trial repeats another")
        self.conditions: List[np.ndarray] = list(found)
        self.repeated = [c for c, trials in enumerate(self.conditions) if len(trials) > 1]
        if not self.repeated:
            raise NotHadError("no condition has two eval trials")
        self.jitter: np.ndarray = truth[JITTER.name]

    def aligned(self, values: np.ndarray) -> np.ndarray:
        """Values (trials, bins, ...), each trial shifted by its jitter; NaN comes in from outside.

        The same array where no trial is shifted.
        """
        if not self.jitter.any():
            return values
        n_bins = values.shape[1]
        source = np.arange(n_bins) - self.jitter[:, None]
        inside = (source >= 0) & (source < n_bins)
        shifted = values[np.arange(len(values))[:, None], np.where(inside, source, 0)]
        return np.where(inside.reshape(*inside.shape, *[1] * (values.ndim - 2)), shifted, np.nan)


class SmoothedTrials:
    """Spikes of aligned trials, each smoothed with a Gaussian kernel over its scored bins.

    Parameters
    ----------
    spikes : ndarray (trials, bins, neurons)
        Aligned counts; NaN where a bin is not scored.
    kernel : ndarray (bins, bins)
        Times counts, their smoothed values.

    Attributes
    ----------
    sums : ndarray of float32 (trials, bins, neurons)
        Smoothed counts, a bin that is not scored counted as none.
    weights : ndarray of float32 (trials, bins)
        How much of a trial stands behind each bin: the sums over some trials divided by their
        weights are the PSTH of these trials.
    """

    def __init__(self, spikes: np.ndarray, kernel: np.ndarray) -> None:
        kernel = kernel.astype(np.float32)
        unscored = np.isnan(spikes)
        kept = np.ones(spikes.shape[:2], np.float32)
        if unscored.any():
            missing = unscored.any(axis=2)
            kept[missing] = 0.0
            spikes = np.where(missing[..., None], 0.0, spikes)
        self.sums: np.ndarray = kernel @ spikes.astype(np.float32, copy=False)
        self.weights: np.ndarray = kept @ kernel.T

    def psth(self, trials: np.ndarray) -> np.ndarray:
        """Mean over some trials (bins, neurons), in spikes per bin; NaN where none has data."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(
                self.sums[trials].sum(axis=0) / self.weights[trials].sum(axis=0)[:, None]
            )
