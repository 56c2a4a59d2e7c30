"""Trials -> ranges of bins, and ranges of bins -> arrays (trials, bins, channels)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from evaluation_script.suites.session import START, Window
from evaluation_script.text import plural
from nlb_evalai.truth.errors import SessionError
from nlb_evalai.truth.recording import NO_TIME, NS_PER_MS, Trials

#: The end of a window is exclusive: the reference takes this much off.
_JUST_BEFORE_NS = 1_000


@dataclass
class Ranges:
    """The bins of each trial's window.

    Attributes
    ----------
    rows : ndarray (n,)
        Rows of the trials table, in its order; trials with a missing time are not among them.
    first, stop : ndarray (n,)
        First bin and the one after the last, cut at the next trial (unless overlap is
        allowed) and at the ends of the recording. ``stop <= first``: nothing is left.
    whole_first, whole_stop : ndarray (n,)
        The same before any cut; may lie outside of the recording.
    align : ndarray (n,)
        The bin of the event, rounded up.
    """

    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    whole_first: NDArray[np.int64]
    whole_stop: NDArray[np.int64]
    align: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.maximum(self.stop - self.first, 0)


def trial_ranges(
    trials: Trials,
    included: NDArray[np.bool_],
    window: Window,
    bin_width_ms: int,
    n_bins: int,
    align_ns: Optional[NDArray[np.int64]] = None,
) -> Ranges:
    """Ranges of bins for the included trials.

    Parameters
    ----------
    trials : Trials
    included : ndarray (trials,)
        Which of them.
    window : Window
    bin_width_ms, n_bins : int
        The grid.
    align_ns : ndarray (trials,), optional
        Takes the place of the column ``window.align`` (a jittered event).

    Notes
    -----
    A bin belongs to a window when it *starts* inside: both ends round up. A window of fixed
    length that is no multiple of the bin width is rounded to the nearest one (half to even).
    Where overlap is not allowed, the next *included* trial cuts the window, at the start of
    the trial that follows that one in the table or at its own window's start, whichever comes
    first. All of this as in the reference (``NWBDataset.make_trial_data``).

    Raises
    ------
    SessionError
        If a time column is missing, or windows overlap that must not.
    """
    bin_ns = bin_width_ms * NS_PER_MS
    start_time = trials.time(START)
    following = np.append(start_time[1:], NO_TIME)[included]
    rows = np.flatnonzero(included)
    align = (trials.time(window.align) if align_ns is None else align_ns)[included]
    begin, end = _edges(trials, included, window, bin_ns, align)

    known = trials.time(window.start_field)[included] != NO_TIME
    for times in (align, begin, end):
        known &= times != NO_TIME
    bound = np.append(_earlier(following, begin)[1:], NO_TIME)
    overlaps = (bound != NO_TIME) & (end > bound)
    cut = end if window.allow_overlap else np.where(overlaps, bound - _JUST_BEFORE_NS, end)

    ranges = Ranges(
        rows=rows[known],
        first=np.clip(_ceil_div(begin[known], bin_ns), 0, n_bins),
        stop=np.clip(cut[known] // bin_ns + 1, 0, n_bins),
        whole_first=_ceil_div(begin[known], bin_ns),
        whole_stop=end[known] // bin_ns + 1,
        align=_ceil_div(align[known], bin_ns),
    )
    if not window.allow_overlap:
        _check_disjoint(ranges, trials, window)
    return ranges


def _edges(
    trials: Trials,
    included: NDArray[np.bool_],
    window: Window,
    bin_ns: int,
    align: NDArray[np.int64],
) -> Tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last ns of each window, NO_TIME where unknown."""
    stop_ns = None if window.stop_ms is None else window.stop_ms * NS_PER_MS
    if window.start_ms is not None and stop_ns is not None:
        start_ns = window.start_ms * NS_PER_MS
        stop_ns = start_ns + round((stop_ns - start_ns) / bin_ns) * bin_ns
    if window.start_ms is None:
        begin = trials.time(window.start_field)[included]
    else:
        begin = _shifted(align, window.start_ms * NS_PER_MS)
    if stop_ns is None:
        end = _shifted(trials.time(window.end_field)[included], -_JUST_BEFORE_NS)
    else:
        end = _shifted(align, stop_ns - _JUST_BEFORE_NS)
    return begin, end


def _shifted(times: NDArray[np.int64], by: int) -> NDArray[np.int64]:
    return np.where(times == NO_TIME, NO_TIME, times + by)


def _earlier(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """The earlier of two times; the other one where one is missing."""
    return np.where(a == NO_TIME, b, np.where(b == NO_TIME, a, np.minimum(a, b)))


def _ceil_div(times: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    return -(-times // step)


def _check_disjoint(ranges: Ranges, trials: Trials, window: Window) -> None:
    kept = ranges.lengths > 0
    rows, first, stop = ranges.rows[kept], ranges.first[kept], ranges.stop[kept]
    order = np.argsort(first, kind="stable")
    clash = np.flatnonzero(stop[order][:-1] > first[order][1:])
    if len(clash):
        one, other = rows[order][clash[0]], rows[order][clash[0] + 1]
        raise SessionError(
            f"{trials.where}: table intervals/trials: the windows around {window.align!r} of "
            f"rows {one} and {other} overlap; expected trials in the order of their times"
        )


def stack(
    ranges: Ranges,
    fields: Sequence[NDArray],
    complete: Optional[NDArray[np.bool_]],
    what: str,
    notes: List[str],
) -> List[NDArray[np.float32]]:
    """Windows of equal length as arrays (trials, bins, channels), one for each field.

    Parameters
    ----------
    ranges : Ranges
    fields : sequence of ndarray (all bins, channels)
    complete : ndarray (all bins,), optional
        Bins that are not complete are left out, and so is a trial that has no other.
    what : str
        Names the arrays in notes and errors.
    notes : list of str
        Gets a line for everything unusual.

    Notes
    -----
    As long as the trials that remain have equally many bins, this is what the reference does.
    Where they have not, it stops (``np.stack``). Then every trial keeps its whole window, NaN
    where the recording has nothing: NaN is how a bin is marked as not scored.

    Raises
    ------
    SessionError
        If no trial has a bin left.
    """
    bins = [np.arange(a, b) for a, b in zip(ranges.first, ranges.stop)]
    if complete is not None:
        bins = [window[complete[window]] for window in bins]
    lengths = np.array([len(window) for window in bins])
    left = lengths > 0
    if not left.any():
        raise SessionError(
            f"{what}: none of the {len(bins)} windows holds a single bin in which all units "
            "and time series were recorded; do obs_intervals and trial times share a clock?"
        )
    if len(set(lengths[left])) > 1:
        short = plural(int((lengths < lengths.max()).sum()), "window")
        notes.append(
            f"{what}: {short} cut short or not wholly recorded; the bins without a value are NaN"
        )
        return [stack_whole(ranges, field) for field in fields]
    length = lengths[left][0]
    if not left.all():
        rows = ", ".join(map(str, ranges.rows[~left]))
        notes.append(f"{what}: without trials {rows} (rows of the table), which have no data")
    lost = int((ranges.whole_stop - ranges.whole_first)[left].max() - length)
    if lost > 0:
        notes.append(f"{what}: {lost} bins are missing in every trial; windows are shorter")
    index = np.stack([window for window, keep in zip(bins, left) if keep])
    return [field[index].astype(np.float32) for field in fields]


def stack_whole(ranges: Ranges, field: NDArray) -> NDArray[np.float32]:
    """Uncut windows (trials, bins, channels), NaN outside of the recording."""
    length = int((ranges.whole_stop - ranges.whole_first).max())
    index = ranges.whole_first[:, None] + np.arange(length)
    outside = (index < 0) | (index >= len(field)) | (index >= ranges.whole_stop[:, None])
    stacked = field[np.clip(index, 0, len(field) - 1)].astype(np.float32)
    stacked[outside] = np.nan
    return stacked


def pad_back(ranges: Ranges, field: NDArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Windows as (rows, longest window, channels), NaN after the end of shorter ones.

    A window cut at its front moves to the front, as in the reference.
    """
    padded = np.full((len(rows), int(ranges.lengths.max(initial=0)), field.shape[1]), np.nan)
    where = {int(row): i for i, row in enumerate(rows)}
    for row, first, stop in zip(ranges.rows, ranges.first, ranges.stop):
        if stop > first:
            padded[where[int(row)], : stop - first] = field[first:stop]
    return padded


def pad_front(
    ranges: Ranges,
    field: NDArray,
    rows: NDArray[np.int64],
    length: int,
    jitter: NDArray[np.int64],
    complete: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Windows as (rows, length, channels), each ending ``jitter`` bins before the array does.

    Incomplete bins are left out; what is longer loses its front; all else is NaN.
    """
    padded = np.full((len(rows), length, field.shape[1]), np.nan)
    where = {int(row): i for i, row in enumerate(rows)}
    for row, first, stop in zip(ranges.rows, ranges.first, ranges.stop):
        i = where[int(row)]
        end = length - int(jitter[i])
        bins = np.arange(first, stop)
        bins = bins[complete[bins]][-end:]
        padded[i, end - len(bins) : end] = field[bins]
    return padded
