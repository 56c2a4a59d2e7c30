"""Are error bars as wide as scores spread? Simulated sessions whose eval trials are drawn anew.

    python benchmarks/calibration.py [--sessions 6] [--draws 60] [--seed 0]

A session fixes what conditions, neurons, PSTHs, the training set and so the decoder are. Then its
eval trials are drawn again and again: at random from the same mix of conditions, and for psth R2 as
many of each condition. What is printed for each metric is the mean error bar over the standard
deviation of the score, averaged over sessions, with the least and the greatest session. The
metrics' own classes compute both. The tables that it prints stand in docs/scoring.md.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Tuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from evaluation_script.arrays import EVAL, FORWARD, TRAIN
from evaluation_script.metrics import (
    CoSmoothing,
    ForwardPrediction,
    Metric,
    PsthMatch,
    SpeedTpCorrelation,
    VelocityDecoding,
)
from evaluation_script.metrics.jackknife import block_starts

#: bins of 20 ms in a trial and in what follows it, neurons, and latents that move them
BINS, FORWARD_BINS, HELDIN, HELDOUT, LATENTS = 30, 10, 14, 8, 4
#: spread of log rates by the latents, and of a trial's latents about its condition's
MODULATION, VARIABILITY = 0.5, 0.35
#: spread of log gain, of log speed, and of the direction of movement (rad), where they drift
DRIFT = 0.2

#: the scores of one draw and their error bars, by what they are called
Draw = Dict[str, Tuple[float, float]]


def smooth(rng: np.random.Generator, shape: Tuple[int, ...], sd: float = 4.0) -> np.ndarray:
    """Gaussian noise of unit variance, smooth along the last axis but one."""
    noise = gaussian_filter1d(rng.normal(size=shape), sd, axis=-2, mode="wrap")
    return noise * np.sqrt(2 * sd * np.sqrt(np.pi))


@dataclass
class Drawn:
    """Trials: spikes and predicted rates (trials, bins + forward bins, neurons), and velocity."""

    spikes: np.ndarray
    rates: np.ndarray
    velocity: np.ndarray


class Session:
    """What stays the same while eval trials are drawn: neurons, conditions, training trials.

    Parameters
    ----------
    seed : int
    n_train : int
        Training trials.
    sizes : ndarray of int (conditions,), optional
        Eval trials of each condition; None: behavior is continuous and repeats nothing.
    smoothing : bool
        Whether the model's held-in rates are smoothed spikes, from which the held-out ones follow,
        or all are those of latents that are nearly right.
    n_heldin, n_heldout : int
        Neurons.
    """

    def __init__(
        self,
        seed: int,
        n_train: int,
        sizes: Optional[np.ndarray] = None,
        smoothing: bool = False,
        n_heldin: int = HELDIN,
        n_heldout: int = HELDOUT,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.sizes, self.smoothing, self.n_heldin = sizes, smoothing, n_heldin
        loading = self.rng.normal(size=(LATENTS, n_heldin + n_heldout))
        self.loading = loading * MODULATION / np.linalg.norm(loading, axis=0)
        self.log_rate = np.log(0.4) + self.rng.normal(scale=0.5, size=n_heldin + n_heldout)
        self.readout = self.rng.normal(size=(LATENTS, 2))
        n_conditions = 1 if sizes is None else len(sizes)
        self.courses = smooth(self.rng, (n_conditions, BINS + FORWARD_BINS, LATENTS))
        self.train = self.drawn(self.rng.integers(n_conditions, size=n_train))
        if sizes is not None:
            self.condition = np.repeat(np.arange(n_conditions), sizes)
            # as real PSTHs: smoothed spikes, averaged over several times as many trials
            recorded = self.drawn(np.repeat(np.arange(n_conditions), 4 * sizes)).spikes[:, :BINS]
            psths = gaussian_filter1d(recorded.astype(float), 2.5, axis=1)
            ends = np.cumsum(4 * sizes)
            self.psth = np.array([psths[b - 4 * n : b].mean(axis=0) for b, n in zip(ends, sizes)])

    def drawn(self, condition: np.ndarray, memory: float = 0.0) -> Drawn:
        """New trials of these conditions.

        With a ``memory`` in trials, what the model cannot know drifts: the gain of all neurons and
        of each, the speed of movement, and its direction.
        """
        rng, n_trials = self.rng, len(condition)
        if self.sizes is None:
            # one stretch of behavior; each trial sees the next one's start as its forward window
            whole = smooth(rng, ((n_trials + 1) * BINS, LATENTS), 8.0).reshape(-1, BINS, LATENTS)
            latents = np.concatenate([whole[:-1], whole[1:, :FORWARD_BINS]], axis=1)
        else:
            own = smooth(rng, (n_trials, BINS + FORWARD_BINS, LATENTS))
            latents = self.courses[condition] + VARIABILITY * own
        n_neurons = len(self.log_rate)
        gain, speed, angle = np.zeros((n_trials, n_neurons)), np.zeros(n_trials), np.zeros(n_trials)
        if memory:
            shared, speed, angle = DRIFT * drifting(rng, n_trials, 3, memory).T
            gain = (shared[:, None] + DRIFT * drifting(rng, n_trials, n_neurons, memory)) / 2**0.5
        spikes = rng.poisson(np.exp(latents @ self.loading + self.log_rate + gain[:, None]))
        inferred = 0.9 * latents + 0.3 * smooth(rng, latents.shape)
        rates = np.exp(inferred @ self.loading + self.log_rate)
        if self.smoothing:
            rates = self._smoothed(spikes[..., : self.n_heldin])
        x, y = np.moveaxis(latents[:, :BINS] @ self.readout, 2, 0) * np.exp(speed)[:, None]
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        velocity = np.stack([cos * x - sin * y, sin * x + cos * y], axis=2)
        velocity += smooth(rng, velocity.shape)
        return Drawn(spikes.astype(np.float32), rates, velocity)

    def _smoothed(self, heldin: np.ndarray) -> np.ndarray:
        """Held-in spikes, smoothed, and the held-out rates of the latents that fit them best."""
        smoothed = gaussian_filter1d(heldin.astype(float), 2.5, axis=1)
        mean, known = np.exp(self.log_rate), slice(self.n_heldin)
        latents = (smoothed / mean[known] - 1) @ np.linalg.pinv(self.loading[:, known])
        rates = mean * np.exp(0.5 * np.tanh(latents) @ self.loading)
        rates[..., known] = smoothed
        return np.asarray(np.maximum(rates, 1e-4))

    def scored(self, memory: float = 0.0, n_trials: int = 0) -> Draw:
        """Scores and error bars of eval trials drawn anew.

        How many stands in ``n_trials`` where behavior is continuous.
        """
        continuous = self.sizes is None
        if continuous:
            condition = np.zeros(n_trials, int)
        else:
            condition = self.rng.choice(self.condition, len(self.condition))
        trials = self.drawn(condition, memory)
        found = {m.key: m for m in (self._co(trials), self._fp(trials), self._vel(trials))}
        if not continuous:
            found[PsthMatch.key] = self._psth(self.drawn(self.condition))
        draw: Draw = {}
        for key, metric in found.items():
            draw[key] = metric.compute(), metric.standard_error() or np.nan
            if continuous:
                metric.block_starts = block_starts(len(condition))
                draw[key + ", blocks"] = draw[key][0], metric.standard_error() or np.nan
        return draw

    def _co(self, trials: Drawn) -> Metric:
        metric = CoSmoothing({"eval_spikes_heldout": trials.spikes[:, :BINS, self.n_heldin :]})
        metric.update(EVAL, 0, *self._sides(trials.rates[:, :BINS]))
        return metric

    def _fp(self, trials: Drawn) -> Metric:
        names = "eval_spikes_heldin_forward", "eval_spikes_heldout_forward"
        metric = ForwardPrediction(dict(zip(names, self._sides(trials.spikes[:, BINS:]))))
        # what follows is predicted less well: a mean of what is near, and of the neuron's mean
        rates = 0.5 * trials.rates[:, BINS:] + 0.5 * np.exp(self.log_rate)
        metric.update(FORWARD, 0, *self._sides(rates))
        return metric

    def _vel(self, trials: Drawn) -> Metric:
        metric = VelocityDecoding(
            {
                "train_behavior": self.train.velocity,
                "eval_behavior": trials.velocity,
                "train_decode_mask": np.ones((len(self.train.velocity), 1), bool),
                "eval_decode_mask": np.ones((len(trials.velocity), 1), bool),
            }
        )
        metric.update(TRAIN, 0, *self._sides(self.train.rates[:, :BINS]))
        metric.update(EVAL, 0, *self._sides(trials.rates[:, :BINS]))
        return metric

    def _psth(self, trials: Drawn) -> Metric:
        members = [np.flatnonzero(self.condition == c) for c in range(len(self.psth))]
        jitter = np.zeros(len(self.condition), int)
        metric = PsthMatch({"psth": self.psth, "eval_cond_idx": members, "eval_jitter": jitter})
        metric.update(EVAL, 0, *self._sides(trials.rates[:, :BINS]))
        return metric

    def _sides(self, array: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        return array[..., : self.n_heldin], array[..., self.n_heldin :]


def drifting(rng: np.random.Generator, n_trials: int, columns: int, memory: float) -> np.ndarray:
    """Unit variance (trials, columns), forgotten by a factor e in ``memory`` trials."""
    kept = np.exp(-1 / memory)
    noise = rng.normal(size=(n_trials + int(8 * memory), columns)) * np.sqrt(1 - kept**2)
    return np.asarray(lfilter([1], [1, -kept], noise, axis=0)[-n_trials:])


def mix(seed: int, n_trials: int, n_conditions: int) -> np.ndarray:
    """Eval trials of each condition, uneven as in recordings; a few have one."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.full(n_conditions, 8.0))
    return 1 + rng.multinomial(n_trials - n_conditions, share)


def timing(rng: np.random.Generator, behavior: np.ndarray) -> Draw:
    """tp corr of trials drawn anew (trials, 5): a faster state makes shorter intervals."""
    n_trials, n_bins, n_neurons = len(behavior), 40, 10
    behavior = behavior.copy()
    behavior[:, 4] = behavior[:, 3] * rng.lognormal(sigma=0.1, size=n_trials)
    speed = np.log(behavior[:, 4] / behavior[:, 3]) * -1 + rng.normal(scale=0.15, size=n_trials)
    phase = np.linspace(0, 3, n_bins)[None, :, None] * np.exp(speed)[:, None, None]
    rates = 1 + 0.5 * np.sin(phase + np.arange(n_neurons))
    spikes = np.zeros((n_trials, n_bins, 1))
    metric = SpeedTpCorrelation({"eval_spikes_heldout": spikes, "eval_behavior": behavior})
    metric.update(EVAL, 0, rates, rates[..., :0])
    return {metric.key: (metric.compute(), metric.standard_error() or np.nan)}


def ratios(sessions: List[List[Draw]]) -> Iterator[Tuple[str, np.ndarray]]:
    """Mean error bar over the score's standard deviation, by metric: one figure a session."""
    for key in sessions[0][0]:
        values = np.array([[draw[key] for draw in draws] for draws in sessions])
        yield key, values[..., 1].mean(axis=1) / values[..., 0].std(axis=1, ddof=1)


def repeated(
    n_trials: int, n_conditions: int, smoothing: bool, sessions: int, draws: int, seed: int
) -> List[List[Draw]]:
    """Sessions of conditions that repeat, each with its eval trials drawn several times."""
    made = (
        Session(seed + s, 100, mix(seed + s, n_trials, n_conditions), smoothing)
        for s in range(sessions)
    )
    return [[session.scored() for _ in range(draws)] for session in made]


def continuous(
    n_trials: int, memory: float, sessions: int, draws: int, seed: int
) -> List[List[Draw]]:
    """Sessions of continuous behavior; with a ``memory`` in trials they drift."""
    made = (Session(seed + s, 200) for s in range(sessions))
    return [[session.scored(memory, n_trials) for _ in range(draws)] for session in made]


def timed(n_trials: int, sessions: int, draws: int, seed: int) -> List[List[Draw]]:
    """Sessions of interval timing: two responses, directions and priors of five intervals."""
    found = []
    for s in range(sessions):
        rng = np.random.default_rng(seed + s)
        behavior = rng.integers(2, size=(n_trials, 5)).astype(float)
        behavior[:, 3] = np.where(behavior[:, 2], 640, 1000) + 80 * rng.integers(-2, 3, n_trials)
        found.append([timing(rng, behavior) for _ in range(draws)])
    return found


def fixed_share(n_train: int, neurons: Tuple[int, int], sessions: int, seed: int) -> float:
    """The share of vel R2's variance that training sets drawn anew make, and its bar leaves out.

    Sessions of 100 eval trials and as many held-in and held-out ``neurons`` as a recording has; in
    each 20 training sets, scored on trials drawn anew five times. The model smooths spikes.
    """
    within = between = 0.0
    for s in range(sessions):
        session = Session(seed + s, n_train, mix(seed + s, 100, 27), True, *neurons)
        scores = np.empty((20, 5))
        for row in scores:
            session.train = session.drawn(session.rng.choice(session.condition, n_train))
            for draw in range(len(row)):
                trials = session.drawn(session.rng.choice(session.condition, 100))
                row[draw] = session._vel(trials).compute()
        noise = scores.var(axis=1, ddof=1).mean()
        within += noise
        between += scores.mean(axis=1).var(ddof=1) - noise / scores.shape[1]
    return float(max(between, 0.0) / (max(between, 0.0) + within))


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def figures(found: np.ndarray) -> str:
    """Mean over sessions, and the least and greatest."""
    return f"{found.mean():.2f} ({found.min():.2f} to {found.max():.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sessions", type=int, default=6)
    parser.add_argument("--draws", type=int, default=60, help="of eval trials, in each session")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    many = options.sessions, options.draws, options.seed

    row("eval trials", "conditions", "model", "co-bps", "fp-bps", "vel R2", "psth R2")
    row(*["---"] * 7)
    for n_trials, n_conditions in ((98, 16), (100, 27), (283, 40), (574, 108)):
        for smoothing in (False, True):
            found = dict(ratios(repeated(n_trials, n_conditions, smoothing, *many)))
            kind = "smoothed spikes" if smoothing else "near the true rates"
            row(n_trials, n_conditions, kind, *map(figures, found.values()))
    for n_trials in (100, 283):
        found = dict(ratios(timed(n_trials, *many)))
        print(f"\ntp corr, {n_trials} eval trials: {figures(found['tp corr'])}")
    print()

    row("eval trials", "drift's memory", *(f"{k}, {w}" for k in ("co-bps", "fp-bps", "vel R2")
        for w in ("single trials", "blocks")))  # fmt: skip
    row(*["---"] * 8)
    for n_trials in (100, 272):
        for memory in (0.0, 3.0, 10.0, 30.0):
            found = dict(ratios(continuous(n_trials, memory, *many)))
            said = f"{memory:.0f} trials" if memory else "no drift"
            row(n_trials, said, *map(figures, found.values()))
    print()
    for n_train, neurons in ((100, (107, 35)), (250, (114, 38))):
        share = fixed_share(n_train, neurons, options.sessions, options.seed)
        print(f"which {n_train} training trials: {share:.0%} of vel R2's variance", flush=True)


if __name__ == "__main__":
    main()
