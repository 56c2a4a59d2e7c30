"""Smoothing spike by spike equals convolving the whole 1 ms signal."""

from __future__ import annotations

from typing import List, Tuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from nlb_evalai.truth.recording import Unit
from nlb_evalai.truth.smoothing import Smoother, coarser, gaussian_kernel, segments_of


def dense(
    spikes: NDArray[np.int64], observed: NDArray[np.bool_], kernel: NDArray[np.float64], width: int
) -> NDArray[np.float64]:
    """As the reference: each observed stretch convolved by itself, then summed in bins.

    Counts are float16, unless everything was observed.
    """
    signal_1ms = np.zeros(len(observed), np.float64 if observed.all() else np.float16)
    np.add.at(signal_1ms, spikes, 1)
    smoothed = np.zeros(len(observed))
    for start, stop in segments_of(observed):
        piece = signal.convolve(signal_1ms[start:stop], kernel, "same")
        smoothed[start:stop] = np.maximum(piece, 0)
    padded = np.append(smoothed, np.zeros(-len(smoothed) % width))
    return padded.reshape(-1, width).sum(axis=1)


@st.composite
def recordings(draw: st.DrawFn) -> Tuple[NDArray[np.int64], NDArray[np.bool_]]:
    lengths = draw(st.lists(st.integers(1, 900), min_size=1, max_size=7))
    observed = np.concatenate([np.full(n, i % 2 == 0) for i, n in enumerate(lengths)])
    seen = np.flatnonzero(observed)
    picks = draw(st.lists(st.integers(0, len(seen) - 1), max_size=40))
    return np.sort(seen[np.array(picks, np.int64)]), observed


@settings(max_examples=60, deadline=None)
@given(recordings(), st.sampled_from([1, 5, 7, 20]), st.sampled_from([40, 50, 70]))
def test_equals_convolution_of_every_stretch(
    recording: Tuple[NDArray[np.int64], NDArray[np.bool_]], width: int, sd_ms: int
) -> None:
    spikes, observed = recording
    kernel = gaussian_kernel(sd_ms)
    spike_ms, counts = np.unique(spikes, return_counts=True)
    found = Smoother(kernel, observed, width)(Unit(spike_ms, counts))
    np.testing.assert_allclose(
        found, dense(spikes, observed, kernel, width), rtol=1e-13, atol=1e-16
    )


def test_kernel_has_an_even_number_of_weights_and_delays_by_half_a_ms() -> None:
    kernel = gaussian_kernel(70)
    assert len(kernel) == 420
    assert kernel.sum() == pytest.approx(1, abs=1e-15)
    observed = np.ones(1000, bool)
    smoothed = Smoother(kernel, observed, 1)(Unit(np.array([500]), np.array([1])))
    assert (smoothed * np.arange(1000)).sum() == pytest.approx(500.5, abs=1e-9)


def test_rates_sag_at_the_edges_of_a_stretch() -> None:
    observed = np.ones(2000, bool)
    unit = Unit(np.arange(2000), np.ones(2000, np.int64))
    smoothed = Smoother(gaussian_kernel(50), observed, 1)(unit)
    assert smoothed[0] == pytest.approx(0.5, abs=0.01)
    assert smoothed[1000] == pytest.approx(1.0)


@pytest.mark.parametrize(("n_bins", "factor"), [(12, 4), (13, 4), (3, 4), (5, 1)])
def test_wider_bins_are_sums_the_last_may_be_shorter(n_bins: int, factor: int) -> None:
    bins = np.arange(n_bins, dtype=float)
    expected: List[float] = [
        bins[start : start + factor].sum() for start in range(0, n_bins, factor)
    ]
    assert coarser(bins, factor).tolist() == expected
