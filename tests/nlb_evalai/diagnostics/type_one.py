"""How often ``compare`` tells two models apart that are equally good: the type I error.

``make type-one`` prints the table of docs/diagnostics.md.

Two models are equally good where chance alone makes them differ: their eval rates are the true ones
times noise that is drawn for each alike. Their training rates are the same, since a decoder's
training is fixed in the error bars. Every session has new eval trials.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Callable, Dict, List

import numpy as np

from evaluation_script.arrays import EVAL, TRAIN
from evaluation_script.metrics import CoSmoothing, Metric, PsthMatch, VelocityDecoding
from nlb_evalai.diagnostics.comparison import LEVEL, difference_of

N_BINS, N_LATENTS, N_HELDIN, N_HELDOUT = 20, 4, 8, 6
N_CONDITIONS, NOISE = 8, 0.25
#: metrics of eval trials that are drawn anew
Make = Callable[["Session"], Metric]


class Session:
    """True rates, spikes and velocity of trials in conditions, small enough to draw thousands."""

    def __init__(self, seed: int, n_trials: int, n_train: int = 60) -> None:
        rng = np.random.default_rng([17, seed])
        # neurons, dynamics and training trials are the same in every session
        fixed = np.random.default_rng(17)
        n_neurons = N_HELDIN + N_HELDOUT
        loading = fixed.normal(0, 0.4, (N_LATENTS, n_neurons))
        readout = fixed.normal(0, 1, (N_LATENTS, 2))
        paths = np.cumsum(fixed.normal(0, 0.4, (N_CONDITIONS, N_BINS, N_LATENTS)), axis=1)
        self.rng = rng
        self.condition = rng.integers(0, N_CONDITIONS, n_trials)
        self.train_rates, self.train_velocity = self._trials(
            fixed, np.arange(n_train) % N_CONDITIONS, paths, loading, readout
        )
        self.rates, self.velocity = self._trials(rng, self.condition, paths, loading, readout)
        self.spikes = rng.poisson(self.rates[..., N_HELDIN:]).astype(np.float32)
        self.psth = np.exp(paths @ loading - 1.5)

    @staticmethod
    def _trials(rng, condition, paths, loading, readout):
        latents = paths[condition] + rng.normal(0, 0.3, (len(condition), 1, N_LATENTS))
        velocity = latents @ readout + rng.normal(0, 0.5, (*latents.shape[:2], 2))
        return np.exp(latents @ loading - 1.5), velocity

    def model(self) -> np.ndarray:
        """Eval rates (trials, bins, neurons) of another model that is as good as any."""
        noise = self.rng.normal(0, NOISE, (*self.rates.shape[:1], 1, self.rates.shape[2]))
        noise = noise + self.rng.normal(0, NOISE, self.rates.shape)
        return self.rates * np.exp(noise - NOISE**2)

    def co_smoothing(self) -> Metric:
        return CoSmoothing({"eval_spikes_heldout": self.spikes})

    def velocity_decoding(self) -> Metric:
        every = [np.ones((len(one), 1), bool) for one in (self.train_rates, self.rates)]
        metric = VelocityDecoding(
            {
                "train_behavior": self.train_velocity,
                "eval_behavior": self.velocity,
                "train_decode_mask": every[0],
                "eval_decode_mask": every[1],
            }
        )
        rates = self.train_rates
        metric.update(TRAIN, 0, rates[..., :N_HELDIN], rates[..., N_HELDIN:])
        # no trial yet: the decoder is fitted now, once for both models
        metric.update(EVAL, 0, rates[:0, :, :N_HELDIN], rates[:0, :, N_HELDIN:])
        return metric

    def psth_match(self) -> Metric:
        return PsthMatch(
            {
                "psth": self.psth,
                "eval_cond_idx": [
                    np.flatnonzero(self.condition == one) for one in range(N_CONDITIONS)
                ],
                "eval_jitter": np.zeros(len(self.condition), int),
            }
        )


METRICS: Dict[str, Make] = {
    CoSmoothing.key: Session.co_smoothing,
    VelocityDecoding.key: Session.velocity_decoding,
    PsthMatch.key: Session.psth_match,
}


def p_values(make: Make, n_sessions: int, n_trials: int) -> np.ndarray:
    """p-values of the difference of two models that are equally good, one for each session."""
    found: List[float] = []
    for seed in range(n_sessions):
        session = Session(seed, n_trials)
        scores, spreads = [], []
        trained = make(session)
        for metric in (trained, deepcopy(trained)):
            rates = session.model()
            metric.update(EVAL, 0, rates[..., :N_HELDIN], rates[..., N_HELDIN:])
            scores.append(metric.compute())
            spreads.append(metric.spread())
        difference = difference_of(scores[0] - scores[1], *spreads)
        assert difference.p_value is not None
        found.append(difference.p_value)
    return np.array(found)


def main(n_sessions: int = 2000) -> None:
    sizes = (50, 100, 300)
    print(f"| metric | {' | '.join(f'{n} eval trials' for n in sizes)} |")
    print(f"|---|{'---|' * len(sizes)}")
    for key, make in METRICS.items():
        shares = [np.mean(p_values(make, n_sessions, n) < LEVEL) for n in sizes]
        print(f"| {key} | {' | '.join(f'{share:.1%}' for share in shares)} |", flush=True)


if __name__ == "__main__":
    main()
