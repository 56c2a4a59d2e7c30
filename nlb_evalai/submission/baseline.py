"""The baseline for real sessions smooths held-in spikes, and reads held-out rates off them.

It is the model of the reference's examples (smoothed spikes, log rates as regressors), with a
linear (ridge) instead of a Poisson regression. Forward rates are constant over the forward window,
and read off the smoothed spikes of the last bin before it. It takes seconds, and is the floor that
every better model has to beat. The embedded sample has models of its own, in ``sample.models``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, Mapping, Optional

import numpy as np
from numpy.typing import NDArray
from scipy import signal
from sklearn.linear_model import Ridge

from evaluation_script.suites import Dataset, Suite
from nlb_evalai.truth.build import Result, Sources, StepProgress, write_trials

#: Added before the logarithm, as in the reference.
_LOG_OFFSET = 1e-4
_RIDGE_PENALTY = 100.0
#: There is one row a trial to learn forward rates from, so more weight lies on the mean: a share of
#: the regressors' summed variance, as in the embedded sample's model.
_FORWARD_PENALTY_SHARE = 2.0
#: A line can go below 0, a rate cannot: no lower than this share of the unit's mean.
_FLOOR_SHARE = 0.1
_SMALLEST_RATE = 1e-9


def build_baseline(
    phase: str,
    sources: Sources,
    out: Path,
    suite: Suite,
    seed: int = 0,
    progress: Optional[StepProgress] = None,
) -> Result:
    """Write the baseline's submission for a phase.

    Raises
    ------
    SessionError
        If a session does not hold what is needed; nothing is written then.
    """
    return write_trials(phase, sources, out, suite, seed, progress, model=baseline_rates)


def baseline_rates(
    dataset: Dataset, bin_width_ms: int, inputs: Mapping[str, NDArray]
) -> Dict[str, NDArray[np.float32]]:
    """Submission arrays of one group, from its model inputs.

    Parameters
    ----------
    dataset : Dataset
        Gives the width of the kernel.
    bin_width_ms : int
    inputs : mapping
        ``train_spikes_heldin``, ``train_spikes_heldout``, ``eval_spikes_heldin``, in spikes
        per bin (trials, bins, units); NaN counts as no spike. With
        ``train_spikes_heldin_forward`` and ``train_spikes_heldout_forward`` (trials, forward
        bins, units) there are forward rates, too, if the trials are those of the other spikes
        and something was recorded; there NaN counts as nothing recorded.

    Returns
    -------
    dict
        ``train_`` and ``eval_rates_heldin`` and ``_heldout``, and where there can be
        ``eval_rates_heldin_forward`` and ``_heldout_forward``, in spikes per bin, > 0.
    """
    sd_bins = dataset.kernel_sd_ms / bin_width_ms
    train = _smooth(np.nan_to_num(inputs["train_spikes_heldin"]), sd_bins)
    evaluate = _smooth(np.nan_to_num(inputs["eval_spikes_heldin"]), sd_bins)
    heldout = np.nan_to_num(inputs["train_spikes_heldout"])
    n_trials, n_bins, n_heldout = heldout.shape  # none may be held out, so no -1 below
    to_heldout = _fitted(_regressors(train), heldout.reshape(n_trials * n_bins, n_heldout))

    def predict(smoothed: NDArray) -> NDArray[np.float32]:
        rates = to_heldout(_regressors(smoothed))
        return rates.reshape(*smoothed.shape[:2], n_heldout).astype(np.float32)

    rates = {
        "train_rates_heldin": train.astype(np.float32),
        "train_rates_heldout": predict(train),
        "eval_rates_heldin": evaluate.astype(np.float32),
        "eval_rates_heldout": predict(evaluate),
    }
    for kind in ("heldin", "heldout"):
        following = inputs.get(f"train_spikes_{kind}_forward")
        if following is None or len(following) != len(train) or np.isnan(following).all():
            continue
        rates[f"eval_rates_{kind}_forward"] = _forward_rates(train, evaluate, following)
    return rates


def _forward_rates(train: NDArray, evaluate: NDArray, following: NDArray) -> NDArray[np.float32]:
    """One rate for the whole forward window, read off the last bin: (eval trials, bins, units)."""
    recorded = ~np.isnan(following)
    mean = np.nansum(following, axis=1) / np.maximum(recorded.sum(axis=1), 1)
    usable = recorded.any(axis=(1, 2))
    last = _regressors(train[usable, -1:])
    penalty = _FORWARD_PENALTY_SHARE * len(last) * max(float(last.var(axis=0).mean()), 1e-6)
    predict = _fitted(last, mean[usable], penalty)
    rates = predict(_regressors(evaluate[:, -1:])).astype(np.float32)
    return np.repeat(rates[:, None], following.shape[1], axis=1)


def _fitted(
    regressors: NDArray, counts: NDArray, penalty: float = _RIDGE_PENALTY
) -> Callable[[NDArray], NDArray]:
    """A ridge regression to counts; what it predicts is a rate, which does not go below 0."""
    if not counts.shape[1]:
        return lambda values: np.zeros((len(values), 0))
    model = Ridge(penalty).fit(regressors, counts)
    floor = np.maximum(counts.mean(axis=0) * _FLOOR_SHARE, _SMALLEST_RATE)
    return lambda values: np.maximum(model.predict(values), floor)


def _smooth(spikes: NDArray, sd_bins: float) -> NDArray:
    length = max(1, int(6 * sd_bins))
    kernel = signal.windows.gaussian(length, sd_bins, sym=True).astype(spikes.dtype)
    kernel /= kernel.sum()
    smoothed = signal.fftconvolve(spikes, kernel[None, :, None], "same", axes=1)
    return np.maximum(smoothed, _SMALLEST_RATE)


def _regressors(smoothed: NDArray) -> NDArray:
    return np.log(smoothed.reshape(-1, smoothed.shape[2]) + _LOG_OFFSET)
