"""What submissions can find out about hidden truth, attack by attack, on simulated truth.

    python benchmarks/leak.py [--submissions 140] [--seed 0]

Every attack talks to the metrics' own classes, through what a phase refuses and shows. Each runs
twice: with scores and error bars merely rounded to four decimals, and by today's rules of the test
phase. The table that it prints stands in docs/security.md.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from evaluation_script.arrays import EVAL, TRAIN
from evaluation_script.leaderboard import shown, shown_error
from evaluation_script.metrics import CoSmoothing, VelocityDecoding
from evaluation_script.scorecard import Score
from evaluation_script.submission.audit import MAX_RATE
from evaluation_script.suites import DEFAULT_SUITE, Phase

TODAY = DEFAULT_SUITE.phase("test")
ROUNDED = replace(TODAY, score_floor=None, smallest_rate=None, error_decimals=4)
#: as in the smallest scaling dataset's test phase
TRIALS, BINS, NEURONS = 100, 140, 35
MEAN_RATE = 0.05


@dataclass
class Host:
    """A scorer that shows what a phase lets it show, and counts who asks."""

    phase: Phase
    spikes: np.ndarray
    asked: int = 0

    def co_bps(self, rates: np.ndarray) -> Tuple[float, float]:
        """The shown score and error bar of held-out rates."""
        self.asked += 1
        least = self.phase.smallest_rate or 0.0
        assert not ((rates > 0) & (rates < least)).any(), "refused"
        assert rates.max() <= MAX_RATE, "refused"
        metric = CoSmoothing({"eval_spikes_heldout": self.spikes})
        metric.update(EVAL, 0, rates[..., :0], rates)
        score = Score(metric.compute(), metric.standard_error())
        bar = shown_error(score, self.phase)
        assert bar is not None
        return shown(score.value, self.phase), bar

    @property
    def smallest(self) -> float:
        """The smallest positive rate that it takes."""
        return self.phase.smallest_rate or 1e-300


@dataclass
class World:
    """Spikes (trials, bins, neurons), the rates of an honest model, and what it does not know.

    The model lacks one latent, whose course and loading (1, bins, neurons) training data tell;
    how strong it is differs from trial to trial.
    """

    spikes: np.ndarray
    honest: np.ndarray
    lacking: np.ndarray


def simulated(seed: int) -> World:
    """A world of the sizes above; worlds of other seeds are other trials of it."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng(seed)
    time = np.linspace(0, 6, BINS)[None, :, None]
    courses = np.concatenate([np.sin(time), np.cos(time), np.sin(2 * time)], axis=2)
    loading = fixed.normal(scale=0.5, size=(3, NEURONS))
    latents = rng.normal(size=(TRIALS, 1, 3)) * courses
    spikes = rng.poisson(MEAN_RATE * np.exp(latents @ loading)).astype(np.float32)
    honest = MEAN_RATE * np.exp(latents[..., :2] @ loading[:2])
    return World(spikes, honest, courses[..., 2:] * loading[2])


def gain(spikes: np.ndarray, honest: np.ndarray, better: np.ndarray) -> float:
    """By how much co-bps rises."""

    def exact(rates: np.ndarray) -> float:
        metric = CoSmoothing({"eval_spikes_heldout": spikes})
        metric.update(EVAL, 0, rates[..., :0], rates)
        return metric.compute()

    return exact(better) - exact(honest)


def likely_bins(honest: np.ndarray, count: int, one_a_trial: bool = False) -> np.ndarray:
    """Bins (count, 3) in which the model expects a spike, and hardly ever two."""
    best = np.argsort(np.where(honest < 0.2, honest, 0.0), axis=None)[::-1]
    if one_a_trial:
        trial = best // (BINS * NEURONS)
        best = best[np.sort(np.unique(trial, return_index=True)[1])]
    return np.column_stack(np.unravel_index(best[:count], honest.shape))


def digits(
    host: Host, honest: np.ndarray, submissions: int, from_bars: bool = False
) -> Tuple[int, int, float]:
    """Read whether bins hold a spike, several at a time: each moves the score by twice the last.

    Returns
    -------
    int, int, float
        Bins read right, bins read in all, and what co-bps gains from them.
    """
    n_spikes = host.spikes.sum()  # a submission of scaled rates tells it
    base, base_bar = host.co_bps(honest)
    decimals = host.phase.error_decimals if from_bars else host.phase.score_decimals
    assert decimals is not None
    unit = 10.0**-decimals * n_spikes * np.log(2)  # nats that move the last digit
    deepest = np.log(0.1 / host.smallest)
    weights: List[float] = [2 * unit]
    while weights[-1] * 2 < deepest:
        weights.append(weights[-1] * 2)
    if weights[0] > deepest:
        return 0, 0, 0.0  # one spike does not move the last digit for certain
    n_each = len(weights)
    n_asked = min(submissions - 1, TRIALS // n_each if from_bars else submissions)
    bins = likely_bins(honest, n_asked * n_each, from_bars)
    better, right = honest.copy(), 0
    for first in range(0, len(bins) // n_each * n_each, n_each):
        chosen = tuple(bins[first : first + n_each].T)
        rates = honest.copy()
        rates[chosen] = honest[chosen] * np.exp(-np.array(weights))
        rates[chosen] = np.maximum(rates[chosen], host.smallest)
        moved = np.log(rates[chosen] / honest[chosen]) / n_spikes / np.log(2)
        saved = (honest[chosen] - rates[chosen]).sum() / n_spikes / np.log(2)
        score, bar = host.co_bps(rates)
        found = _decoded(score - base - saved, bar, base_bar, moved, from_bars)
        truth = host.spikes[chosen] > 0
        right += int((found == truth).sum())
        better[chosen] = np.where(found, 1.0, 1e-3)
    return right, len(bins) // n_each * n_each, gain(host.spikes, honest, better)


def _decoded(
    change: float, bar: float, base_bar: float, moved: np.ndarray, from_bars: bool
) -> np.ndarray:
    """Which bins hold a spike, so that the shown numbers follow."""
    best, nearest = np.zeros(len(moved), bool), np.inf
    for code in range(2 ** len(moved)):
        spikes = np.array([code >> i & 1 for i in range(len(moved))], bool)
        steps = moved[spikes]
        expected = np.sqrt(base_bar**2 + np.square(steps).sum()) if from_bars else steps.sum()
        distance = abs(expected - (bar if from_bars else change))
        if distance < nearest:
            best, nearest = spikes, distance
    return best


def velocity(phase: Phase, seed: int) -> float:
    """Read one hidden velocity from three scores; the error in standard deviations of velocity."""
    rng = np.random.default_rng(seed)
    shape = (TRIALS, BINS)
    train_rates, hidden = rng.gamma(2.0, 0.1, (*shape, 1)), rng.normal(size=(*shape, 2))
    train = np.concatenate([train_rates, train_rates], axis=2)  # velocity equals the rate
    ones = np.ones((TRIALS, 1), bool)
    truth = {
        "train_behavior": train,
        "train_decode_mask": ones,
        "eval_behavior": hidden,
        "eval_decode_mask": ones,
    }

    def ask(at: float) -> float:
        rates = np.zeros((*shape, 1))
        rates[0, 0, 0] = at
        metric = VelocityDecoding(truth)
        metric.update(TRAIN, 0, train_rates, train_rates[..., :0])
        metric.update(EVAL, 0, rates, rates[..., :0])
        return shown(metric.compute(), phase)

    # R2(c) = R2(0) - (c^2 - 2 c v) / total, alike in x and y; so two more scores give the mean v
    far = 1e5 if phase.score_floor is None else np.sqrt(0.9 * hidden[..., 0].size)
    low, middle, high = ask(-far), ask(0.0), ask(far)
    total = far**2 / (middle - (low + high) / 2)
    weights = 1 / hidden.var(axis=(0, 1))
    return abs((high - low) * total / (4 * far) - hidden[0, 0] @ weights / weights.sum())


def lengths(phase: Phase, seed: int) -> int:
    """How many bins one submission can ask "are you scored?" (the set-go interval of dmfc_rsg)."""
    rng = np.random.default_rng(seed)
    spikes = rng.poisson(MEAN_RATE, (40, 300, 15)).astype(np.float32)
    for trial, start in enumerate(rng.integers(60, 200, 40)):
        spikes[trial, :start] = np.nan
    host = Host(phase, spikes)
    honest = np.full(spikes.shape, MEAN_RATE)
    base, _ = host.co_bps(honest)
    unit = 2e-4 * np.nansum(spikes) * np.log(2)  # a rate that moves the score for certain
    for count in range(1, 40):
        asked = unit * 2.0 ** np.arange(count)
        bins = rng.integers(40, 220, count)
        if asked[-1] > MAX_RATE:
            return count - 1
        rates = honest.copy()
        rates[np.arange(count), bins, 0] += asked
        score, _ = host.co_bps(rates)
        # a scored bin loses its rate, and gains little if it holds a spike
        code = round((base - score) * np.nansum(spikes) * np.log(2) / unit)
        found = np.array([code >> i & 1 for i in range(count)], bool)
        held = spikes[np.arange(count), bins, 0]
        if (found != ~np.isnan(held)).any() and not np.nansum(held):
            return count - 1
    return 39


def boosting(host: Host, world: World, submissions: int, seed: int) -> Tuple[float, float]:
    """Change every trial at random, and learn from the scores which way each should go.

    The idea is that of Blum and Hardt 2015 (arXiv:1502.04585); the changes are along what the model
    lacks, and least squares replace the vote.

    Returns
    -------
    float, float
        The gain in co-bps on the trials that were scored, and on as many others.
    """
    rng, size = np.random.default_rng(seed), 0.5
    nats = world.spikes.sum() * np.log(2)
    signs = rng.choice([-size, size], (submissions - 1, TRIALS))
    base, _ = host.co_bps(world.honest)
    curvature = (world.honest * world.lacking**2).sum(axis=(1, 2))
    gained = []
    for steps in signs:
        rates = world.honest * np.exp(steps[:, None, None] * world.lacking)
        score, _ = host.co_bps(rates)
        gained.append((score - base) * nats + (rates - world.honest).sum())
    slope = np.linalg.lstsq(signs, np.array(gained), rcond=None)[0]
    slope -= (world.honest * world.lacking).sum(axis=(1, 2))
    change = np.exp((slope / curvature).clip(-2, 2)[:, None, None] * world.lacking)
    others = simulated(seed + 1)
    return (
        gain(world.spikes, world.honest, world.honest * change),
        gain(others.spikes, others.honest, others.honest * change),
    )


def rows(submissions: int, seed: int) -> Dict[str, Callable[[Phase], str]]:
    """Attack -> what it finds under the rules of a phase, in words."""
    world = simulated(seed)

    def reading(from_bars: bool) -> Callable[[Phase], str]:
        def run(phase: Phase) -> str:
            right, tried, gained = digits(
                Host(phase, world.spikes), world.honest, submissions, from_bars
            )
            if not tried:
                return "nothing: one spike does not move it"
            return f"{right} of {tried} bins; co-bps {gained:+.4f}"

        return run

    def boosted(phase: Phase) -> str:
        seen, unseen = boosting(Host(phase, world.spikes), world, submissions, seed)
        return f"co-bps {seen:+.4f} ({unseen:+.4f} on trials never scored)"

    return {
        "spikes, by the digits of co-bps": reading(False),
        "spikes, by the digits of its error bar": reading(True),
        "a velocity, by vel R2 (3 submissions)": lambda phase: (
            f"to {velocity(phase, seed):.0e} standard deviations"
        ),
        "set-go intervals: bins asked in one submission": lambda phase: str(lengths(phase, seed)),
        "boosting": boosted,
    }


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=140, help="quota (default: 140)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print(f"| attack, {options.submissions} submissions | rounded only | rules of today |")
    print("|---|---|---|")
    for attack, run in rows(options.submissions, options.seed).items():
        print(f"| {attack} | {run(ROUNDED)} | {run(TODAY)} |", flush=True)


if __name__ == "__main__":
    main()
