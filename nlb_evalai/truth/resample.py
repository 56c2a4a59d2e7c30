"""A recording in bins of a given width. The grid always starts at recording time 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from nlb_evalai.truth.recording import Recording, Series, Units

#: Taps of the anti-aliasing filter, less one, whatever the bin width.
_FILTER_ORDER = 500


@dataclass
class Binned:
    """A recording in bins.

    Attributes
    ----------
    bin_width_ms : int
    n_bins : int
        The last bin may be shorter than the others.
    heldin, heldout : ndarray (bins, units)
        Spike counts, units by id. NaN where the bin's first ms was not observed: a bin in
        which observation stops holds a part of its spikes, one in which it starts holds NaN.
    behavior : ndarray (bins, columns), optional
    complete : ndarray (bins,)
        Bins with a value in every unit and every column of every time series.
    """

    bin_width_ms: int
    n_bins: int
    heldin: NDArray[np.float16]
    heldout: NDArray[np.float16]
    behavior: Optional[NDArray]
    complete: NDArray[np.bool_]


def bin_recording(
    recording: Recording, bin_width_ms: int, behavior: Optional[str] = None
) -> Binned:
    """Bin spikes and resample the behavior (the series of that name, if there is one)."""
    series = recording.series.get(behavior) if behavior is not None else None
    return Binned(
        bin_width_ms=bin_width_ms,
        n_bins=-(-recording.n_ms // bin_width_ms),
        heldin=bin_spikes(recording.heldin, recording.n_ms, bin_width_ms),
        heldout=bin_spikes(recording.heldout, recording.n_ms, bin_width_ms),
        behavior=None if series is None else resample_series(series, bin_width_ms),
        complete=recording.complete()[::bin_width_ms],
    )


def bin_spikes(group: Units, n_ms: int, bin_width_ms: int) -> NDArray[np.float16]:
    """Spike counts (bins, units), NaN where a bin's first ms was not observed."""
    n_bins = -(-n_ms // bin_width_ms)
    counts = np.zeros((len(group), n_bins), np.float16)  # so that each unit's lie together
    hidden = [~mask[::bin_width_ms] for mask in group.masks]
    for of_unit, unit in zip(counts, group.by_id()):
        bins = unit.spike_ms // bin_width_ms
        of_unit[:] = np.bincount(bins, weights=unit.counts, minlength=n_bins)
        of_unit[hidden[unit.mask]] = np.nan
    return counts.T


def resample_series(series: Series, bin_width_ms: int) -> NDArray:
    """The series, low-passed, at the start of each bin: (bins, columns).

    Gaps are bridged by straight lines and edges held, then a 501-tap FIR filter runs over the
    whole recording with zeros beyond its ends; where the sample at the bin's start was missing
    the result is NaN again. So up to 250 ms beside a gap or an end are tinged by it, as in the
    reference.
    """
    values = series.values
    if values is None:
        raise ValueError("the series' values were not kept when it was read")
    if bin_width_ms == 1:
        return values
    bridged = np.column_stack([_bridged(values[:, i]) for i in range(values.shape[1])])
    resampled = signal.decimate(bridged, bin_width_ms, n=_FILTER_ORDER, ftype="fir", axis=0)
    resampled[np.isnan(values[::bin_width_ms])] = np.nan
    return np.trunc(resampled) if series.integer else resampled


def _bridged(column: NDArray) -> NDArray:
    """NaN replaced by linear interpolation over positions, by the nearest value at the ends."""
    missing = np.isnan(column)
    if not missing.any() or missing.all():
        return column
    positions = np.arange(len(column))
    filled = column.copy()
    filled[missing] = np.interp(positions[missing], positions[~missing], column[~missing])
    return filled
