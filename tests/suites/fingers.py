"""A suite of one's own, as data: what differs from the Neural Latents Benchmark '21 stands here.

Two datasets, 10 and 50 ms bins, three phases (one with public truth), subsets of the metrics, one
dataset without forward windows, one without PSTHs, and a metric of its own.
"""

from __future__ import annotations

from typing import Any, List, Mapping, Optional

import numpy as np

from ..arrays import EVAL, SPIKES, Part
from ..metrics import CoSmoothing, ForwardPrediction, Metric, PsthMatch, VelocityDecoding
from ..metrics.base import Used
from ..metrics.jackknife import jackknife_error
from .session import PsthRule, SeriesBehavior, SessionRules, Window
from .suite import Dataset, Phase, Published, Simulation, Suite


class PopulationRate(Metric):
    """Correlation of predicted and recorded spikes of a trial, summed over held-out neurons."""

    key = "pop r"
    title = "population rate"
    unit = "Pearson r"
    best = 1.0
    about = (
        "The score is Pearson's r, over evaluation trials, of the predicted and the recorded "
        "number of held-out spikes."
    )
    truth = (SPIKES,)
    parts = (EVAL,)
    not_negative = (EVAL.heldout,)

    def __init__(self, truth: Mapping[str, Any]) -> None:
        self._spikes: np.ndarray = truth[SPIKES.name]
        self._predicted: List[np.ndarray] = []

    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        scored = ~np.isnan(self._spikes[start : start + len(heldout)])
        self._predicted.append(np.where(scored, heldout, 0.0).sum(axis=(1, 2), dtype=float))

    def used(self, part: Part, start: int, stop: int) -> Optional[Used]:
        return np.zeros((1, 1, 1), bool), ~np.isnan(self._spikes[start:stop])

    def compute(self) -> float:
        return self._r(np.ones(len(self._spikes), bool))

    def standard_error(self) -> Optional[float]:
        trials = np.arange(len(self._spikes))
        return jackknife_error(np.array([self._r(trials != left_out) for left_out in trials]))

    def _r(self, trials: np.ndarray) -> float:
        recorded = np.nansum(self._spikes, axis=(1, 2), dtype=float)
        predicted = np.concatenate(self._predicted)
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.corrcoef(predicted[trials], recorded[trials])[0, 1])


_TAP = Window("tap_time", -200, 300)
_SQUEEZE = Window("squeeze_time", -100, 400)

SUITE = Suite(
    name="fingers",
    title="Fingers & <Squeezes>",
    rules_version="0.3",
    bin_widths_ms=(10, 50),
    ranked_bin_width_ms=10,
    ranked_by=CoSmoothing,
    phases=(
        Phase("practice", "Practice", ("train",), "dev", True, None, True),
        Phase("qualifier", "Qualifier", ("train", "dev"), "first", False, 3, False),
        Phase("final", "Final", ("train", "dev", "first"), "last", False, 3, False),
    ),
    datasets=(
        Dataset(
            name="taps",
            title="Taps",
            task="Tapping with three fingers, monkey",
            area="Primary motor cortex",
            board="taps",
            metrics=(CoSmoothing, VelocityDecoding, PopulationRate, ForwardPrediction),
            window_ms=500,
            forward_ms=100,
            behavior=SeriesBehavior("finger_vel", lag_ms=50, width=3),
            published=Published(n_heldin=80, n_heldout=24, n_eval={"practice": 40}),
            session=SessionRules(train_window=_TAP, eval_window=_TAP),
            simulation=Simulation(conditions=(4, 12)),
            kernel_sd_ms=40,
        ),
        Dataset(
            name="squeezes",
            title="Squeezes",
            task="Squeezing a ball, monkey",
            area="Brodmann area 2",
            board="squeezes",
            metrics=(CoSmoothing, PsthMatch),
            window_ms=500,
            session=SessionRules(
                train_window=_SQUEEZE,
                eval_window=_SQUEEZE,
                psth=PsthRule(("force",), _SQUEEZE, kernel_sd_ms=50),
            ),
            simulation=Simulation(conditions=(4, 12)),
        ),
    ),
)
