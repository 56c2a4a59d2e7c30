"""Are the rates modulated too strongly or too weakly? A line through their logarithms tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

import numpy as np

from evaluation_script.arrays import Part
from evaluation_script.metrics.likelihood import ZERO_RATE
from evaluation_script.submission.audit import MAX_RATE
from nlb_evalai.diagnostics.base import Case, Diagnostic, NotHadError, Plain, Seen, heldout_spikes

#: log rates are counted in steps of this width, so rates need not be kept; the mean of each step
#: is, and what is lost of an exponential within a step is a part in 10,000
_STEP = 1 / 32
_LOWEST = float(np.log(ZERO_RATE))
_N_STEPS = int((np.log(MAX_RATE) - _LOWEST) / _STEP) + 2
#: slopes are looked for between these
_SLOPES = (-10.0, 30.0)
_MOST_STEPS = 100


@dataclass(frozen=True)
class Line(Plain):
    """The best ``a + b log r`` in place of the log rates.

    Attributes
    ----------
    a : float or None
        Offset; None where each neuron has its own.
    b, b_error : float
        Slope, and its standard error for Poisson spikes. Below 1 the rates are ``1 / b`` times too
        steep, above 1 ``b`` times too flat.
    gain : float
        What co-bps would gain with it, in bits per spike.
    """

    a: Optional[float]
    b: float
    b_error: float
    gain: float

    @property
    def verdict(self) -> str:
        """The slope in words.

        Examples
        --------
        >>> Line(0.0, 0.526, 0.01, 0.02).verdict
        '1.9x too steep'
        """
        if self.b <= 0:
            return "the rates run against the spikes"
        if 0.95 < self.b < 1.05 or abs(self.b - 1) < 2 * self.b_error:
            return "neither too steep nor too flat"
        steep = self.b < 1
        return f"{max(self.b, 1 / self.b):.1f}x too {'steep' if steep else 'flat'}"


@dataclass(frozen=True)
class Calibration(Plain):
    """How the spikes follow the log rates.

    Attributes
    ----------
    line : Line
        One offset and one slope for all held-out neurons.
    within_neurons : Line or None
        One slope, and an offset for each neuron: the mean rates of neurons, which any model gets
        right, do not count. None where no neuron's rate varies.
    """

    line: Line
    within_neurons: Optional[Line]


class CalibrationDiagnostic(Diagnostic):
    """Counts scored log rates of each held-out neuron, and adds them up where there are spikes."""

    def __init__(self, case: Case) -> None:
        self._truth = heldout_spikes(case.truth)
        self._spikes = np.nansum(self._truth, axis=(0, 1), dtype=float)
        self._n_neurons = self._truth.shape[2]
        size = self._n_neurons * _N_STEPS
        self._counts, self._sums = np.zeros(size), np.zeros(size)
        self._at_spikes = np.zeros(self._n_neurons)

    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        spikes = self._truth[start : start + len(heldout)].reshape(-1)
        rates = heldout.reshape(-1)
        neurons = np.broadcast_to(np.arange(self._n_neurons, dtype=np.int32), heldout.shape)
        neuron = neurons.reshape(-1)
        scored = ~np.isnan(spikes)
        if not scored.all():
            rates, spikes, neuron = rates[scored], spikes[scored], neuron[scored]
        logs = np.log(np.maximum(rates.astype(np.float32, copy=False), np.float32(ZERO_RATE)))
        step = ((logs - np.float32(_LOWEST)) * np.float32(1 / _STEP)).astype(np.int32)
        step = np.minimum(step, _N_STEPS - 1) + neuron * _N_STEPS
        self._counts += np.bincount(step, minlength=self._counts.size)
        self._sums += np.bincount(step, logs, self._counts.size)
        where = np.flatnonzero(spikes)
        self._at_spikes += np.bincount(neuron[where], spikes[where] * logs[where], self._n_neurons)

    def result(self, seen: Seen) -> Calibration:
        counts = self._counts.reshape(self._n_neurons, _N_STEPS)
        sums = self._sums.reshape(self._n_neurons, _N_STEPS)
        pooled = counts.sum(axis=0, keepdims=True), sums.sum(axis=0, keepdims=True)
        spikes, at_spikes = self._spikes, self._at_spikes
        line = best_line(*pooled, spikes.sum(keepdims=True), at_spikes.sum(keepdims=True))
        if line is None:
            raise NotHadError("the held-out rates do not vary")
        return Calibration(line, best_line(counts, sums, spikes, at_spikes))


def best_line(
    counts: np.ndarray, sums: np.ndarray, spikes: np.ndarray, at_spikes: np.ndarray
) -> Optional[Line]:
    """Maximum likelihood ``a + b x`` of Poisson spikes, with one slope and an offset for each row.

    Given the slope, a row's offset is ``log(S / sum(exp(b x)))``, so only the slope is searched:
    the likelihood is concave in it.

    Parameters
    ----------
    counts, sums : ndarray (rows, steps)
        How many log rates x fall in each step, and their sum.
    spikes, at_spikes : ndarray (rows,)
        Spikes S, and the sum of x over spikes.

    Returns
    -------
    Line or None
        None where no row's log rates vary, or the spikes bound no slope.
    """
    kept = spikes > 0
    counts, sums, spikes, at_spikes = (one[kept] for one in (counts, sums, spikes, at_spikes))
    used = counts.any(axis=0)
    counts, sums = counts[:, used], sums[:, used]
    logs = sums / np.maximum(counts, 1)
    middle = sums.sum(axis=1) / counts.sum(axis=1)
    centered = np.where(counts > 0, logs - middle[:, None], 0.0)
    if not np.square(centered).max(initial=0.0) > 1e-10:
        return None

    def moments(slope: float) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        exponents = np.where(counts > 0, slope * centered, -np.inf)
        top = exponents.max(axis=1, keepdims=True)
        weights = counts * np.exp(exponents - top)
        total = weights.sum(axis=1)
        mean = (weights * centered).sum(axis=1) / total
        variance = (weights * np.square(centered)).sum(axis=1) / total - np.square(mean)
        return np.log(total) + top[:, 0], mean, variance

    target = at_spikes - spikes * middle

    def excess(slope: float) -> float:
        return float((target - spikes * moments(slope)[1]).sum())

    lowest, highest = _SLOPES
    if not excess(lowest) > 0 > excess(highest):
        return None
    slope = 1.0
    for _ in range(_MOST_STEPS):  # Newton's steps, and halvings where one leads outside
        log_totals, mean, variances = moments(slope)
        missing = float((target - spikes * mean).sum())
        information = float((spikes * variances).sum())
        lowest, highest = (slope, highest) if missing > 0 else (lowest, slope)
        step = missing / information if information > 0 else np.inf
        if abs(step) < 1e-9:
            break
        slope = slope + step if lowest < slope + step < highest else (lowest + highest) / 2
    # offsets in terms of x itself; the fitted rates add up to the spikes
    offsets = np.log(spikes) - log_totals - slope * middle
    fitted = spikes @ offsets + slope * at_spikes.sum() - spikes.sum()
    as_given = at_spikes.sum() - np.exp(moments(1.0)[0] + middle).sum()
    return Line(
        float(offsets[0]) if len(offsets) == 1 else None,
        slope,
        information**-0.5 if information > 0 else np.inf,
        float((fitted - as_given) / spikes.sum() / np.log(2)),
    )
