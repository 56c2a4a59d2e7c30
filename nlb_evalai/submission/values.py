"""What the values of a submission look like, watched as they pass; nothing here refuses a file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Callable, Collection, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from evaluation_script.submission.layout import Layout
from evaluation_script.submission.plan import Block
from nlb_evalai.submission.finding import Finding

#: no population of neurons fires so often on average, in spikes per second and neuron
MOST_HZ = 150.0
#: a mean beyond it is that of no population in spikes per second either
_MOST_MEAN = 1000.0
#: of each block so many trials are looked at closely, or a few more, the first among them
_CLOSELY = 8
#: a bin with a spike and a rate of 0 costs that many nats
_NATS_PER_ZERO = 20.7


@dataclass
class Seen:
    """What was seen of one array; shares and ``whole``, ``flat`` are those of sampled trials."""

    bin_width_ms: int
    is_scored_by_likelihood: bool
    count: int = 0
    total: float = 0.0
    lowest: float = np.inf
    highest: float = -np.inf
    sampled: int = 0
    negative: int = 0
    zeros: int = 0
    whole: bool = True
    flat: bool = True
    first: Optional[np.ndarray] = None

    @property
    def mean(self) -> float:
        """Mean of all finite values, in whatever unit they are."""
        return self.total / self.count

    def add(self, values: np.ndarray) -> None:
        """Take a block (trials, bins, neurons)."""
        total = float(values.sum(dtype=np.float64))
        close = values[:: max(1, len(values) // _CLOSELY)]
        if not np.isfinite(total):
            close = close[np.isfinite(close)]
            values = values[np.isfinite(values)]
            total = float(values.sum(dtype=np.float64))
            self.flat = False
        if not values.size:
            return
        self.count += values.size
        self.total += total
        self.lowest = min(self.lowest, float(values.min()))
        self.highest = max(self.highest, float(values.max()))
        self.sampled += close.size
        self.negative += int(np.count_nonzero(close < 0))
        self.zeros += int(np.count_nonzero(close == 0))
        self.whole = self.whole and bool(np.array_equal(close, np.rint(close)))
        if self.flat and values.ndim == 3:
            if self.first is None:
                self.first = values[0, 0].copy()
            self.flat = bool((close == self.first).all())


#: what a cause finds in one array: name, what, mend
Found = Optional[Tuple[str, str, str]]


def constant(seen: Seen) -> Found:
    """One number everywhere."""
    if seen.lowest != seen.highest:
        return None
    what = f"every value is {seen.lowest:g}; was the array never filled?"
    return "constant", what, "assert rates.std() > 0  # before you write the array"


def one_rate_a_neuron(seen: Seen) -> Found:
    """A rate for each neuron, and no time course."""
    if not seen.flat:
        return None
    what = "each neuron has one rate in all trials and bins, which scores no better than its mean"
    return "flat", what, "assert rates.std(axis=(0, 1)).max() > 0  # before you write the array"


def counts(seen: Seen) -> Found:
    """Spikes in place of rates."""
    if not seen.whole or seen.lowest < 0 or seen.highest < 1:
        return None
    what = f"every value is a whole number, up to {seen.highest:g}: these look like spike counts"
    mend = "rates = np.apply_along_axis(np.convolve, 1, counts, kernel, 'same')  # smoothed"
    return "counts", what, mend


def logarithms(seen: Seen) -> Found:
    """Logarithms of rates, or a network's output before its last function."""
    if 2 * seen.negative <= seen.sampled:
        return None
    share = f"{seen.negative / seen.sampled:.0%} of the values are negative"
    if seen.highest <= 0:
        return "log", f"{share}: these look like logarithms of rates", "rates = np.exp(rates)"
    what = f"{share}: these look like logarithms of rates, or logits"
    return "log", what, "rates = np.exp(rates)  # of logits: 1 / (1 + np.exp(-rates))"


def below_zero(seen: Seen) -> Found:
    """A linear readout that goes below zero now and then."""
    if seen.lowest >= 0:
        return None
    what = f"some values are negative, down to {seen.lowest:.3g}, as a linear readout gives them"
    return "negative", what, "rates = np.maximum(rates, 1e-4)"


def per_second(seen: Seen) -> Found:
    """Spikes per second in place of spikes per bin."""
    seconds = seen.bin_width_ms / 1000
    if seen.mean / seconds <= MOST_HZ or seen.mean > _MOST_MEAN:
        return None
    what = (
        f"the mean is {seen.mean:.3g} spikes per bin, which would mean {seen.mean / seconds:,.0f} "
        "spikes per second and neuron; are these spikes per second?"
    )
    mend = f"rates = rates * {seconds:g}  # spikes per {seen.bin_width_ms} ms bin"
    return "per second", what, mend


def lost_spikes(seen: Seen) -> Found:
    """Zeros where spikes are likely."""
    if not seen.is_scored_by_likelihood or not seen.zeros:
        return None
    zeros = seen.count * seen.zeros / seen.sampled
    spikes = zeros * seen.total / max(seen.count - zeros, 1.0)
    if spikes < 1:
        return None
    what = (
        f"about {seen.zeros / seen.sampled:.2%} of the rates are exactly 0; at the mean of the "
        f"others about {spikes:.3g} spikes fall there, and each costs {_NATS_PER_ZERO} nats"
    )
    return "zeros", what, "rates = np.maximum(rates, 1e-3)"


#: the first that finds something counts
CAUSES: Sequence[Callable[[Seen], Found]] = (
    constant,
    logarithms,
    below_zero,
    counts,
    per_second,
    one_rate_a_neuron,
    lost_spikes,
)


class ValueWatch:
    """Watches the blocks of a submission beside the audit, in the same pass.

    Parameters
    ----------
    layouts : mapping of str to Layout
        By group.
    not_negative : collection of str
        The arrays (``group/name``) that a metric scores by likelihood.
    """

    def __init__(self, layouts: Mapping[str, Layout], not_negative: Collection[str]) -> None:
        self._layouts = layouts
        self._not_negative = not_negative
        self._seen: Dict[str, Seen] = {}

    def passes(self, block: Block, values: Sequence[np.ndarray]) -> None:
        """Look at a block's arrays (trials, bins, neurons)."""
        for part, array in zip(block.read, values):
            if array.size == 0:
                continue
            if part.path not in self._seen:
                width = self._layouts[block.group].bin_width_ms
                self._seen[part.path] = Seen(width, part.path in self._not_negative)
            self._seen[part.path].add(array)

    def findings(self) -> List[Finding]:
        """The likely cause in each array that has one."""
        found = []
        for path, seen in self._seen.items():
            causes = (cause(seen) for cause in CAUSES if seen.count)
            for name, what, mend in islice(filter(None, causes), 1):
                found.append(Finding(name, path, what, mend))
        return found
