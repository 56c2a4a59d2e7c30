"""Do held-in and held-out rates tell one story? The held-out ones should share the dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Union

import numpy as np

from evaluation_script.arrays import Part
from nlb_evalai.diagnostics.base import Case, Diagnostic, NotHadError, Plain, Seen

#: log rates are taken about this often; rates hardly change faster
EVERY_MS = 20
#: lower rates count as this, in spikes per bin: their logarithms would outweigh all others
LOWEST_RATE = 1e-5
#: of the regressors' mean variance, added to each: equal neurons must not break the regression
_PENALTY = 1e-6
#: variance of log rates below which they are constant but for rounding
_CONSTANT = 1e-8


@dataclass(frozen=True)
class Consistency(Plain):
    """How much of the variance of held-in log rates the held-out log rates share.

    Attributes
    ----------
    shared : float
        R2 of a linear regression from the held-out log rates of a bin to the held-in ones, over all
        held-in neurons, fitted on every other eval trial and scored on the rest, both ways. 1 where
        held-out rates span all that moves held-in rates; little where held-in rates move by
        dynamics that no held-out neuron needs. It needs no truth.
    n_rows : int
        Bins that were used.
    """

    shared: float
    n_rows: int


class ConsistencyWatch:
    """Gathers second moments of [log held-out, log held-in, 1] over even and over odd trials."""

    def __init__(self, bin_width_ms: int) -> None:
        self._step = max(1, EVERY_MS // bin_width_ms)
        self._moments: Optional[np.ndarray] = None
        self._shift: np.ndarray = np.empty(0)
        self._n_heldout = 0

    def update(self, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        """Take the next eval trials (trials, bins, neurons); bins with a NaN are passed over."""
        rates = np.concatenate([heldout[:, :: self._step], heldin[:, :: self._step]], axis=2)
        with np.errstate(invalid="ignore"):
            logs = np.log(np.maximum(rates, LOWEST_RATE)).astype(float, copy=False)
        n_trials, n_bins, size = logs.shape
        if self._moments is None:
            self._n_heldout = heldout.shape[2]
            self._moments = np.zeros((2, size + 1, size + 1))
        if not np.isfinite(self._shift).all() or not self._shift.size:
            self._shift = logs.mean(axis=(0, 1))
            if not np.isfinite(self._shift).all():
                self._shift = np.zeros(size)
        rows = np.ones((n_trials, n_bins, size + 1))
        np.subtract(logs, self._shift, out=rows[..., :-1])
        for parity in range(2):
            half = rows[(parity + start) % 2 :: 2].reshape(-1, size + 1)
            if not np.isfinite(half).all():
                half = half[np.isfinite(half).all(axis=1)]
            self._moments[parity] += half.T @ half

    def told(self) -> Union[Consistency, str]:
        """What was found, or why it cannot be told."""
        try:
            return self.result()
        except NotHadError as error:
            return str(error)

    def result(self) -> Consistency:
        """What was found.

        Raises
        ------
        NotHadError
            If there are too few bins or neurons, or the held-in rates do not vary.
        """
        if self._moments is None or not self._n_heldout:
            raise NotHadError("there are no held-out rates")
        n_rows = self._moments[:, -1, -1]
        if n_rows.min() <= self._n_heldout + 1:
            raise NotHadError(
                f"{int(n_rows.min())} bins in half of the trials, expected more than held-out "
                f"neurons ({self._n_heldout})"
            )
        total = sum(_variance(one, self._n_heldout) for one in self._moments)
        if not total / n_rows.sum() > _CONSTANT:
            raise NotHadError("the held-in rates do not vary")
        even, odd = self._moments
        residual = _residual(even, odd, self._n_heldout) + _residual(odd, even, self._n_heldout)
        return Consistency(float(1 - residual / total), int(n_rows.sum()))


def _variance(moments: np.ndarray, n_inputs: int) -> float:
    """Summed squares of the outputs about their means."""
    sums = moments[n_inputs:-1, -1]
    squares = np.diag(moments)[n_inputs:-1]
    return float((squares - np.square(sums) / moments[-1, -1]).sum())


def _residual(fit: np.ndarray, test: np.ndarray, n_inputs: int) -> float:
    """Summed squares that are left in one half by the regression fitted on the other."""
    inputs: List[int] = [*range(n_inputs), len(fit) - 1]
    outputs = slice(n_inputs, -1)
    gram = fit[np.ix_(inputs, inputs)]
    penalty = np.full(len(inputs), _PENALTY * np.trace(gram[:-1, :-1]) / n_inputs)
    penalty[-1] = 0.0
    weights = np.linalg.lstsq(gram + np.diag(penalty), fit[inputs, outputs], rcond=None)[0]
    squares = np.diag(test)[outputs].sum()
    cross, gram = test[inputs, outputs], test[np.ix_(inputs, inputs)]
    return float(squares - 2 * (weights * cross).sum() + (weights * (gram @ weights)).sum())


class ConsistencyDiagnostic(Diagnostic):
    """:class:`ConsistencyWatch` among the other diagnostics."""

    def __init__(self, case: Case) -> None:
        self._watch = ConsistencyWatch(case.layout.bin_width_ms)

    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        self._watch.update(start, heldin, heldout)

    def result(self, seen: Seen) -> Consistency:
        return self._watch.result()
