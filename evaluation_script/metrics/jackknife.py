"""Delete-one-trial jackknife standard errors."""

from __future__ import annotations

from typing import Optional

import numpy as np


def jackknife_error(left_out: np.ndarray) -> Optional[float]:
    """Standard error of a score from its values with each trial left out in turn.

    Parameters
    ----------
    left_out : ndarray (trials,)
        The score without trial i.

    Returns
    -------
    float or None
        ``sqrt((n - 1) / n * sum((x_i - mean(x))**2))``; None where a score is undefined
        without some trial, or there are fewer than two trials.

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
