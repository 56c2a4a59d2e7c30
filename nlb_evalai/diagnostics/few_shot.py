"""Few-shot co-smoothing: how few trials it takes to read held-out neurons off a model's latents.

Among models of equal co-bps, those whose latents move by dynamics that no neuron needs take more
trials to be read (Dabholkar & Barak 2025, PLOS Comput Biol 21(12) e1013789, arXiv:2405.14425).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping

import numpy as np

from evaluation_script.metrics import bits_per_spike
from nlb_evalai.diagnostics.base import NotHadError, Plain
from nlb_evalai.diagnostics.consistency import LOWEST_RATE

#: trials that a regression sees, and random draws of so many
TRIALS = (20, 80)
N_DRAWS = 5
#: principal components are kept up to this share of the variance of log rates; of latents, whose
#: scale says nothing, up to rounding; and no more than so many
VARIANCE_KEPT = 0.99
ALL_BUT_ROUNDING = 1 - 1e-6
MOST_COMPONENTS = 32
#: scikit-learn's ``alpha``, for regressors of unit variance
PENALTY = 1e-3
MAX_ITERATIONS = 100
#: no neuron fires faster than this, in spikes per ms
HIGHEST_RATE_PER_MS = 1.0

#: what neurons are read off
LATENTS, LOG_RATES = "latents", "held-in log rates"

#: (regressors (rows, components), counts (rows,)) -> intercept, then weights (1 + components,)
Fit = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FewShotScore(Plain):
    """Few-shot co-bps from k trials.

    Attributes
    ----------
    n_trials : int
        k, the trials of each draw.
    score, spread : float
        Mean over draws and their standard deviation, in bits per spike.
    draws : list of float
    """

    n_trials: int
    score: float
    spread: float
    draws: List[float]


def _parameters() -> Dict[str, Any]:
    return {
        "variance_kept_of_log_rates": VARIANCE_KEPT,
        "most_components": MOST_COMPONENTS,
        "penalty": PENALTY,
        "max_iterations": MAX_ITERATIONS,
        "lowest_rate": LOWEST_RATE,
        "highest_rate_per_ms": HIGHEST_RATE_PER_MS,
    }


@dataclass(frozen=True)
class FewShot(Plain):
    """Few-shot co-smoothing of a group.

    Attributes
    ----------
    source : str
        What the neurons were read off: ``latents`` or ``held-in log rates``.
    n_components : int
        Principal components that were kept.
    scores : list of FewShotScore
    left_out : dict
        Why there is no score from some number of trials, by this number.
    parameters : dict
        All that is fixed.
    """

    source: str
    n_components: int
    scores: List[FewShotScore]
    left_out: Dict[int, str]
    parameters: Dict[str, Any] = field(default_factory=_parameters)


def draws_of(n_train: int) -> Dict[int, List[np.ndarray]]:
    """The training trials of each draw, sorted, by their number; none where there are too few."""
    return {
        k: [
            np.sort(np.random.default_rng([k, draw]).permutation(n_train)[:k])
            for draw in range(N_DRAWS)
        ]
        for k in TRIALS
        if k <= n_train
    }


def poisson_regression(regressors: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """scikit-learn's PoissonRegressor: intercept, then weights (1 + components,)."""
    from sklearn.linear_model import PoissonRegressor

    model = PoissonRegressor(
        alpha=PENALTY, solver="newton-cholesky", max_iter=MAX_ITERATIONS, tol=1e-6
    ).fit(regressors, counts)
    return np.concatenate([[model.intercept_], model.coef_])


class Components:
    """Principal components of regressors, each scaled to unit variance.

    So scaled, what is read off them does not depend on how latents are turned or stretched, as long
    as all of their components are kept.

    Parameters
    ----------
    rows : ndarray (rows, dimensions)
    kept : float
        Up to which share of the variance.

    Raises
    ------
    NotHadError
        If they do not vary.
    """

    def __init__(self, rows: np.ndarray, kept: float) -> None:
        self._mean = rows.mean(axis=0, dtype=float)
        centered = rows - self._mean
        values, vectors = np.linalg.eigh(centered.T @ centered / len(rows))
        values, vectors = values[::-1], vectors[:, ::-1]
        # what is less is rounding: log rates and latents come in single precision
        if not values[0] > 1e-8 * max(1.0, float(np.abs(self._mean).max())):
            raise NotHadError("what the neurons are to be read off does not vary")
        share = np.cumsum(values) / values.sum()
        self.size = min(int(np.searchsorted(share, kept)) + 1, MOST_COMPONENTS)
        self._weights = vectors[:, : self.size] / np.sqrt(values[: self.size])

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Scores (..., components); 0, the mean, where a value is not finite."""
        return np.asarray(np.nan_to_num((values - self._mean) @ self._weights, posinf=0, neginf=0))


def few_shot(
    source: str,
    train: Mapping[int, np.ndarray],
    evaluate: np.ndarray,
    train_spikes: np.ndarray,
    eval_spikes: np.ndarray,
    bin_width_ms: int,
    fit: Fit = poisson_regression,
) -> FewShot:
    """Few-shot co-bps of one group.

    Parameters
    ----------
    source : str
        ``LATENTS`` or ``LOG_RATES``.
    train : mapping of int to ndarray (bins, dimensions)
        Latents or log rates of each training trial that some draw holds.
    evaluate : ndarray (eval trials, bins, dimensions)
    train_spikes, eval_spikes : ndarray (trials, bins, held-out neurons)
        Counts; NaN where there is none or it is not scored.
    bin_width_ms : int
    fit : callable
        The regression.
    """
    draws = draws_of(len(train_spikes))
    if not draws:
        raise NotHadError(f"{len(train_spikes)} training trials, expected {TRIALS[0]} or more")
    stacked = np.concatenate(list(train.values()))
    kept = ALL_BUT_ROUNDING if source == LATENTS else VARIANCE_KEPT
    components = Components(stacked[np.isfinite(stacked).all(axis=1)], kept)
    scores = {trial: components(values) for trial, values in train.items()}
    eval_scores = components(evaluate)
    found = []
    for k, chosen in draws.items():
        bits = []
        for trials in chosen:
            rows = np.concatenate([scores[trial] for trial in trials])
            counts = np.concatenate([train_spikes[trial] for trial in trials])
            rates = _predicted(rows, counts, eval_scores, bin_width_ms, fit)
            bits.append(bits_per_spike(rates, eval_spikes))
        found.append(FewShotScore(k, float(np.mean(bits)), float(np.std(bits, ddof=1)), bits))
    few = {k: f"{len(train_spikes)} training trials" for k in TRIALS if k not in draws}
    return FewShot(source, components.size, found, few)


def _predicted(
    rows: np.ndarray, counts: np.ndarray, eval_rows: np.ndarray, bin_width_ms: int, fit: Fit
) -> np.ndarray:
    """Rates of the eval trials (trials, bins, neurons), by a regression for each neuron."""
    known = ~np.isnan(counts).any(axis=1)
    rows, counts = rows[known], counts[known].astype(float)
    if not len(rows):
        raise NotHadError("the training trials drawn hold no spike counts")
    weights = np.zeros((1 + rows.shape[1], counts.shape[1]))
    for neuron, column in enumerate(counts.T):
        if column.any():
            weights[:, neuron] = fit(rows, column)
        else:  # no spike in these trials says that the rate is low, not that it is zero
            weights[0, neuron] = np.log(0.5 / len(rows))
    log_rates = eval_rows @ weights[1:] + weights[0]
    return np.asarray(np.exp(np.minimum(log_rates, np.log(HIGHEST_RATE_PER_MS * bin_width_ms))))
