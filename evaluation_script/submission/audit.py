"""Values of a submission, checked as they stream by.

A block passes in two quick passes (minimum and maximum); only a block that is not plainly fine is
looked at more closely. Every array is watched to its end, so that all problems come at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Collection, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..reader.buffer import TrialRange
from .plan import Block

#: spikes per bin; far beyond any neuron, and where sums of squares still keep their digits
MAX_RATE = 1e6
#: no neuron fires so often; what lies beyond is scored, and counted for the host
HUGE_RATE = 1e3

#: tells where metrics use a block's held-in and held-out rates
Where = Callable[[Block], Sequence[np.ndarray]]


@dataclass
class _Tally:
    """What was seen of one array."""

    not_finite: int = 0
    first_not_finite: Optional[Tuple[int, ...]] = None
    negative: int = 0
    first_negative: Optional[Tuple[int, ...]] = None
    zeros: int = 0
    overlooked: int = 0
    too_large: int = 0
    first_too_large: Optional[Tuple[int, ...]] = None
    huge: int = 0
    tiny: int = 0
    first_tiny: Optional[Tuple[int, ...]] = None


class ValueAudit:
    """Watches every array; ``problems`` and ``notes`` say what was found.

    Parameters
    ----------
    nan_where_unscored : bool
        Whether NaN may stand in bins that no metric uses.
    smallest_rate : float, optional
        Positive rates below it are counted, in arrays that must not be negative.
    refuse_tiny : bool
        Whether such a rate is a fault of the submission.
    not_negative : collection of str
        The arrays, as ``group/name``, in which a negative rate is a fault.
    """

    def __init__(
        self,
        nan_where_unscored: bool,
        not_negative: Collection[str],
        *,
        smallest_rate: Optional[float] = None,
        refuse_tiny: bool = False,
    ) -> None:
        self.nan_where_unscored = nan_where_unscored
        self.not_negative = not_negative
        self.smallest_rate = smallest_rate
        self.refuse_tiny = refuse_tiny
        self._tallies: Dict[str, _Tally] = {}

    def passes(self, block: Block, values: Sequence[np.ndarray], used: Where) -> bool:
        """Look at a block's held-in and held-out rates.

        Parameters
        ----------
        block : Block
        values : sequence of ndarray (trials, bins, neurons)
        used : callable
            Tells where metrics use the block's held-in and held-out rates (booleans that broadcast
            against them); asked only where NaN may stand in unscored bins and a block has some.

        Returns
        -------
        bool
            Whether the block may be scored; False from the first bad value of the file on.
        """
        where: Sequence[Optional[np.ndarray]] = [None] * len(values)
        # there may be no held-out neuron
        filled = [array for array in values if array.size]
        if self.nan_where_unscored and any(np.isnan(array.min()) for array in filled):
            where = used(block)
        fine = [
            self._check(part, array, required)
            for part, array, required in zip(block.read, values, where)
            if array.size
        ]
        return all(fine) and not self.problems

    def _check(self, part: TrialRange, values: np.ndarray, required: Optional[np.ndarray]) -> bool:
        """Whether a block of one array may be scored; ``required`` is None for everywhere."""
        tally = self._tallies.setdefault(part.path, _Tally())
        # As Python's floats: numpy would compare in float16, where the limit itself is infinite.
        lowest, highest = float(values.min()), float(values.max())
        smallest = self._smallest(part, values.dtype)
        if lowest > 0 and lowest >= smallest and highest <= HUGE_RATE:
            return True
        not_finite = ~np.isfinite(values)
        if required is not None and self.nan_where_unscored:
            all_of_them = np.count_nonzero(not_finite)
            not_finite &= required | np.isinf(values)
            tally.overlooked += int(all_of_them - np.count_nonzero(not_finite))
        negative = values < 0
        too_large = np.isfinite(values) & ((values > MAX_RATE) | (values < -MAX_RATE))
        where = np.flatnonzero(too_large)
        if where.size:
            tally.too_large += where.size
            tally.first_too_large = tally.first_too_large or _index(part, values, where[0])
        where = np.flatnonzero(not_finite)
        if where.size:
            tally.not_finite += where.size
            tally.first_not_finite = tally.first_not_finite or _index(part, values, where[0])
        where = np.flatnonzero(negative)
        if where.size:
            tally.negative += where.size
            tally.first_negative = tally.first_negative or _index(part, values, where[0])
        where = np.flatnonzero((values > 0) & (values < smallest))
        if where.size:
            tally.tiny += where.size
            tally.first_tiny = tally.first_tiny or _index(part, values, where[0])
            if self.refuse_tiny:
                return False
        tally.zeros += int(np.count_nonzero(values == 0))
        tally.huge += int(np.count_nonzero((values > HUGE_RATE) | (values < -HUGE_RATE)))
        if too_large.any() or not_finite.any():
            return False
        return not (negative.any() and part.path in self.not_negative)

    def _smallest(self, part: TrialRange, dtype: np.dtype) -> float:
        """The smallest positive rate, as the array's own numbers can hold it."""
        if self.smallest_rate is None or part.path not in self.not_negative or dtype.kind != "f":
            return 0.0
        # 1e-9 in single precision is a little less than 1e-9
        return float(dtype.type(self.smallest_rate))

    @property
    def problems(self) -> List[str]:
        """What makes the submission unfit, a line for each array and fault."""
        problems = []
        for path, tally in self._tallies.items():
            if tally.not_finite:
                where = _words(tally.first_not_finite)
                bins = " where the bin is scored" if self.nan_where_unscored else ""
                problems.append(
                    f"{path}: {tally.not_finite} NaN or infinite values, first at {where}; "
                    f"every value must be finite{bins}"
                )
            if tally.too_large:
                where = _words(tally.first_too_large)
                problems.append(
                    f"{path}: {tally.too_large} values beyond {MAX_RATE:g} spikes per bin, first "
                    f"at {where}; are these rates?"
                )
            if tally.negative and path in self.not_negative:
                where = _words(tally.first_negative)
                problems.append(
                    f"{path}: {tally.negative} negative rates, first at {where}; "
                    "rates that predict spikes must be >= 0"
                )
            if tally.tiny and self.refuse_tiny:
                problems.append(
                    f"{path}: {tally.tiny} positive rates below {self.smallest_rate:g}, first at "
                    f"{_words(tally.first_tiny)}; raise them before you write the file: "
                    f"rates = np.maximum(rates, {self.smallest_rate:g})"
                )
        return problems

    def counts(self) -> Dict[str, Dict[str, int]]:
        """Exact zeros, tiny and huge rates by array (``group/name``), where there are any.

        Many of them are no model's: somebody may be asking for hidden values.
        """
        found = {
            path: {"zeros": tally.zeros, "tiny": tally.tiny, "huge": tally.huge}
            for path, tally in self._tallies.items()
        }
        return {path: counts for path, counts in found.items() if any(counts.values())}

    @property
    def notes(self) -> List[str]:
        """What looks odd but is scored."""
        notes = []
        for path, tally in self._tallies.items():
            if tally.overlooked:
                notes.append(f"{path}: {tally.overlooked} NaN in bins that no metric uses")
            if tally.negative and path not in self.not_negative:
                notes.append(f"{path}: {tally.negative} negative rates; is that meant?")
            if tally.zeros and path in self.not_negative:
                notes.append(f"{path}: {tally.zeros} rates are exactly 0 and count as 1e-9")
        return notes


def _index(part: TrialRange, values: np.ndarray, flat: int) -> Tuple[int, ...]:
    trial, bin_, neuron = np.unravel_index(flat, values.shape)
    return int(trial) + part.start, int(bin_), int(neuron)


def _words(index: Optional[Tuple[int, ...]]) -> str:
    assert index is not None
    return "trial {}, bin {}, neuron {} (counted from 0)".format(*index)
