"""The arrays of ground truth and submissions: their names, and what their axes are.

A metric says which of them it needs. Everything else (which shapes a submission must have, what
is checked and read in which order) follows from that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Tuple, Union


class Axis(Enum):
    """An axis whose length several arrays of a dataset share; its value is what people read."""

    TRAIN_TRIALS = "train trials"
    EVAL_TRIALS = "eval trials"
    BINS = "bins"
    FORWARD_BINS = "forward bins"
    HELDIN = "held-in neurons"
    HELDOUT = "held-out neurons"
    #: held-in, then held-out
    NEURONS = "neurons"
    #: columns of a behavioral time series, as x and y
    BEHAVIOR = "columns of behavior"


@dataclass(frozen=True)
class RateArray:
    """An array of a submission: rates in spikes per bin, (trials, bins, neurons)."""

    name: str
    trials: Axis
    bins: Axis
    neurons: Axis

    @property
    def axes(self) -> Tuple[Axis, Axis, Axis]:
        """What its three axes are."""
        return self.trials, self.bins, self.neurons


@dataclass(frozen=True)
class Part:
    """The rates of one set of trials, which are read together: held-in and held-out neurons.

    ``title`` names the part in a sentence.
    """

    name: str
    title: str
    heldin: RateArray
    heldout: RateArray

    @property
    def arrays(self) -> Tuple[RateArray, RateArray]:
        """Both arrays."""
        return self.heldin, self.heldout


def _part(name: str, title: str, pattern: str, trials: Axis, bins: Axis) -> Part:
    return Part(
        name,
        title,
        RateArray(pattern.format("heldin"), trials, bins, Axis.HELDIN),
        RateArray(pattern.format("heldout"), trials, bins, Axis.HELDOUT),
    )


TRAIN = _part("train", "training rates", "train_rates_{}", Axis.TRAIN_TRIALS, Axis.BINS)
EVAL = _part("eval", "rates", "eval_rates_{}", Axis.EVAL_TRIALS, Axis.BINS)
FORWARD = _part(
    "forward",
    "forward predictions",
    "eval_rates_{}_forward",
    Axis.EVAL_TRIALS,
    Axis.FORWARD_BINS,
)
#: every part of a submission, in reading order
PARTS: Tuple[Part, ...] = (TRAIN, EVAL, FORWARD)
#: the names of every array that a submission's group may hold
RATE_ARRAYS: Tuple[str, ...] = tuple(array.name for part in PARTS for array in part.arrays)


class Kind(Enum):
    """What the values of an array of ground truth are, and so how they are read."""

    #: spikes per bin, 0 or more; NaN where a bin is not scored; float32
    COUNTS = "counts"
    #: float64
    NUMBERS = "numbers"
    #: whole numbers; intp
    INTEGERS = "integers"
    #: booleans
    MASK = "mask"
    #: for each entry the eval trials that belong to it; a list of intp arrays
    TRIAL_LISTS = "trial lists"


@dataclass(frozen=True)
class TruthArray:
    """An array of ground truth that a metric reads.

    ``axes`` are shared ones, fixed lengths, or names of lengths that only one metric's arrays
    share. An array with a ``default`` may be missing: all its values are that then, and axes that
    have only a name are of length 1.
    """

    name: str
    axes: Tuple[Union[Axis, int, str], ...]
    kind: Kind
    default: Union[bool, int, None] = None


#: what every dataset's truth holds; its NaN mark the bins that are not scored
SPIKES = TruthArray("eval_spikes_heldout", (Axis.EVAL_TRIALS, Axis.BINS, Axis.HELDOUT), Kind.COUNTS)
