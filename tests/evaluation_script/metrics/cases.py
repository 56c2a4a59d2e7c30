"""Every metric as the same three things: its class, its plain function, and data for both.

A property that all metrics share is tested over ``CASES`` in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Sequence, Tuple, Type

import numpy as np

from evaluation_script.arrays import EVAL, FORWARD, TRAIN, Part
from evaluation_script.metrics import (
    CoSmoothing,
    ForwardPrediction,
    Metric,
    PsthMatch,
    SpeedTpCorrelation,
    VelocityDecoding,
    bits_per_spike,
    eval_psth,
    speed_tp_correlation,
    velocity_decoding,
)


@dataclass(frozen=True)
class Case:
    """One metric on one set of data.

    ``truth`` and ``rates`` (part -> held-in and held-out) give the arrays of chosen eval trials,
    ``whole`` what the plain function makes of them.
    """

    name: str
    metric: Type[Metric]
    n_trials: int
    truth: Callable[[np.ndarray], Dict[str, Any]]
    rates: Callable[[np.ndarray], Dict[Part, Tuple[np.ndarray, np.ndarray]]]
    whole: Callable[[np.ndarray], float]

    def fed(self, trials: np.ndarray, edges: Sequence[int]) -> Metric:
        """The metric after it took the chosen trials, each part cut into blocks."""
        metric = self.metric(self.truth(trials))
        for part, (heldin, heldout) in self.rates(trials).items():
            cuts = [0, *sorted({edge for edge in edges if 0 < edge < len(heldin)}), len(heldin)]
            for start, stop in zip(cuts[:-1], cuts[1:]):
                metric.update(part, start, heldin[start:stop], heldout[start:stop])
        return metric


def _spikes_and_rates(seed: int, with_nan: bool) -> Tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    spikes = rng.poisson(0.3, (14, 9, 5)).astype(np.float32)
    spikes[..., 4] = 0  # a silent neuron
    rates = rng.gamma(2.0, 0.15, spikes.shape).astype(np.float32)
    rates[3, 2, 1] = rates[0, 0, 4] = 0.0
    if with_nan:
        spikes[:5, 6:] = np.nan
        spikes[2, 0, 3] = np.nan
    return spikes, rates


def co_smoothing(seed: int = 0, with_nan: bool = False) -> Case:
    spikes, rates = _spikes_and_rates(seed, with_nan)
    return Case(
        "co-smoothing" + " with NaN" * with_nan,
        CoSmoothing,
        len(spikes),
        lambda trials: {"eval_spikes_heldout": spikes[trials]},
        lambda trials: {EVAL: (rates[trials][..., :2], rates[trials])},
        lambda trials: bits_per_spike(rates[trials], spikes[trials]),
    )


def forward(seed: int = 1, with_nan: bool = False) -> Case:
    spikes, rates = _spikes_and_rates(seed, with_nan)
    return Case(
        "forward prediction" + " with NaN" * with_nan,
        ForwardPrediction,
        len(spikes),
        lambda trials: {
            "eval_spikes_heldin_forward": spikes[trials][..., :3],
            "eval_spikes_heldout_forward": spikes[trials][..., 3:],
        },
        lambda trials: {FORWARD: (rates[trials][..., :3], rates[trials][..., 3:])},
        lambda trials: bits_per_spike(rates[trials], spikes[trials]),
    )


def velocity(seed: int = 0, masks: int = 1, columns: int = 2) -> Case:
    rng = np.random.default_rng(seed)
    train = rng.gamma(2.0, 0.1, (21, 8, 6))
    evaluation = rng.gamma(2.0, 0.1, (13, 8, 6))
    readout = rng.normal(size=(6, columns))
    train_behavior = train @ readout + rng.normal(scale=0.3, size=(21, 8, columns))
    eval_behavior = evaluation @ readout + rng.normal(scale=0.3, size=(13, 8, columns))
    train_behavior[4, 3:] = np.nan
    eval_behavior[2, :2, 0] = np.nan
    owner = np.arange(21) % masks, np.arange(13) % masks
    train_mask, eval_mask = (o[:, None] == np.arange(masks) for o in owner)
    return Case(
        f"velocity decoding, {masks} masks, {columns} columns",
        VelocityDecoding,
        13,
        lambda trials: {
            "train_behavior": train_behavior,
            "train_decode_mask": train_mask,
            "eval_behavior": eval_behavior[trials],
            "eval_decode_mask": eval_mask[trials],
        },
        lambda trials: {
            TRAIN: (train[..., :4], train[..., 4:]),
            EVAL: (evaluation[trials][..., :4], evaluation[trials][..., 4:]),
        },
        lambda trials: velocity_decoding(
            train,
            train_behavior,
            train_mask,
            evaluation[trials],
            eval_behavior[trials],
            eval_mask[trials],
        ),
    )


def psth(seed: int = 0, jitter: bool = False, single: bool = False) -> Case:
    rng = np.random.default_rng(seed)
    truth = rng.gamma(2.0, 0.1, (4, 10, 5))
    truth[1, 8:] = np.nan  # padded at the end
    if jitter:
        truth[:, :4] = np.nan  # a jittered trial shifts nothing in from outside
    truth[..., 3] = np.where(np.isnan(truth[..., 3]), np.nan, 0.0)  # constant, unmatched
    members = [np.array([0, 3, 6, 9]), np.array([1, 4]), np.array([], int), np.array([2, 5, 7])]
    if single:
        members[1] = np.array([4])
    rates = rng.gamma(2.0, 0.1, (11, 10, 5))
    shift = rng.integers(0, 4, 11) if jitter else np.zeros(11, int)

    def chosen(trials: np.ndarray) -> list:
        position = {trial: index for index, trial in enumerate(trials)}
        return [np.array([position[t] for t in m if t in position], int) for m in members]

    return Case(
        "psth" + " with jitter" * jitter + " with a condition of one trial" * single,
        PsthMatch,
        11,
        lambda trials: {
            "psth": truth,
            "eval_cond_idx": chosen(trials),
            "eval_jitter": shift[trials],
        },
        lambda trials: {EVAL: (rates[trials][..., :2], rates[trials][..., 2:])},
        lambda trials: eval_psth(truth, rates[trials], chosen(trials), shift[trials]),
    )


def timing(seed: int = 0) -> Case:
    rng = np.random.default_rng(seed)
    n_trials = 16
    behavior = np.column_stack(
        [np.arange(n_trials) % 2, np.zeros(n_trials), np.arange(n_trials) // 2 % 2,
         np.full(n_trials, 800.0), rng.normal(800, 60, n_trials)]
    )  # fmt: skip
    behavior[5] = np.nan
    rates = rng.gamma(2.0, 0.1, (n_trials, 12, 4))
    spikes = rng.poisson(0.4, (n_trials, 12, 3)).astype(float)
    for trial in range(n_trials):
        spikes[trial, : trial % 4] = np.nan
    spikes[7, 6] = np.nan  # a gap in the middle is skipped over
    return Case(
        "tp correlation",
        SpeedTpCorrelation,
        n_trials,
        lambda trials: {"eval_spikes_heldout": spikes[trials], "eval_behavior": behavior[trials]},
        lambda trials: {EVAL: (rates[trials][..., :3], rates[trials][..., 3:])},
        lambda trials: speed_tp_correlation(spikes[trials], rates[trials], behavior[trials]),
    )


CASES = [
    co_smoothing(),
    co_smoothing(with_nan=True),
    forward(),
    forward(with_nan=True),
    velocity(),
    velocity(masks=2),
    velocity(columns=3),
    psth(),
    psth(jitter=True),
    psth(single=True),
    timing(),
]
