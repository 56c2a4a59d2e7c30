"""Co-smoothing: how well held-out neurons are predicted from held-in ones (co-bps)."""

from __future__ import annotations

from typing import Any, Mapping, Optional

import numpy as np

from ..arrays import EVAL, SPIKES, Part
from .base import Used
from .likelihood import BitsPerSpike, check_scored


class CoSmoothing(BitsPerSpike):
    """:func:`bits_per_spike` of the held-out neurons."""

    key = "co-bps"
    title = "co-smoothing"
    summary = "Co-smoothing: bits per spike of the held-out neurons"
    about = (
        "The score is (LL(λ) − LL(λ_mean)) / (n_spikes · ln 2), with the Poisson log-likelihood "
        "LL(λ) = Σ n ln λ − λ of the held-out spike counts n over all scored bins. λ are the "
        "submitted held-out rates, and λ_mean is each neuron's mean count per bin over the "
        "evaluation data. A rate of exactly 0 counts as 1e-9. The mean-rate model scores 0."
    )
    truth = (SPIKES,)
    parts = (EVAL,)
    not_negative = (EVAL.heldout,)

    def __init__(self, truth: Mapping[str, Any]) -> None:
        super().__init__()
        self._truth: np.ndarray = truth[SPIKES.name]

    @classmethod
    def unfit(cls, truth: Mapping[str, Any]) -> Optional[str]:
        return None if np.nansum(truth[SPIKES.name]) > 0 else "there is no held-out spike"

    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        self.add(heldout, self._truth[start : start + len(heldout)])

    def used(self, part: Part, start: int, stop: int) -> Optional[Used]:
        return np.zeros((1, 1, 1), bool), ~np.isnan(self._truth[start:stop])


def bits_per_spike(rates: np.ndarray, spikes: np.ndarray) -> float:
    """Log-likelihood gain over each neuron's mean rate, in bits per spike.

    Parameters
    ----------
    rates : ndarray (trials, bins, neurons)
        Predicted spikes per bin, >= 0. Exact zeros count as 1e-9.
    spikes : ndarray (trials, bins, neurons)
        Counts; NaN marks bins that are not scored.

    Returns
    -------
    float
        0 is the mean-rate model; higher is better.

    Raises
    ------
    ValueError
        If shapes differ, a scored rate is negative or not finite, or there is no spike to predict.

    References
    ----------
    Pei, Ye et al. 2021, arXiv:2109.04463, section 3.

    Examples
    --------
    >>> spikes = np.array([[[1], [0]]])  # 1 trial, 2 bins, 1 neuron
    >>> round(bits_per_spike(np.array([[[0.9], [0.1]]]), spikes), 3)
    0.848
    """
    check_scored(rates, spikes)
    if not np.nansum(spikes) > 0:
        raise ValueError("there is no spike to predict")
    metric = CoSmoothing({SPIKES.name: spikes})
    metric.add(rates, spikes)
    return metric.compute()
