"""Forward prediction: spikes in the window that follows what a model has seen (fp-bps)."""

from __future__ import annotations

from typing import Any, Mapping, Optional

import numpy as np

from ..arrays import FORWARD, Axis, Kind, Part, TruthArray
from .base import Used
from .likelihood import BitsPerSpike

HELDIN = TruthArray(
    "eval_spikes_heldin_forward", (Axis.EVAL_TRIALS, Axis.FORWARD_BINS, Axis.HELDIN), Kind.COUNTS
)
HELDOUT = TruthArray(
    "eval_spikes_heldout_forward", (Axis.EVAL_TRIALS, Axis.FORWARD_BINS, Axis.HELDOUT), Kind.COUNTS
)


class ForwardPrediction(BitsPerSpike):
    """``bits_per_spike`` of all neurons, held-in and held-out together, in the forward window."""

    key = "fp-bps"
    title = "forward prediction"
    summary = "Forward prediction: bits per spike of the {forward} after the window"
    about = (
        "The score is computed as in co-smoothing, but for all neurons, held-in and held-out, in "
        "the {forward} after the scored window."
    )
    truth = (HELDIN, HELDOUT)
    parts = (FORWARD,)
    absent = "no forward predictions were submitted"
    not_negative = FORWARD.arrays

    def __init__(self, truth: Mapping[str, Any]) -> None:
        super().__init__()
        self._heldin: np.ndarray = truth[HELDIN.name]
        self._heldout: np.ndarray = truth[HELDOUT.name]

    @classmethod
    def unfit(cls, truth: Mapping[str, Any]) -> Optional[str]:
        spikes = np.nansum(truth[HELDIN.name]) + np.nansum(truth[HELDOUT.name])
        return None if spikes > 0 else "there is no spike in the forward window"

    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        trials = slice(start, start + len(heldin))
        self.add(
            np.concatenate([heldin, heldout], axis=2),
            np.concatenate([self._heldin[trials], self._heldout[trials]], axis=2),
        )

    def used(self, part: Part, start: int, stop: int) -> Optional[Used]:
        return ~np.isnan(self._heldin[start:stop]), ~np.isnan(self._heldout[start:stop])
