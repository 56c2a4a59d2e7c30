"""Neural speed against produced time intervals (dmfc_rsg)."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional

import numpy as np

from ..arrays import EVAL, SPIKES, Axis, Kind, Part, TruthArray
from .base import Metric, Used
from .jackknife import LeftOut

#: is_eye, theta, is_short, ts, tp of each trial; a row of NaN is an outlier
BEHAVIOR = TruthArray("eval_behavior", (Axis.EVAL_TRIALS, 5), Kind.NUMBERS)
#: is_eye, theta, is_short: what makes a condition; tp is the last column
CONDITION_COLUMNS = (0, 1, 2)


def condition_members(behavior: np.ndarray) -> List[np.ndarray]:
    """Trials of each condition, conditions in sorted order.

    Parameters
    ----------
    behavior : ndarray (trials, 5)
        is_eye, theta, is_short, ts, tp; a row of NaN is an outlier and belongs to none.

    Returns
    -------
    list of ndarray of int
        A condition that is NaN in part has no members, as in the reference.
    """
    keys = behavior[:, list(CONDITION_COLUMNS)]
    known = keys[~np.isnan(keys).all(axis=1)]
    return [
        np.flatnonzero((keys == condition).all(axis=1))
        for condition in sorted({tuple(key) for key in known.tolist()})
    ]


def neural_speeds(rates: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """Mean Euclidean distance between the rates of successive scored bins.

    Parameters
    ----------
    rates : ndarray (trials, bins, neurons)
    scored : ndarray of bool (trials, bins)
        Bins that count; those left out are skipped over.

    Returns
    -------
    ndarray (trials,)
        Spikes per bin; NaN for a trial of fewer than two scored bins.
    """
    trial = np.repeat(np.arange(len(scored)), scored.sum(axis=1))
    rows = rates[scored].astype(float)
    steps = np.sqrt(np.square(np.diff(rows, axis=0)).sum(axis=1))
    inside = trial[1:] == trial[:-1]
    count = np.bincount(trial[1:][inside], minlength=len(scored))
    total = np.bincount(trial[1:][inside], weights=steps[inside], minlength=len(scored))
    with np.errstate(invalid="ignore"):
        return total / count


class SpeedTpCorrelation(Metric):
    """Gathers blocks of trials into :func:`speed_tp_correlation` and its standard error."""

    key = "tp corr"
    title = "produced-interval correlation"
    unit = "Pearson r"
    best = -1.0
    summary = "Correlation of neural speed with the produced interval"
    about = (
        "The score is the correlation (Pearson's r) between a trial's mean bin-to-bin change of "
        "all rates and the interval tp that the animal produced. It is computed within each "
        "condition of response, direction and prior, and then averaged over the conditions. A "
        "faster state should mean a shorter interval."
    )
    truth = (SPIKES, BEHAVIOR)
    parts = (EVAL,)

    def __init__(self, truth: Mapping[str, Any]) -> None:
        behavior = truth[BEHAVIOR.name]
        self._members = condition_members(behavior)
        self._tp = behavior[:, -1]
        self._scored: np.ndarray = ~np.isnan(truth[SPIKES.name][..., 0])
        self._speeds: List[np.ndarray] = []

    @classmethod
    def unfit(cls, truth: Mapping[str, Any]) -> Optional[str]:
        behavior = truth[BEHAVIOR.name]
        members = condition_members(behavior)
        scored = (~np.isnan(truth[SPIKES.name][..., 0])).sum(axis=1)
        if not members:
            return "no trial belongs to a condition"
        for trials in members:
            if len(trials) < 2:
                return "a condition has fewer than two trials"
            if not np.isfinite(behavior[trials, -1]).all():
                return "tp is not finite in a trial of a condition"
            if (scored[trials] < 2).any():
                return "a trial of a condition has fewer than two scored bins"
        return None

    def used(self, part: Part, start: int, stop: int) -> Optional[Used]:
        members = np.zeros(len(self._tp), bool)
        for trials in self._members:
            members[trials] = True
        used = (self._scored & members[:, None])[start:stop, :, None]
        return used, used

    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        rates = np.concatenate([heldin, heldout], axis=2)
        self._speeds.append(neural_speeds(rates, self._scored[start : start + len(rates)]))

    def compute(self) -> float:
        """Mean over conditions of Pearson's r; NaN where a condition's speeds are constant."""
        speeds = np.concatenate(self._speeds)
        rs = [_pearson(speeds[None, m], self._tp[None, m])[0] for m in self._members]
        return float(np.mean(rs))

    def spread(self) -> Optional[LeftOut]:
        """The score without each trial; None where a condition has only two trials."""
        speeds = np.concatenate(self._speeds)
        rs = np.array([_pearson(speeds[None, m], self._tp[None, m])[0] for m in self._members])
        left_out = np.full(len(speeds), rs.mean())
        for index, trials in enumerate(self._members):
            others = np.array([np.delete(trials, i) for i in range(len(trials))])
            if others.shape[1] < 2:
                return None
            change = _pearson(speeds[others], self._tp[others]) - rs[index]
            left_out[trials] += change / len(rs)
        return LeftOut(left_out)


def _pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r of each row (rows, n); NaN where either is constant."""
    constant = (x == x[:, :1]).all(axis=1) | (y == y[:, :1]).all(axis=1)
    x = x - x.mean(axis=1, keepdims=True)
    y = y - y.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        y = y / np.linalg.norm(y, axis=1, keepdims=True)
        r = np.clip(np.einsum("ij,ij->i", x, y), -1.0, 1.0)
    return np.where(constant, np.nan, r)


def speed_tp_correlation(
    eval_spikes_heldout: np.ndarray, eval_rates: np.ndarray, eval_behavior: np.ndarray
) -> float:
    """Correlation of neural speed with the produced interval tp, averaged over conditions.

    Parameters
    ----------
    eval_spikes_heldout : ndarray (trials, bins, held-out neurons)
        Only its NaN in neuron 0 count: they mark the bins outside set-go.
    eval_rates : ndarray (trials, bins, neurons)
        Spikes per bin.
    eval_behavior : ndarray (trials, 5)
        is_eye, theta, is_short, ts, tp; NaN rows are left out.

    Returns
    -------
    float
        -1 is best (faster, hence shorter); NaN where speeds are constant in a condition.

    Raises
    ------
    ValueError
        If shapes differ, no trial belongs to a condition, or one has fewer than two trials.

    References
    ----------
    Sohn et al. 2019, Neuron 103; Pei, Ye et al. 2021, arXiv:2109.04463, section 3.

    Examples
    --------
    >>> bins, speeds = np.arange(5.0), np.array([4.0, 3.0, 2.0, 1.0])
    >>> rates = (speeds[:, None] * bins)[..., None]  # 4 trials, 5 bins, 1 neuron
    >>> behavior = np.array([[1, 0, 1, 650, tp] for tp in (500, 600, 700, 800)], float)
    >>> round(speed_tp_correlation(np.zeros((4, 5, 1)), rates, behavior), 6)
    -1.0
    """
    if eval_rates.shape[:2] != eval_spikes_heldout.shape[:2]:
        raise ValueError(f"rates have shape {eval_rates.shape}, spikes {eval_spikes_heldout.shape}")
    members = condition_members(eval_behavior)
    if not members:
        raise ValueError("no trial belongs to a condition")
    if any(len(trials) < 2 for trials in members):
        raise ValueError("a condition has fewer than two trials")
    metric = SpeedTpCorrelation({SPIKES.name: eval_spikes_heldout, BEHAVIOR.name: eval_behavior})
    metric.update(EVAL, 0, eval_rates, eval_rates[..., :0])
    return metric.compute()
