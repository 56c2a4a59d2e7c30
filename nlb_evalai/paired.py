"""Two entries on the same trials: is their difference real, and of several, which are?

A score's delete-one-trial values hold all that is needed: where both entries are scored on the same
trials, what makes a trial easy or hard is in both of them and drops out of the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence

import numpy as np
from scipy import stats

from evaluation_script.metrics.jackknife import by_block, jackknife_error

#: so many standard errors are two-sided 95 %, of one comparison alone
TELL_APART_Z = 1.96


@dataclass(frozen=True)
class Difference:
    """The difference of two scores on the same trials, with its paired jackknife error.

    Attributes
    ----------
    difference : float
        The first score minus the second, in the score's unit.
    standard_error : float or None
        None where a score is undefined without some trial, or there are fewer than two trials.
    n_trials : int
        How many trials, or blocks of them, were left out in turn.
    """

    difference: float
    standard_error: Optional[float]
    n_trials: int

    @property
    def z(self) -> Optional[float]:
        """The difference in standard errors; 0 where both are 0, infinite where the error is."""
        if self.standard_error is None:
            return None
        if self.standard_error == 0:
            return float(np.sign(self.difference) * np.inf) if self.difference else 0.0
        return self.difference / self.standard_error

    @property
    def p_value(self) -> Optional[float]:
        """Two-sided, by Student's t with one degree of freedom less than there are trials.

        References
        ----------
        Miller 1974, The jackknife: a review, Biometrika 61, section 2 (Tukey's proposal).
        """
        z = self.z
        return None if z is None else float(2 * stats.t.sf(abs(z), self.n_trials - 1))


def of_left_out(difference: float, left_out: np.ndarray) -> Difference:
    """A difference with the error that its delete-one-trial values give it.

    Parameters
    ----------
    difference : float
        The difference over all trials.
    left_out : ndarray (trials,)
        The difference without trial i.

    References
    ----------
    Efron & Tibshirani 1993, An Introduction to the Bootstrap, eq. 11.5.
    """
    return Difference(float(difference), jackknife_error(left_out), len(left_out))


def paired_difference(
    first: float, second: float, first_left_out: np.ndarray, second_left_out: np.ndarray
) -> Difference:
    """The difference of two scores of any metric, paired by trial.

    Parameters
    ----------
    first, second : float
        The two scores over all trials.
    first_left_out, second_left_out : ndarray (trials,)
        Each score without trial i, the trials in one order.

    Raises
    ------
    ValueError
        If the shapes differ: these are not the same trials.
    """
    _same_shapes(first_left_out, second_left_out)
    return of_left_out(first - second, first_left_out - second_left_out)


def paired_likelihoods(
    first: np.ndarray,
    second: np.ndarray,
    spikes: np.ndarray,
    starts: Optional[np.ndarray] = None,
) -> Difference:
    """The difference of two scores in bits per spike, of the likelihoods of their trials.

    Both are scored over the same mean-rate model, so it drops out: the difference is that of their
    log-likelihoods over all spikes and ln 2, with every trial left out in turn.

    Parameters
    ----------
    first, second : ndarray (trials,)
        Log-likelihood of each trial in nats.
    spikes : ndarray (trials,)
        Scored spikes of each trial.
    starts : ndarray of int (blocks,), optional
        The first trial of each block that is left out as one, where trials follow each other in
        time (``Dataset.block_starts``); else each trial is.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    _same_shapes(first, second, spikes)
    gain, spikes = by_block(first - second, starts), by_block(spikes, starts)
    left = spikes.sum() - spikes
    with np.errstate(divide="ignore", invalid="ignore"):
        without = (gain.sum() - gain) / left / np.log(2)
    return of_left_out(gain.sum() / spikes.sum() / np.log(2), without)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values adjusted for how many are looked at: the family's error rate holds for each.

    Parameters
    ----------
    p_values : sequence of float (tests,)
        Of tests that may depend on each other in any way.

    Returns
    -------
    ndarray (tests,)
        In the same order; a test is significant at a level if its adjusted value is no larger.

    Raises
    ------
    ValueError
        If one is no probability.

    References
    ----------
    Holm 1979, A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6:65-70.
    """
    given = np.asarray(p_values, float)
    if given.ndim != 1 or not ((given >= 0) & (given <= 1)).all():
        raise ValueError(f"expected a list of probabilities, found {p_values!r}")
    order = np.argsort(given, kind="stable")
    factors = np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * given[order]))
    return adjusted


def lead_p_value(differences: Sequence[Difference], n_entries: int) -> Optional[float]:
    """Whether the best of a team's entries is ahead of another team: a corrected two-sided p-value.

    The entry was chosen as the best of ``n_entries``, so each of these had a chance to seem ahead:
    the p-value is multiplied by their number (Bonferroni). Whatever entry of the other team is
    the truly best one, the lead must hold over it, so the least clear difference decides
    (an intersection-union test, which needs no correction of its own). Of two teams whose best
    entries are equally good, one is then found ahead no more often than the test's level says,
    however many entries each has and however alike they are.

    Parameters
    ----------
    differences : sequence of Difference
        The entry minus each entry of the other team.
    n_entries : int
        From how many entries of its own team it was chosen.

    Returns
    -------
    float or None
        1 where the entry is not ahead of all; None where a difference has no error.

    References
    ----------
    Berger 1982, Multiparameter hypothesis testing and acceptance sampling, Technometrics 24:295.
    """
    found = [one.p_value if one.difference > 0 else 1.0 for one in differences]
    known = [p for p in found if p is not None]
    if not known or len(known) < len(found):
        return None
    return min(1.0, n_entries * max(known))


def _same_shapes(*arrays: np.ndarray) -> None:
    if len({one.shape for one in arrays}) > 1:
        raise ValueError(f"shapes differ: {', '.join(str(one.shape) for one in arrays)}")
