"""The baseline for real sessions smooths held-in spikes, and reads held-out rates off them.

It is the model of the reference's examples (smoothed spikes, log rates as regressors), with a
linear (ridge) instead of a Poisson regression. It takes seconds, and is the floor that every
better model has to beat. The embedded sample has models of its own, in ``sample.models``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Mapping, Optional

import numpy as np
from numpy.typing import NDArray
from scipy import signal
from sklearn.linear_model import Ridge

from evaluation_script.suites import Dataset, Suite
from nlb_evalai.truth.build import Result, Sources, StepProgress, write_trials

#: Added before the logarithm, as in the reference.
_LOG_OFFSET = 1e-4
_RIDGE_PENALTY = 100.0
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
        per bin (trials, bins, units); NaN counts as no spike.

    Returns
    -------
    dict
        ``train_`` and ``eval_rates_heldin`` and ``_heldout``, in spikes per bin, > 0.
    """
    sd_bins = dataset.kernel_sd_ms / bin_width_ms
    train = _smooth(np.nan_to_num(inputs["train_spikes_heldin"]), sd_bins)
    evaluate = _smooth(np.nan_to_num(inputs["eval_spikes_heldin"]), sd_bins)
    heldout = np.nan_to_num(inputs["train_spikes_heldout"])
    n_heldout = heldout.shape[2]
    model = Ridge(_RIDGE_PENALTY)
    if n_heldout:
        model.fit(_regressors(train), heldout.reshape(-1, n_heldout))
    floor = np.maximum(heldout.mean(axis=(0, 1)) * _FLOOR_SHARE, _SMALLEST_RATE)

    def predict(smoothed: NDArray) -> NDArray[np.float32]:
        if not n_heldout:
            return np.zeros((*smoothed.shape[:2], 0), np.float32)
        rates = np.maximum(model.predict(_regressors(smoothed)), floor)
        return rates.reshape(*smoothed.shape[:2], n_heldout).astype(np.float32)

    return {
        "train_rates_heldin": train.astype(np.float32),
        "train_rates_heldout": predict(train),
        "eval_rates_heldin": evaluate.astype(np.float32),
        "eval_rates_heldout": predict(evaluate),
    }


def _smooth(spikes: NDArray, sd_bins: float) -> NDArray:
    length = max(1, int(6 * sd_bins))
    kernel = signal.windows.gaussian(length, sd_bins, sym=True).astype(spikes.dtype)
    kernel /= kernel.sum()
    smoothed = signal.fftconvolve(spikes, kernel[None, :, None], "same", axes=1)
    return np.maximum(smoothed, _SMALLEST_RATE)


def _regressors(smoothed: NDArray) -> NDArray:
    return np.log(smoothed.reshape(-1, smoothed.shape[2]) + _LOG_OFFSET)
