"""Trial averages for each condition, at several bin widths in one pass over the units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from nlb_evalai.truth.errors import SessionError
from nlb_evalai.truth.recording import Recording, Trials
from nlb_evalai.truth.sessions import PsthRule
from nlb_evalai.truth.smoothing import Smoother, coarser, gaussian_kernel
from nlb_evalai.truth.windows import Ranges, trial_ranges

#: A trial shorter than this share of its condition's mean length is left out.
_SHORTEST_SHARE = 0.8


@dataclass
class Psth:
    """One bin width's PSTHs.

    Attributes
    ----------
    values : ndarray (conditions, bins, units)
        Smoothed counts per bin; units are the held-in ones by id, then the held-out ones. NaN
        where a condition is shorter than the array.
    rows : list of ndarray
        Each condition's trials, as rows of the trials table.
    """

    values: NDArray[np.float64]
    rows: List[NDArray[np.int64]]


@dataclass
class _Plan:
    """Which bins of the recording are averaged into which cells of a PSTH array."""

    bins: NDArray[np.int64]
    cells: NDArray[np.int64]
    shape: Tuple[int, int]
    rows: List[NDArray[np.int64]]


def build_psths(
    recording: Recording,
    rule: PsthRule,
    usable: NDArray[np.bool_],
    bin_widths_ms: Sequence[int],
    tick: Optional[Callable[[], None]] = None,
) -> Dict[int, Psth]:
    """PSTHs of every condition that has a usable trial: bin width in ms -> :class:`Psth`.

    Parameters
    ----------
    recording : Recording
    rule : PsthRule
    usable : ndarray (trials,)
        Trials that may be averaged (before the rule's own ``skip_column``).
    bin_widths_ms : sequence of int
        Smoothed once, at their greatest common divisor; wider bins are sums.
    tick : callable, optional
        Called after each unit.

    Raises
    ------
    SessionError
        If no condition has a trial.
    """
    plans = {width: _plan(recording, rule, usable, width) for width in bin_widths_ms}
    base = reduce(math.gcd, bin_widths_ms)
    kernel = gaussian_kernel(rule.kernel_sd_ms)
    n_units = len(recording.heldin) + len(recording.heldout)
    values = {width: np.full((*plan.shape, n_units), np.nan) for width, plan in plans.items()}
    column = 0
    for group in (recording.heldin, recording.heldout):
        smoothers = [Smoother(kernel, mask, base) for mask in group.masks]
        for unit in group.by_id():
            smoothed = smoothers[unit.mask](unit)
            for width, plan in plans.items():
                binned = coarser(smoothed, width // base)
                binned[~group.masks[unit.mask][::width]] = np.nan
                values[width][:, :, column] = _average(plan, binned)
            column += 1
            if tick is not None:
                tick()
    return {width: Psth(values[width], plan.rows) for width, plan in plans.items()}


def conditions(
    trials: Trials, fields: Sequence[str], usable: NDArray[np.bool_]
) -> List[Tuple[object, NDArray[np.bool_]]]:
    """Distinct values of the fields among usable trials, sorted, and each one's trials.

    Trials with a missing value belong to no condition.
    """
    columns = [trials.column(name) for name in fields]
    keys = list(zip(*(column.tolist() for column in columns)))
    complete = [not any(_missing(value) for value in key) for key in keys]
    distinct = {key for key, whole, use in zip(keys, complete, usable) if whole and use}
    try:
        ordered = sorted(distinct)
    except TypeError:
        raise SessionError(
            f"{trials.where}: table intervals/trials, columns {', '.join(fields)}: found values "
            "of several types, expected one type for each column"
        ) from None
    return [(key, np.array([other == key for other in keys])) for key in ordered]


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _plan(recording: Recording, rule: PsthRule, usable: NDArray[np.bool_], width: int) -> _Plan:
    """Choose each condition's trials and line them up on the event's bin."""
    trials = recording.trials
    n_bins = -(-recording.n_ms // width)
    keep = usable.copy()
    if rule.skip_column is not None:
        keep &= trials.number(rule.skip_column) != 1
    aligned: List[Tuple[Ranges, NDArray[np.int64]]] = []
    for _, members in conditions(trials, rule.conditions, usable):
        if not (members & keep).any():
            continue
        ranges = _of_similar_length(
            trial_ranges(trials, members & keep, rule.window, width, n_bins)
        )
        if len(ranges.rows):
            aligned.append((ranges, _time_axis(ranges)))
    if not aligned:
        raise SessionError(
            f"{trials.where}: no condition of {', '.join(rule.conditions)} has a trial with a "
            "time in " + repr(rule.window.align)
        )
    shortest = [int(ranges.lengths.min()) for ranges, _ in aligned]
    length = max(shortest)
    if rule.length_ms is not None:
        length = round(rule.length_ms / width)
    bins, cells = [], []
    for number, ((ranges, axis), rows) in enumerate(zip(aligned, shortest)):
        # Of all times that occur, as many as the shortest trial has, from the side that is
        # not padded; what is longer than the array loses its padded side
        kept = axis[-min(rows, length) :] if rule.pad_front else axis[: min(rows, length)]
        first_cell = length - len(kept) if rule.pad_front else 0
        for first, stop, align in zip(ranges.first, ranges.stop, ranges.align):
            own = np.arange(first, stop)
            at = np.searchsorted(kept, own - align)
            found = (at < len(kept)) & (kept[np.minimum(at, len(kept) - 1)] == own - align)
            bins.append(own[found])
            cells.append(number * length + first_cell + at[found])
    return _Plan(
        np.concatenate(bins),
        np.concatenate(cells),
        (len(aligned), length),
        [np.sort(ranges.rows) for ranges, _ in aligned],
    )


def _of_similar_length(ranges: Ranges) -> Ranges:
    """Without empty windows and those much shorter than the mean."""
    lengths = ranges.lengths
    full = lengths > 0
    if not full.any():
        return _only(ranges, full)
    return _only(ranges, full & (lengths >= _SHORTEST_SHARE * lengths[full].mean()))


def _only(ranges: Ranges, keep: NDArray[np.bool_]) -> Ranges:
    return Ranges(
        ranges.rows[keep],
        ranges.first[keep],
        ranges.stop[keep],
        ranges.whole_first[keep],
        ranges.whole_stop[keep],
        ranges.align[keep],
    )


def _time_axis(ranges: Ranges) -> NDArray[np.int64]:
    """All bin times relative to the event that occur in any trial, ascending."""
    times = [
        np.arange(first - align, stop - align)
        for first, stop, align in zip(ranges.first, ranges.stop, ranges.align)
    ]
    return np.unique(np.concatenate(times))


def _average(plan: _Plan, binned: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over trials in each cell, unobserved bins skipped; NaN where nothing is left."""
    values = binned[plan.bins]
    seen = ~np.isnan(values)
    size = plan.shape[0] * plan.shape[1]
    total = np.bincount(plan.cells[seen], weights=values[seen], minlength=size)
    count = np.bincount(plan.cells[seen], minlength=size)
    mean = np.full(size, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean.reshape(plan.shape)
