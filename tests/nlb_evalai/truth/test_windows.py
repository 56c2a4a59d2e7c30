"""Which bins belong to a trial's window."""

from __future__ import annotations

from typing import List, Optional

import numpy as np
import pytest

from nlb_evalai.truth.errors import SessionError
from nlb_evalai.truth.nwb import seconds_to_ns
from nlb_evalai.truth.recording import NO_TIME, Trials
from nlb_evalai.truth.sessions import Window
from nlb_evalai.truth.windows import Ranges, pad_back, pad_front, stack, trial_ranges


def trials(onsets_ms: List[Optional[float]], length_ms: int = 1000) -> Trials:
    starts = np.arange(len(onsets_ms)) * length_ms / 1000
    onsets = np.array([np.nan if ms is None else ms / 1000 for ms in onsets_ms])
    return Trials(
        {
            "start_time": seconds_to_ns(starts),
            "end_time": seconds_to_ns(starts + length_ms / 1000),
            "onset_time": seconds_to_ns(onsets),
        },
        {"split": np.array(["train"] * len(onsets_ms))},
        "made up",
    )


def ranges(table: Trials, window: Window, width: int = 20, n_bins: int = 1000) -> Ranges:
    return trial_ranges(table, np.ones(len(table), bool), window, width, n_bins)


@pytest.mark.parametrize(
    ("onset_ms", "first"), [(500.0, 20), (501.0, 21), (519.0, 21), (520.0, 21), (500.5, 21)]
)
def test_both_ends_round_up_so_windows_have_one_length(onset_ms: float, first: int) -> None:
    found = ranges(trials([onset_ms]), Window("onset_time", -100, 300))
    assert found.first.tolist() == [first]
    assert found.lengths.tolist() == [20]


def test_a_length_that_is_no_multiple_of_the_bin_is_rounded_half_to_even() -> None:
    found = ranges(trials([1000.0]), Window("onset_time", -250, 450), width=40)
    assert found.lengths.tolist() == [18]  # 700 / 40 = 17.5


def test_a_window_ends_where_the_next_trial_begins_unless_overlap_is_allowed() -> None:
    table = trials([500.0, 700.0], length_ms=600)
    cut = ranges(table, Window("onset_time", -100, 300), width=100)
    assert cut.lengths.tolist() == [2, 4]
    assert (cut.whole_stop - cut.whole_first).tolist() == [4, 4]
    whole = ranges(table, Window("onset_time", -100, 300, allow_overlap=True), width=100)
    assert whole.lengths.tolist() == [4, 4]


def test_the_bound_is_the_trial_after_the_next_included_one() -> None:
    """Row 1 is left out: row 2's window and the start of row 3 bound row 0."""
    table = trials([500.0, 700.0, 800.0, 3200.0], length_ms=600)
    included = np.array([True, False, True, True])
    window = Window("onset_time", -100, 300)
    found = trial_ranges(table, included, window, 100, 100)
    assert found.rows.tolist() == [0, 2, 3]
    assert found.stop.tolist() == [7, 11, 35]


def test_trials_with_a_missing_time_are_left_out_but_still_bound_others() -> None:
    table = trials([500.0, None, 1700.0], length_ms=600)
    found = ranges(table, Window("onset_time", -100, 900), width=100)
    assert found.rows.tolist() == [0, 2]
    assert found.stop.tolist() == [12, 26]  # row 2 starts at 1.2 s


def test_windows_are_clipped_to_the_recording() -> None:
    found = ranges(trials([50.0, 2000.0]), Window("onset_time", -100, 300), width=20, n_bins=105)
    assert found.first.tolist() == [0, 95]
    assert found.stop.tolist() == [18, 105]


def test_trials_out_of_order_are_an_error_that_names_the_rows() -> None:
    table = trials([1000.0, 5000.0, 1200.0])
    with pytest.raises(SessionError, match=r"onset_time.*rows 0 and 2 overlap"):
        ranges(table, Window("onset_time", 0, 500))


def test_seconds_become_ns_as_in_pandas() -> None:
    found = seconds_to_ns(np.array([1.001, 0.5005, 12.3455, -0.25, np.nan]))
    assert found.tolist() == [1_001_000_000, 500_499_999, 12_345_500_000, -250_000_000, NO_TIME]


class TestStack:
    FIELD = np.arange(40, dtype=float).reshape(20, 2)

    @staticmethod
    def at(first: List[int], length: int = 4, n_bins: int = 20) -> Ranges:
        begin = np.array(first)
        stop = begin + length
        return Ranges(
            np.arange(len(first)), begin.clip(0, n_bins), stop.clip(0, n_bins), begin, stop, begin
        )

    def test_equal_windows_become_one_array(self) -> None:
        stacked = stack(self.at([0, 10]), [self.FIELD], None, "x", [])[0]
        assert stacked.shape == (2, 4, 2)
        assert stacked.dtype == np.float32
        assert stacked[1, 0].tolist() == [20, 21]

    def test_bins_incomplete_in_every_trial_shorten_the_windows(self) -> None:
        complete = np.ones(20, bool)
        complete[[1, 11]] = False
        notes: List[str] = []
        stacked = stack(self.at([0, 10]), [self.FIELD], complete, "x", notes)[0]
        assert stacked[:, :, 0].tolist() == [[0, 4, 6], [20, 24, 26]]
        assert notes == ["x: 1 bins are missing in every trial; windows are shorter"]

    def test_windows_of_several_lengths_stay_whole_with_nan_outside(self) -> None:
        notes: List[str] = []
        stacked = stack(self.at([-1, 5, 18]), [self.FIELD], None, "x", notes)[0]
        assert np.isnan(stacked[:, :, 0]).tolist() == [
            [True, False, False, False],
            [False] * 4,
            [False, False, True, True],
        ]
        assert "2 windows cut short" in notes[0]

    def test_nothing_recorded_is_an_error(self) -> None:
        with pytest.raises(SessionError, match="none of the 2 windows"):
            stack(self.at([0, 10]), [self.FIELD], np.zeros(20, bool), "x", [])

    def test_padding_at_the_back_moves_a_window_cut_in_front_to_the_front(self) -> None:
        padded = pad_back(self.at([-1, 5]), self.FIELD, np.arange(2))
        assert padded[0, :, 0].tolist()[:3] == [0, 2, 4]
        assert np.isnan(padded[0, 3]).all()

    def test_padding_in_front_ends_at_the_jitter(self) -> None:
        padded = pad_front(
            self.at([3, 5]), self.FIELD, np.arange(2), 6, np.array([1, 0]), np.ones(20, bool)
        )
        found = np.nan_to_num(padded[:, :, 0], nan=-1).tolist()
        assert found == [[-1, 6, 8, 10, 12, -1], [-1, -1, 10, 12, 14, 16]]
