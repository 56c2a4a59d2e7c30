"""Simulated recording sessions: latent dynamics driven by conditions, Poisson spikes, behavior.

A session is made trial block by trial block, each from a random stream of its own, so that any
part of it can be made again alone and a session of official size never has to fit in memory.
Needs numpy only.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache, reduce
from math import gcd
from typing import Dict, Iterator, Optional, Sequence, Tuple

import numpy as np

from evaluation_script.suites import Dataset, Suite
from evaluation_script.suites.session import SeriesBehavior, TrialBehavior
from nlb_evalai.errors import ToolError

#: Trials simulated at a time; the memory of everything here is a few blocks.
BLOCK_TRIALS = 64
#: Longest shift of a jittered trial window.
MAX_JITTER_MS = 300


def split_sizes(suite: Suite, dataset: Dataset) -> Dict[str, int]:
    """Trials of each split, from the published counts of the phases, else from the simulation's.

    Raises
    ------
    ToolError
        If neither tells.
    """
    figures = dataset.published
    sizes: Dict[str, int] = dict(dataset.simulation.full)
    for phase in suite.phases:
        if phase.codename in figures.n_eval:
            sizes.setdefault(phase.eval_split, figures.n_eval[phase.codename])
    for phase in suite.phases:
        unknown = [split for split in phase.train_splits if split not in sizes]
        if unknown and phase.codename in figures.n_train:
            known = sum(sizes.get(split, 0) for split in phase.train_splits)
            for split in unknown:
                sizes[split] = (figures.n_train[phase.codename] - known) // len(unknown)
    missing = [split for split in suite.all_splits() if split not in sizes]
    if missing:
        raise ToolError(
            f"{dataset.name}: the trials of split {' and '.join(missing)} are published nowhere: "
            "give them as full=... of the dataset's Simulation"
        )
    return sizes


@dataclass(frozen=True)
class SplitTrials:
    """Everything about the trials of one split but what the neurons did; arrays are (trials,)."""

    condition: np.ndarray
    decoder: np.ndarray
    is_outlier: np.ndarray
    jitter_uniform: np.ndarray
    #: (trials, 5): is_eye, theta, is_short, ts and tp in ms; timing datasets only
    timing: np.ndarray


def _known(dataset: Dataset, name: str, figure: Optional[int]) -> int:
    if figure is None:
        raise ToolError(f"{dataset.name}: {name} is published nowhere, so it cannot be simulated")
    return figure


class Session:
    """One dataset, simulated on its finest bins.

    Parameters
    ----------
    suite, dataset
        What shapes and which splits there are.
    conditions : int
        Number of PSTH conditions; 0 gives every trial a movement of its own.
    seed : int
        Same seed, same session.
    """

    def __init__(self, suite: Suite, dataset: Dataset, conditions: int, seed: int = 0) -> None:
        self.suite = suite
        self.dataset = dataset
        self.seed = seed
        self.traits = dataset.simulation
        self.n_conditions = conditions
        self.is_timing = isinstance(dataset.behavior, TrialBehavior)
        self.bin_widths_ms = suite.bin_widths(dataset)
        self.fine_ms = reduce(gcd, self.bin_widths_ms)
        self.forward_ms = dataset.forward_ms or 0
        self.n_heldin = _known(dataset, "n_heldin", dataset.published.n_heldin)
        self.n_heldout = _known(dataset, "n_heldout", dataset.published.n_heldout)
        self.n_units = self.n_heldin + self.n_heldout
        self.sizes = split_sizes(suite, dataset)
        self._draw_population()
        # A few blocks are kept: at small scale that is the whole session.
        self.block = lru_cache(maxsize=4)(self._make_block)
        self.trials = lru_cache(maxsize=None)(self._make_trials)

    def _rng(self, *key: object) -> np.random.Generator:
        words = [zlib.crc32(str(part).encode()) for part in (self.dataset.name, *key)]
        return np.random.default_rng([self.seed, *words])

    def _draw_population(self) -> None:
        rng = self._rng("population")
        self.n_planes = 3
        # cycles per second, or per produced interval where time is scaled to it
        low, high = (0.6, 1.6) if self.is_timing else (0.8, 2.2)
        self.cycles = np.linspace(low, high, self.n_planes)
        n_latents = 2 * self.n_planes
        gain = 0.8 / np.sqrt(n_latents / 2)
        self.loading = gain * rng.standard_normal((n_latents, self.n_units))
        spread = np.exp(0.4 * rng.standard_normal(self.n_units))
        rate_hz = self.traits.mean_rate_hz * spread
        self.log_base = np.log(rate_hz * self.fine_ms / 1000) - 0.3
        behavior = self.dataset.behavior
        # Drawn for timing datasets, too: what follows must not depend on it.
        width = behavior.width if isinstance(behavior, SeriesBehavior) else 2
        self.readout = 80 * rng.standard_normal((self.traits.decoders, n_latents, width))
        shape = (max(self.n_conditions, 1), self.n_planes)
        self.condition_state = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
        if self.is_timing:
            # The eight contexts differ; the intervals within one are the same path, run slower.
            n_levels = -(-self.n_conditions // 8)
            contexts = np.tile(self.condition_state[:8], (n_levels, 1))[: self.n_conditions]
            self.condition_state = contexts + 0.1 * self.condition_state
        if self.n_conditions == 0:
            self.condition_state[:] = 0

    # ---- time -----------------------------------------------------------------------------

    @property
    def n_window(self) -> int:
        """Fine bins of the scored window."""
        return self.dataset.window_ms // self.fine_ms

    @property
    def n_fine(self) -> int:
        """Fine bins simulated of a trial: window, longest jitter, forward window."""
        jitter_ms = MAX_JITTER_MS if self.is_timing else 0
        return (self.dataset.window_ms + jitter_ms + self.forward_ms) // self.fine_ms

    def _make_trials(self, split: str) -> SplitTrials:
        rng = self._rng("trials", split)
        n = self.sizes[split]
        allowed = np.arange(max(self.n_conditions, 1))
        # Real sessions have conditions that no evaluation trial belongs to.
        names = [phase.eval_split for phase in self.suite.phases]
        if split in names and self.n_conditions > 2:
            allowed = np.delete(allowed, 1 + names.index(split))
        condition = rng.permutation(allowed[np.arange(n) % len(allowed)])
        jitter_uniform = rng.random(n)
        is_outlier = np.zeros(n, dtype=bool)
        timing = np.empty((n, 0))
        if self.is_timing:
            is_outlier[5::13] = True
            timing = self._timing(condition, is_outlier, rng)
        return SplitTrials(
            condition, condition % self.traits.decoders, is_outlier, jitter_uniform, timing
        )

    def _timing(
        self, condition: np.ndarray, is_outlier: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        # the eight contexts vary fastest; the sample intervals of a prior slowest
        is_eye, theta, is_short = condition % 2, condition // 2 % 2 * 180.0, condition // 4 % 2
        level = condition // 8
        n_levels = max(int(np.ceil(self.n_conditions / 8)), 2)
        ts = np.where(is_short == 1, 480.0, 800.0) + level * np.where(is_short == 1, 320, 400) / (
            n_levels - 1
        )
        tp = ts * np.clip(1 + 0.12 * rng.standard_normal(len(ts)), 0.8, 1.24)
        # outliers reach past the window, which cuts them from the front
        tp = np.where(is_outlier, np.minimum(1.9 * ts, 1620), tp)
        return np.stack([is_eye, theta, is_short, ts, np.round(tp)], axis=1)

    def jitter(self, split: str, bin_width_ms: int) -> np.ndarray:
        """Shift of each trial's window in bins (trials,); zero but in timing datasets."""
        trials = self.trials(split)
        if not self.is_timing:
            return np.zeros(len(trials.condition), dtype=int)
        room_ms = np.clip(self.dataset.window_ms - trials.timing[:, 4], 0, MAX_JITTER_MS)
        return np.round(trials.jitter_uniform * (room_ms // bin_width_ms)).astype(int)

    # ---- blocks ---------------------------------------------------------------------------

    def starts(self, split: str) -> range:
        """First trial of each block of a split."""
        return range(0, self.sizes[split], BLOCK_TRIALS)

    def blocks(self, splits: Sequence[str]) -> Iterator[TrialBlock]:
        """The trials of some splits, in order."""
        for split in splits:
            for start in self.starts(split):
                yield self.block(split, start)

    def _make_block(self, split: str, start: int) -> TrialBlock:
        return TrialBlock(self, split, slice(start, min(start + BLOCK_TRIALS, self.sizes[split])))


class TrialBlock:
    """Some trials of a session; rates, spikes and velocity are computed once, when asked for."""

    def __init__(self, session: Session, split: str, trials: slice) -> None:
        self.session = session
        self.split = split
        self.trials = trials
        self.n_trials = trials.stop - trials.start
        self._latents = self._make_latents()
        log_rates = self._latents @ session.loading + session.log_base
        #: (trials, fine bins, units), spikes per fine bin
        self.rates = np.exp(np.clip(log_rates, -12, np.log(0.5)))
        self._spikes = np.empty(0)

    def _rng(self, what: str) -> np.random.Generator:
        return self.session._rng(what, self.split, self.trials.start)

    def _make_latents(self) -> np.ndarray:
        session, rng = self.session, self._rng("latents")
        info = session.trials(self.split)
        noise = rng.standard_normal((2, self.n_trials, session.n_planes))
        state = session.condition_state[info.condition[self.trials]]
        state = state + session.traits.variability * (noise[0] + 1j * noise[1])
        time_s = np.arange(session.n_fine) * session.fine_ms / 1000
        if session.is_timing:
            # Time runs in units of the produced interval: slow trials are the same path, slower.
            tp_s = info.timing[self.trials, 4] / 1000
            to_go_s = time_s - session.dataset.window_ms / 1000
            clock = np.maximum(1 + to_go_s / tp_s[:, None], 0)
            envelope = np.ones_like(clock)
        else:
            clock = np.broadcast_to(time_s, (self.n_trials, session.n_fine))
            envelope = 1 / (1 + np.exp(-(clock - 0.12) / 0.04)) * np.exp(-clock / 1.2)
        turn = np.exp(2j * np.pi * session.cycles * clock[:, :, None])
        planes = state[:, None, :] * turn * envelope[:, :, None]
        return np.concatenate([planes.real, planes.imag], axis=2)

    @property
    def spikes(self) -> np.ndarray:
        """(trials, fine bins, units), counts."""
        if not self._spikes.size:
            self._spikes = self._rng("spikes").poisson(self.rates).astype(np.uint8)
        return self._spikes

    def velocity(self, bin_width_ms: int) -> np.ndarray:
        """(trials, bins, columns) in mm/s at the start of each bin; NaN where not recorded."""
        session = self.session
        step = bin_width_ms // session.fine_ms
        latents = self._latents[:, : session.n_window]
        decoder = session.trials(self.split).decoder[self.trials]
        velocity = np.einsum("tbk,tkc->tbc", latents, session.readout[decoder])
        velocity += 15 * self._rng("behavior").standard_normal(velocity.shape)
        if session.traits.gaps_in_behavior and self.trials.start == 0:
            velocity[1, session.n_window * 3 // 4 :] = np.nan  # the end of a recording
            velocity[3, : session.n_window // 6] = np.nan  # a gap before the trial
        return velocity[:, ::step]

    def window(self, fine: np.ndarray, bin_width_ms: int) -> Tuple[np.ndarray, np.ndarray]:
        """Sums over bins, as a model sees them: scored window and forward window.

        Parameters
        ----------
        fine : ndarray (trials, fine bins, units)
            ``rates`` or ``spikes``.

        Returns
        -------
        ndarray (trials, T, units), ndarray (trials, F, units)
            Each trial shifted by its jitter.
        """
        session = self.session
        factor = bin_width_ms // session.fine_ms
        n, n_fine, units = fine.shape
        whole = fine[:, : n_fine // factor * factor]
        sums = whole.reshape(n, -1, factor, units).sum(axis=2, dtype=np.float64)
        length = session.dataset.window_ms // bin_width_ms
        forward = session.forward_ms // bin_width_ms
        jitter = session.jitter(self.split, bin_width_ms)[self.trials]
        if jitter.any():
            index = jitter[:, None] + np.arange(length + forward)
            sums = np.take_along_axis(sums, index[:, :, None], axis=1)
        return sums[:, :length], sums[:, length : length + forward]

    def scored(self, bin_width_ms: int) -> np.ndarray:
        """(trials, T) bool: bins of the window that are part of the trial."""
        session = self.session
        length = session.dataset.window_ms // bin_width_ms
        if not session.is_timing:
            return np.ones((self.n_trials, length), dtype=bool)
        stop = length - session.jitter(self.split, bin_width_ms)[self.trials, None]
        tp_ms = session.trials(self.split).timing[self.trials, 4]
        start = np.maximum(stop - (tp_ms // bin_width_ms).astype(int)[:, None], 0)
        bins = np.arange(length)
        return (bins >= start) & (bins < stop)
