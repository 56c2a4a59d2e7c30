"""Every metric as the same three things: an accumulator, a function, and data for both.

``feed(metric, trials)`` hands an accumulator the chosen eval trials, cut into blocks; ``whole``
calls the plain function on those trials. A property that all metrics share is tested over
``CASES`` in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np

from evaluation_script.metrics import (
    BitsPerSpike,
    PsthMatch,
    SpeedTpCorrelation,
    VelocityDecoding,
    bits_per_spike,
    eval_psth,
    speed_tp_correlation,
)


@dataclass(frozen=True)
class Case:
    """One metric on one set of data."""

    name: str
    n_trials: int
    make: Callable[[np.ndarray], object]
    feed: Callable[[object, np.ndarray, Sequence[int]], None]
    whole: Callable[[np.ndarray], float]


def blocks(n_trials: int, edges: Sequence[int]) -> list:
    """Consecutive (start, stop) pairs cut at ``edges``."""
    cuts = [0, *sorted({edge for edge in edges if 0 < edge < n_trials}), n_trials]
    return list(zip(cuts[:-1], cuts[1:]))


def likelihood(seed: int = 0, with_nan: bool = False) -> Case:
    rng = np.random.default_rng(seed)
    spikes = rng.poisson(0.3, (14, 9, 5)).astype(np.float32)
    spikes[..., 4] = 0  # a silent neuron
    rates = rng.gamma(2.0, 0.15, spikes.shape).astype(np.float32)
    rates[3, 2, 1] = rates[0, 0, 4] = 0.0
    if with_nan:
        spikes[:5, 6:] = np.nan
        spikes[2, 0, 3] = np.nan

    def feed(metric: BitsPerSpike, trials: np.ndarray, edges: Sequence[int]) -> None:
        for start, stop in blocks(len(trials), edges):
            metric.update(rates[trials[start:stop]], spikes[trials[start:stop]])

    return Case(
        "bits per spike" + " with NaN" * with_nan,
        len(spikes),
        lambda trials: BitsPerSpike(),
        feed,  # type: ignore[arg-type]
        lambda trials: bits_per_spike(rates[trials], spikes[trials]),
    )


def velocity(seed: int = 0, masks: int = 1) -> Case:
    rng = np.random.default_rng(seed)
    train = rng.gamma(2.0, 0.1, (21, 8, 6))
    evaluation = rng.gamma(2.0, 0.1, (13, 8, 6))
    readout = rng.normal(size=(6, 2))
    train_behavior = train @ readout + rng.normal(scale=0.3, size=(21, 8, 2))
    eval_behavior = evaluation @ readout + rng.normal(scale=0.3, size=(13, 8, 2))
    train_behavior[4, 3:] = np.nan
    eval_behavior[2, :2, 0] = np.nan
    owner = np.arange(21) % masks, np.arange(13) % masks
    train_mask, eval_mask = (o[:, None] == np.arange(masks) for o in owner)

    def make(trials: np.ndarray) -> VelocityDecoding:
        return VelocityDecoding(
            train_behavior, train_mask, eval_behavior[trials], eval_mask[trials]
        )

    def feed(metric: VelocityDecoding, trials: np.ndarray, edges: Sequence[int]) -> None:
        for start, stop in blocks(len(train), edges):
            metric.update_train(start, train[start:stop, :, :4], train[start:stop, :, 4:])
        for start, stop in blocks(len(trials), edges):
            rates = evaluation[trials[start:stop]]
            metric.update_eval(start, rates[:, :, :4], rates[:, :, 4:])

    def whole(trials: np.ndarray) -> float:
        from evaluation_script.metrics import velocity_decoding

        return velocity_decoding(
            train,
            train_behavior,
            train_mask,
            evaluation[trials],
            eval_behavior[trials],
            eval_mask[trials],
        )

    return Case(f"velocity decoding, {masks} masks", 13, make, feed, whole)  # type: ignore[arg-type]


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

    def feed(metric: PsthMatch, trials: np.ndarray, edges: Sequence[int]) -> None:
        for start, stop in blocks(len(trials), edges):
            block = rates[trials[start:stop]]
            metric.update(start, block[:, :, :2], block[:, :, 2:])

    return Case(
        "psth" + " with jitter" * jitter + " with a condition of one trial" * single,
        11,
        lambda trials: PsthMatch(truth, chosen(trials), shift[trials]),
        feed,  # type: ignore[arg-type]
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

    def feed(metric: SpeedTpCorrelation, trials: np.ndarray, edges: Sequence[int]) -> None:
        for start, stop in blocks(len(trials), edges):
            part = trials[start:stop]
            metric.update(rates[part], ~np.isnan(spikes[part, :, 0]))

    return Case(
        "tp correlation",
        n_trials,
        lambda trials: SpeedTpCorrelation(behavior[trials]),
        feed,  # type: ignore[arg-type]
        lambda trials: speed_tp_correlation(spikes[trials], rates[trials], behavior[trials]),
    )


CASES = [
    likelihood(),
    likelihood(with_nan=True),
    velocity(),
    velocity(masks=2),
    psth(),
    psth(jitter=True),
    psth(single=True),
    timing(),
]
