"""Gaussian smoothing of spikes at 1 ms, summed in bins, without a dense 1 ms signal.

The reference convolves every unit's whole 1 ms signal and sums the result in bins. Spikes are
rare, so it is cheaper to add, for each spike, its share of every bin in reach: the kernel
summed over that bin. The sums are the same up to the order of float64 additions.
"""

from __future__ import annotations

from typing import List

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from nlb_evalai.truth.recording import Unit

#: Spikes handled at a time, which bounds the scratch memory.
_BLOCK_SPIKES = 4096


def gaussian_kernel(sd_ms: int) -> NDArray[np.float64]:
    """Weights of +-3 sd, ``6 * sd_ms`` of them; sums to 1.

    The number is even and the centre lies between two samples, so smoothing delays by half a
    millisecond, as in the reference.
    """
    weights = signal.windows.gaussian(int(6 * sd_ms), sd_ms, sym=True)
    return weights / weights.sum()


def segments_of(observed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Starts and stops of the observed stretches, (segments, 2)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], observed.view(np.int8), [0]])))
    return edges.reshape(-1, 2)


class Smoother:
    """Smooths units that share the same observed segments.

    Parameters
    ----------
    kernel : ndarray (k,)
        Weights at 1 ms.
    observed : ndarray (ms,)
        Each observed segment is smoothed for itself, as if nothing lay around it.
    bin_width_ms : int
    """

    def __init__(
        self, kernel: NDArray[np.float64], observed: NDArray[np.bool_], bin_width_ms: int
    ) -> None:
        self._kernel = kernel
        self._before = (len(kernel) - 1) // 2
        self._width = bin_width_ms
        self._n_bins = -(-len(observed) // bin_width_ms)
        self._segments = segments_of(observed)
        self._has_gaps = not bool(observed.all())
        self._by_phase = self._sums_by_phase()
        self._partial = self._partial_sums()

    def __call__(self, unit: Unit) -> NDArray[np.float64]:
        """Smoothed counts (bins,), bins summed over their observed ms only."""
        bins = np.zeros(self._n_bins)
        which = np.searchsorted(self._segments[:, 0], unit.spike_ms, side="right") - 1
        starts, stops = self._segments[which, 0], self._segments[which, 1]
        short = stops - starts < len(self._kernel)
        if short.any():
            self._add_short(bins, unit, which, short)
        begin = unit.spike_ms - self._before
        inner = ~short & (begin >= starts) & (begin + len(self._kernel) <= stops)
        edge = ~short & ~inner
        for block in _blocks(np.flatnonzero(inner)):
            self._add_inner(bins, begin[block], unit.counts[block])
        for block in _blocks(np.flatnonzero(edge)):
            self._add_edge(bins, begin[block], unit.counts[block], starts[block], stops[block])
        return bins

    def _sums_by_phase(self) -> NDArray[np.float64]:
        """[p, j]: the kernel's sum over its j-th bin when it begins p ms into a bin."""
        length = len(self._kernel)
        n_reached = (self._width - 1 + length - 1) // self._width + 1
        sums = np.zeros((self._width, n_reached))
        for phase in range(self._width):
            np.add.at(sums[phase], (phase + np.arange(length)) // self._width, self._kernel)
        return sums

    def _partial_sums(self) -> NDArray[np.float64]:
        """[i, m]: the sum of m weights from the i-th on."""
        length = len(self._kernel)
        padded = np.concatenate([self._kernel, np.zeros(self._width)])
        sums = np.zeros((length, self._width + 1))
        for count in range(1, self._width + 1):
            sums[:, count] = sums[:, count - 1] + padded[count - 1 : count - 1 + length]
        return sums

    def _add_inner(
        self, bins: NDArray[np.float64], begin: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> None:
        """Spikes whose whole kernel lies inside their segment."""
        first, phase = begin // self._width, begin % self._width
        weights = self._by_phase[phase]
        weights *= counts[:, None]
        index = first[:, None] + np.arange(weights.shape[1])
        self._scatter(bins, index, weights)

    def _add_edge(
        self,
        bins: NDArray[np.float64],
        begin: NDArray[np.int64],
        counts: NDArray[np.int64],
        starts: NDArray[np.int64],
        stops: NDArray[np.int64],
    ) -> None:
        """Spikes whose kernel is cut by the start or the end of their segment."""
        index = (begin // self._width)[:, None] + np.arange(self._by_phase.shape[1])
        low = np.maximum(begin, starts)[:, None]
        high = np.minimum(begin + len(self._kernel), stops)[:, None]
        from_ms = np.maximum(index * self._width, low)
        to_ms = np.minimum((index + 1) * self._width, high)
        many = np.clip(to_ms - from_ms, 0, self._width)
        offset = np.clip(from_ms - begin[:, None], 0, len(self._kernel) - 1)
        weights = self._partial[offset, many] * counts[:, None]
        self._scatter(bins, index, weights)

    def _scatter(
        self, bins: NDArray[np.float64], index: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> None:
        low = int(index.min())
        added = np.bincount((index - low).ravel(), weights=weights.ravel())
        first, last = max(low, 0), min(low + len(added), self._n_bins)
        bins[first:last] += added[first - low : last - low]

    def _add_short(
        self,
        bins: NDArray[np.float64],
        unit: Unit,
        which: NDArray[np.int64],
        short: NDArray[np.bool_],
    ) -> None:
        """Segments shorter than the kernel, one by one.

        There scipy picks an FFT in which the float16 counts go through single precision, an
        error of about 1e-9 that shows in the reference's float32. So the same call is made
        here, and what falls below 0 is cut off as there.
        """
        dtype = np.float16 if self._has_gaps else np.float64
        for segment in np.unique(which[short]):
            start, stop = self._segments[segment]
            own = which == segment
            dense = np.zeros(stop - start, dtype)
            dense[unit.spike_ms[own] - start] = unit.counts[own]
            smoothed = signal.convolve(dense, self._kernel, "same")
            if self._has_gaps:
                smoothed[smoothed < 0] = 0
            np.add.at(bins, np.arange(start, stop) // self._width, smoothed)


def _blocks(index: NDArray[np.int64]) -> List[NDArray[np.int64]]:
    return [index[i : i + _BLOCK_SPIKES] for i in range(0, len(index), _BLOCK_SPIKES)]


def coarser(bins: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Sums of ``factor`` neighboring bins; the last may have fewer."""
    if factor == 1:
        return bins
    return np.add.reduceat(bins, np.arange(0, len(bins), factor))
