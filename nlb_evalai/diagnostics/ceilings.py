"""How much there was to explain: what repeated trials say about the best score there can be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import List, Optional, Tuple

import numpy as np

from evaluation_script.arrays import Part
from evaluation_script.metrics import PsthMatch
from evaluation_script.metrics.jackknife import jackknife_error
from evaluation_script.metrics.psth_match import PSTH
from nlb_evalai.diagnostics.base import Case, Diagnostic, NotHadError, Plain, Seen, heldout_spikes
from nlb_evalai.diagnostics.co_smoothing import CoSmoothingDiagnostic, Likelihoods
from nlb_evalai.diagnostics.repeats import Repeats, SmoothedTrials
from nlb_evalai.sample.models import smoothing_matrix

#: so many trials at the neuron's mean rate are averaged in; the best of them is the ceiling
PSEUDO_TRIALS = (0.5, 2.0, 8.0)
#: random halvings of the trials of each condition
N_SPLITS = 5

CO_BPS_ASSUMPTION = (
    "rates depend on condition and time alone; a model that follows single trials can score more, "
    "and with few trials of a condition the ceiling is too low"
)
PSTH_ASSUMPTION = (
    "trials of a condition are independent and alike; the ceiling is what the noise of the PSTHs "
    "leaves to the true rates"
)


@dataclass(frozen=True)
class CoBpsCeiling(Plain):
    """co-bps of a condition's smoothed PSTH of all its other trials.

    Attributes
    ----------
    ceiling, ceiling_error : float
        In bits per spike, over the trials of repeated conditions; with its jackknife error.
    score : float
        The submission's co-bps over the same trials.
    fraction, fraction_error : float or None
        ``score / ceiling``; None where the ceiling is not positive.
    n_trials, n_conditions : int
        Trials and conditions that it is of.
    pseudo_trials : float
        How many trials at the mean rate were averaged in, the best of ``PSEUDO_TRIALS``.
    kernel_sd_ms : int
        Of the Gaussian kernel.
    assumption : str
    """

    ceiling: float
    ceiling_error: Optional[float]
    score: float
    fraction: Optional[float]
    fraction_error: Optional[float]
    n_trials: int
    n_conditions: int
    pseudo_trials: float
    kernel_sd_ms: int
    assumption: str = CO_BPS_ASSUMPTION


@dataclass(frozen=True)
class PsthCeiling(Plain):
    """How much of the variance of the PSTHs repeats, from split halves.

    Attributes
    ----------
    neurons : str
        ``held-out``, or ``all`` where model inputs hold the held-in spikes of the eval trials.
    ceiling, split_spread : float
        Mean over neurons of the reliability of the PSTHs, and its standard deviation over random
        halvings.
    score : float
        psth R2 of the submission over the same neurons.
    fraction : float or None
        ``score / ceiling``; None where the ceiling is not positive.
    by_neuron, score_by_neuron : ndarray (neurons,)
        NaN for a neuron whose PSTHs do not vary.
    lengthening : float
        By which the Spearman–Brown formula extrapolates: noise variance of the halves over that of
        the PSTHs.
    n_trials, n_conditions, kernel_sd_ms : int
        Eval trials and conditions that were halved; the Gaussian kernel.
    counted : str
        Over which trials the PSTHs are taken to be averaged.
    assumption : str
    """

    neurons: str
    ceiling: float
    split_spread: float
    score: float
    fraction: Optional[float]
    by_neuron: np.ndarray
    score_by_neuron: np.ndarray
    lengthening: float
    n_trials: int
    n_conditions: int
    kernel_sd_ms: int
    counted: str
    assumption: str = PSTH_ASSUMPTION


@dataclass(frozen=True)
class Ceilings(Plain):
    """The ceilings of a group; ``psth`` has an entry more where all neurons can be had.

    ``left_out`` says which is missing, and why.
    """

    co_bps: Optional[CoBpsCeiling]
    psth: List[PsthCeiling]
    left_out: List[str]


class CeilingsDiagnostic(Diagnostic):
    """Both ceilings; of a submission they need its likelihoods and its psth R2 only."""

    parts = ()

    def __init__(self, case: Case) -> None:
        self._case = case
        self._repeats = Repeats(case.truth)
        dataset = case.layout.dataset
        rule = dataset.session.psth if dataset.session else None
        self._kernel_sd_ms = rule.kernel_sd_ms if rule else dataset.kernel_sd_ms

    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        """Take nothing."""

    def result(self, seen: Seen) -> Ceilings:
        shares = seen.diagnostics.get("co_smoothing")
        aligned = self._repeats.aligned(heldout_spikes(self._case.truth))
        smoothed = self._smoothed(aligned)
        found = Ceilings(None, [], [])
        try:
            assert isinstance(shares, CoSmoothingDiagnostic)  # there are held-out spikes
            co_bps = co_bps_ceiling(
                aligned, smoothed, self._repeats, shares.likelihoods, self._kernel_sd_ms
            )
            found = replace(found, co_bps=co_bps)
        except NotHadError as error:
            found.left_out.append(f"co-bps by condition: {error}")
        self._add_psth_ceilings(found, smoothed, seen.metric(PsthMatch))
        return found

    def _smoothed(self, aligned: np.ndarray) -> SmoothedTrials:
        width = self._case.layout.bin_width_ms
        return SmoothedTrials(
            aligned, smoothing_matrix(aligned.shape[1], width, self._kernel_sd_ms)
        )

    def _add_psth_ceilings(
        self, found: Ceilings, heldout: SmoothedTrials, metric: Optional[PsthMatch]
    ) -> None:
        if metric is None:
            found.left_out.append("psth R2: it is not scored here")
            return
        scores = metric.by_neuron()
        n_heldout = heldout.sums.shape[2]
        for neurons in ("held-out", "all"):
            try:
                if neurons == "held-out":
                    of_them = heldout, scores[len(scores) - n_heldout :]
                else:
                    of_them = self._all_neurons(heldout, len(scores) - n_heldout), scores
                found.psth.append(self._psth_ceiling(neurons, *of_them))
            except NotHadError as error:
                found.left_out.append(f"psth R2 of {neurons} neurons: {error}")

    def _all_neurons(self, heldout: SmoothedTrials, n_heldin: int) -> SmoothedTrials:
        heldin = self._case.inputs.eval_heldin
        if heldin is None:
            raise NotHadError(self._case.inputs.why)
        expected = (*heldout.sums.shape[:2], n_heldin)
        if heldin.shape != expected:
            raise NotHadError(
                f"eval_spikes_heldin of the inputs has shape {heldin.shape}, expected {expected}"
            )
        both = self._smoothed(self._repeats.aligned(heldin))
        both.sums = np.concatenate([both.sums, heldout.sums], axis=2)
        both.weights = np.minimum(both.weights, heldout.weights)
        return both

    def _psth_ceiling(
        self, neurons: str, smoothed: SmoothedTrials, scores: np.ndarray
    ) -> PsthCeiling:
        repeats = self._repeats
        valid = ~np.isnan(self._case.truth[PSTH.name][:, :, 0])
        totals, counted = self._trials_of_psths()
        halves = 2.0 / np.array([len(repeats.conditions[c]) for c in repeats.repeated])
        lengthening = float(halves.mean() / np.mean(1.0 / totals[repeats.repeated]))
        splits = split_half_correlations(smoothed, repeats, valid)
        reliable = spearman_brown(splits, lengthening)
        by_neuron = reliable.mean(axis=0)
        known = np.isfinite(by_neuron)
        if not known.any():
            raise NotHadError("no neuron's PSTH varies")
        ceiling, score = float(by_neuron[known].mean()), float(scores[known].mean())
        return PsthCeiling(
            neurons,
            ceiling,
            float(reliable[:, known].mean(axis=1).std(ddof=1)),
            score,
            score / ceiling if ceiling > 0 else None,
            by_neuron,
            np.where(known, scores, np.nan),
            lengthening,
            int(sum(len(repeats.conditions[c]) for c in repeats.repeated)),
            len(repeats.repeated),
            self._kernel_sd_ms,
            counted,
        )

    def _trials_of_psths(self) -> Tuple[np.ndarray, str]:
        """How many trials each condition's PSTH averages over, and which these are."""
        totals = np.array([float(len(trials)) for trials in self._repeats.conditions])
        try:
            train = [len(trials) for trials in self._case.file["train_cond_idx"][()]]
        except (KeyError, TypeError, ValueError):
            train = []
        if len(train) != len(totals):
            return totals, "the eval trials (the truth does not tell the train trials' conditions)"
        return totals + train, "train and eval trials"


def co_bps_ceiling(
    spikes: np.ndarray,
    smoothed: SmoothedTrials,
    repeats: Repeats,
    likelihoods: Likelihoods,
    kernel_sd_ms: int,
) -> CoBpsCeiling:
    """Score each trial with the smoothed PSTH of the other trials of its condition.

    Parameters
    ----------
    spikes : ndarray (trials, bins, neurons)
        Aligned counts, NaN where not scored.
    smoothed : SmoothedTrials
        Of these spikes.
    repeats : Repeats
    likelihoods : Likelihoods
        Of the submission.
    kernel_sd_ms : int
        Of ``smoothed``, for the record.
    """
    trials = np.concatenate([repeats.conditions[c] for c in repeats.repeated])
    mean = likelihoods.mean_rates().astype(np.float32)
    gains = np.zeros((len(PSEUDO_TRIALS), len(spikes)))
    for condition in repeats.repeated:
        members = repeats.conditions[condition]
        counts = spikes[members]
        scored = ~np.isnan(counts)
        others = smoothed.sums[members].sum(axis=0) - smoothed.sums[members]
        weights = smoothed.weights[members].sum(axis=0) - smoothed.weights[members]
        where = np.nonzero(np.where(scored, counts, 0.0))
        for row, strength in enumerate(PSEUDO_TRIALS):
            rates = (others + strength * mean) / (np.maximum(weights, 0) + strength)[..., None]
            rates = np.maximum(rates, 0)  # what is left of a difference in single precision
            per_spike = counts[where] * np.log(np.maximum(rates[where], 1e-9))
            gains[row, members] = np.bincount(where[0], per_spike, len(members))
            gains[row, members] -= np.where(scored, rates, 0.0).sum(axis=(1, 2), dtype=float)
    gains -= likelihoods.spikes @ np.log(mean) - likelihoods.bins @ mean
    best = int(np.argmax(gains[:, trials].sum(axis=1)))
    counts = likelihoods.spikes[trials].sum(axis=1) * np.log(2)
    ours, theirs = likelihoods.gains()[trials].sum(axis=1), gains[best, trials]
    left = counts.sum() - counts
    with np.errstate(divide="ignore", invalid="ignore"):
        ceiling, score = theirs.sum() / counts.sum(), ours.sum() / counts.sum()
        ceiling_error = jackknife_error((theirs.sum() - theirs) / left)
        fractions = (ours.sum() - ours) / (theirs.sum() - theirs)
    if not np.isfinite(ceiling):
        raise NotHadError("the trials of repeated conditions hold no held-out spike")
    positive = ceiling > 0
    return CoBpsCeiling(
        float(ceiling),
        ceiling_error,
        float(score),
        float(score / ceiling) if positive else None,
        jackknife_error(fractions) if positive else None,
        len(trials),
        len(repeats.repeated),
        PSEUDO_TRIALS[best],
        kernel_sd_ms,
    )


def split_half_correlations(
    smoothed: SmoothedTrials, repeats: Repeats, valid: np.ndarray
) -> np.ndarray:
    """Pearson's r between the PSTHs of two random halves of every condition's trials.

    Parameters
    ----------
    smoothed : SmoothedTrials
    repeats : Repeats
    valid : ndarray of bool (conditions, bins)
        Bins in which psth R2 is scored.

    Returns
    -------
    ndarray (N_SPLITS, neurons)
        Over conditions and bins; NaN for a neuron whose PSTHs do not vary.
    """
    rng = np.random.default_rng(0)
    found = []
    for _ in range(N_SPLITS):
        halves: Tuple[List[np.ndarray], List[np.ndarray]] = ([], [])
        for condition in repeats.repeated:
            members = rng.permutation(repeats.conditions[condition])
            middle = len(members) // 2
            pair = [smoothed.psth(members[:middle]), smoothed.psth(members[middle:])]
            kept = valid[condition] & np.isfinite(pair[0] + pair[1]).all(axis=1)
            for half, psth in zip(halves, pair):
                half.append(psth[kept].astype(float))
        first, second = (np.concatenate(half) for half in halves)
        if not len(first):
            raise NotHadError("no bin of a repeated condition is scored")
        first, second = first - first.mean(axis=0), second - second.mean(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.sqrt(np.square(first).sum(axis=0) * np.square(second).sum(axis=0))
            found.append((first * second).sum(axis=0) / scale)
    return np.array(found)


def spearman_brown(correlation: np.ndarray, lengthening: float) -> np.ndarray:
    """Reliability of a mean over more trials, from that of a mean over fewer.

    Parameters
    ----------
    correlation : ndarray
        Of two independent means; what is negative counts as 0.
    lengthening : float
        How many times less noise variance the longer mean has; 2 for both halves together.

    References
    ----------
    Spearman 1910, Brown 1910, British Journal of Psychology 3.

    Examples
    --------
    >>> round(float(spearman_brown(np.array(0.5), 2)), 4)
    0.6667
    """
    kept = np.maximum(correlation, 0.0)
    return np.asarray(lengthening * kept / (1 + (lengthening - 1) * kept))
