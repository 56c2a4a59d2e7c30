"""Values of a submission, checked as they stream by.

A block passes in two quick passes (minimum and maximum); only a block that is not plainly fine is
looked at more closely. Every array is watched to its end, so that all problems come at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import numpy as np

from ..reader.buffer import Part

#: spikes per bin; far beyond any neuron, and where sums of squares still keep their digits
MAX_RATE = 1e6


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


class ValueAudit:
    """Watches every array; ``problems`` and ``notes`` say what was found.

    Parameters
    ----------
    nan_where_unscored : bool
        Whether NaN may stand in bins that no metric uses.
    """

    def __init__(self, nan_where_unscored: bool) -> None:
        self.nan_where_unscored = nan_where_unscored
        self._tallies: Dict[str, _Tally] = {}

    def check(self, part: Part, values: np.ndarray, required: Optional[np.ndarray]) -> bool:
        """Look at a block.

        Parameters
        ----------
        part : Part
            Which trials of which array.
        values : ndarray (trials, bins, neurons)
        required : ndarray of bool (trials, bins, 1 or neurons), optional
            Where a metric uses the values; None for everywhere.

        Returns
        -------
        bool
            Whether the block may be scored.
        """
        tally = self._tallies.setdefault(part.path, _Tally())
        # As Python's floats: numpy would compare in float16, where the limit itself is infinite.
        lowest, highest = float(values.min()), float(values.max())
        if lowest > 0 and highest <= MAX_RATE:
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
        tally.zeros += int(np.count_nonzero(values == 0))
        if too_large.any() or not_finite.any():
            return False
        return not (negative.any() and must_not_be_negative(part.path))

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
            if tally.negative and must_not_be_negative(path):
                where = _words(tally.first_negative)
                problems.append(
                    f"{path}: {tally.negative} negative rates, first at {where}; "
                    "rates that predict spikes must be >= 0"
                )
        return problems

    @property
    def notes(self) -> List[str]:
        """What looks odd but is scored."""
        notes = []
        for path, tally in self._tallies.items():
            if tally.overlooked:
                notes.append(f"{path}: {tally.overlooked} NaN in bins that no metric uses")
            if tally.negative and not must_not_be_negative(path):
                notes.append(f"{path}: {tally.negative} negative rates; is that meant?")
            if tally.zeros and must_not_be_negative(path):
                notes.append(f"{path}: {tally.zeros} rates are exactly 0 and count as 1e-9")
        return notes


def must_not_be_negative(path: str) -> bool:
    """Whether an array predicts spikes, and so is scored by likelihood."""
    name = path.rpartition("/")[2]
    return name == "eval_rates_heldout" or name.endswith("_forward")


def _index(part: Part, values: np.ndarray, flat: int) -> Tuple[int, ...]:
    trial, bin_, neuron = np.unravel_index(flat, values.shape)
    return int(trial) + part.start, int(bin_), int(neuron)


def _words(index: Optional[Tuple[int, ...]]) -> str:
    assert index is not None
    return "trial {}, bin {}, neuron {} (counted from 0)".format(*index)
