"""The embedded sample's two simple models predict smoothed spikes, and mean rates.

They read simulated sessions and need numpy only. The baseline for real sessions is another one, in
``submission.baseline``.
"""

from __future__ import annotations

from typing import Callable, Dict, Sequence, Tuple

import numpy as np

from nlb_evalai.sample.simulation import Session, TrialBlock

#: Width of the smoothing kernel, as participants' baselines have it.
KERNEL_SD_MS = 50
#: Predictions stay above this share of a unit's mean.
FLOOR = 0.05

Rates = Tuple[np.ndarray, np.ndarray]


def smoothing_matrix(n_bins: int, bin_width_ms: int, sd_ms: float = KERNEL_SD_MS) -> np.ndarray:
    """(bins, bins): times counts, a Gaussian average that keeps its weight at the edges."""
    time_ms = np.arange(n_bins) * bin_width_ms
    kernel = np.exp(-0.5 * ((time_ms[:, None] - time_ms) / sd_ms) ** 2)
    return kernel / kernel.sum(axis=1, keepdims=True)


def mean_counts(session: Session, splits: Sequence[str]) -> Callable[[TrialBlock, int], Rates]:
    """A model that predicts each unit's mean count per bin of the training trials.

    The window and the forward window have means of their own.
    """
    totals = np.zeros((2, session.n_units))
    bins = np.zeros(2)
    for block in session.blocks(splits):
        spikes, forward = block.window(block.spikes, session.fine_ms)
        scored = block.scored(session.fine_ms)
        totals += spikes[scored].sum(axis=0), forward.sum(axis=(0, 1))
        bins += int(scored.sum()), forward.shape[0] * forward.shape[1]
    per_ms = totals / np.maximum(bins, 1)[:, None] / session.fine_ms

    def predict(block: TrialBlock, bin_width_ms: int) -> Rates:
        lengths = (session.dataset.window_ms, session.forward_ms)
        window, forward = (
            np.broadcast_to(
                rate * bin_width_ms, (block.n_trials, ms // bin_width_ms, session.n_units)
            )
            for rate, ms in zip(per_ms, lengths)
        )
        return window, forward

    return predict


class SmoothingModel:
    """Held-in rates are smoothed spikes; all else is a ridge regression from them.

    Held-out rates are read off the smoothed held-in rates of the same bin; forward rates are
    constant, read off the last bin's. Fitted to the training trials in blocks, once for each
    bin width.
    """

    def __init__(self, session: Session, splits: Sequence[str]) -> None:
        self._session = session
        self._splits = splits
        self._fitted: Dict[int, Tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def predict(self, block: TrialBlock, bin_width_ms: int) -> Rates:
        """Rates of the window and of the forward window, (trials, bins, held-in + held-out)."""
        if bin_width_ms not in self._fitted:
            self._fitted[bin_width_ms] = self._fit(bin_width_ms)
        to_heldout, to_forward, floor = self._fitted[bin_width_ms]
        heldin, _, forward = self._inputs(block, bin_width_ms)
        rates = np.concatenate([heldin, _with_constant(heldin) @ to_heldout], axis=2)
        ahead = np.maximum(_with_constant(heldin[:, -1]) @ to_forward, floor)
        return np.maximum(rates, floor), np.broadcast_to(ahead[:, None], forward.shape)

    def _inputs(self, block: TrialBlock, width: int) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        spikes, forward = block.window(block.spikes, width)
        n_heldin = self._session.n_heldin
        smooth = smoothing_matrix(spikes.shape[1], width)
        return smooth @ spikes[:, :, :n_heldin], spikes[:, :, n_heldin:], forward

    def _fit(self, width: int) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        session, n_units = self._session, self._session.n_units
        size = session.n_heldin + 1
        gram, gram_last = np.zeros((size, size)), np.zeros((size, size))
        cross, cross_last = np.zeros((size, session.n_heldout)), np.zeros((size, n_units))
        for block in self._session.blocks(self._splits):
            heldin, heldout, forward = self._inputs(block, width)
            inputs = _with_constant(heldin.reshape(-1, session.n_heldin))
            last = _with_constant(heldin[:, -1])
            gram += inputs.T @ inputs
            cross += inputs.T @ heldout.reshape(len(inputs), session.n_heldout)
            gram_last += last.T @ last
            if session.forward_ms:
                cross_last += last.T @ forward.mean(axis=1)
        mean = np.concatenate([gram[-1, :-1], cross[-1]]) / gram[-1, -1]
        to_heldout, to_forward = _ridge(gram, cross, 0.1), _ridge(gram_last, cross_last, 2.0)
        return to_heldout, to_forward, FLOOR * mean


def _with_constant(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, np.ones((*values.shape[:-1], 1))], axis=-1)


def _ridge(gram: np.ndarray, cross: np.ndarray, penalty: float) -> np.ndarray:
    """Weights (inputs + 1, outputs); the penalty is a share of the inputs' mean variance.

    The constant, which comes last, is not penalized.
    """
    n = gram[-1, -1]
    mean, mean_target = gram[:-1, -1] / n, cross[-1] / n
    covariance = gram[:-1, :-1] / n - np.outer(mean, mean)
    scale = np.trace(covariance) / len(covariance)
    weights = np.linalg.solve(
        covariance + penalty * scale * np.eye(len(covariance)),
        cross[:-1] / n - np.outer(mean, mean_target),
    )
    return np.vstack([weights, mean_target - mean @ weights])
