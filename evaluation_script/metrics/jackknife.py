"""Jackknife standard errors: a score without one trial, or one block of trials, at a time."""

from __future__ import annotations

from typing import Optional

import numpy as np


def block_starts(n_trials: int) -> np.ndarray:
    """Where the blocks start that stand for trials where these follow each other in time.

    There are about as many blocks as trials in a block, each ``round(sqrt(n))`` trials or a little
    more: long enough that what drifts is forgotten, many enough that the error bar is no guess.

    Parameters
    ----------
    n_trials : int
        At least 1.

    Returns
    -------
    ndarray of int (blocks,)
        The first trial of each; lengths differ by one at most. Two blocks, or one for one trial.

    References
    ----------
    Künsch 1989, Annals of Statistics 17(3), on the jackknife of blocks.

    Examples
    --------
    >>> block_starts(10).tolist()  # blocks of 3, 3 and 4 trials
    [0, 3, 6]
    """
    n_blocks = min(n_trials, max(2, n_trials // round(n_trials**0.5)))
    return np.arange(n_blocks) * n_trials // n_blocks


def by_block(values: np.ndarray, starts: Optional[np.ndarray]) -> np.ndarray:
    """Sums (blocks, ...) over blocks of trials; the values (trials, ...) where there are none."""
    return values if starts is None else np.asarray(np.add.reduceat(values, starts, axis=0))


def jackknife_error(left_out: np.ndarray) -> Optional[float]:
    """Standard error of a score from its values with each trial left out in turn.

    Parameters
    ----------
    left_out : ndarray (trials,) or (blocks,)
        The score without trial i, or without block i.

    Returns
    -------
    float or None
        ``sqrt((n - 1) / n * sum((x_i - mean(x))**2))``; None where a score is undefined
        without some of them, or there are fewer than two.

    References
    ----------
    Efron & Tibshirani 1993, An Introduction to the Bootstrap, eq. 11.5.
    """
    n_trials = len(left_out)
    if n_trials < 2 or not np.isfinite(left_out).all():
        return None
    spread = left_out - left_out.mean()
    return float(np.sqrt((n_trials - 1) / n_trials * np.dot(spread, spread)))


def r2_from_sums(residual: np.ndarray, total: np.ndarray) -> np.ndarray:
    """R2 from sums of squares, with scikit-learn's values where the truth is constant.

    Parameters
    ----------
    residual, total : ndarray (..., outputs)
        Sums of squares of the errors, and of the truth about its mean.

    Returns
    -------
    ndarray (..., outputs)
        1 is best. Where ``total`` is 0: 1 if ``residual`` is 0 too, else 0.
    """
    constant = total == 0
    ratio = residual / np.where(constant, 1.0, total)
    return np.where(constant, np.where(residual == 0, 1.0, 0.0), 1.0 - ratio)
