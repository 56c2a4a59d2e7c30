"""Sessions with something odd about them: edits in place, and what is then built of them.

Imported by the tests, and by ``make_expected.py`` in the reference's environment, so that both
see the same session. Only h5py and numpy.
"""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Tuple

import h5py
import numpy as np

TRIALS = "intervals/trials/"
VEL = "processing/behavior/hand_vel"


def rows_of(file: h5py.File, split: str) -> np.ndarray:
    splits = file[TRIALS + "split"].asstr()[()]
    return np.flatnonzero(splits == split)


def end_observation(file: h5py.File, row: int, after_onset_s: float) -> None:
    """All units' interval around a trial's onset ends ``after_onset_s`` after it.

    The spikes after that stay in the file, where both sides ignore them.
    """
    onset = file[TRIALS + "move_onset_time"][row]
    spans = file["units/obs_intervals"][()]
    inside = (spans[:, 0] <= onset) & (onset < spans[:, 1])
    spans[inside, 1] = onset + after_onset_s
    file["units/obs_intervals"][...] = spans


def forward_unobserved(file: h5py.File) -> None:
    end_observation(file, rows_of(file, "val")[4], 0.450)


def forward_partly_unobserved(file: h5py.File) -> None:
    end_observation(file, rows_of(file, "val")[4], 0.550)


def gaze_lost(file: h5py.File, rows: np.ndarray) -> None:
    """One 20 ms bin of eye_pos is NaN in each of the trials' windows."""
    onsets_ms = np.round(file[TRIALS + "move_onset_time"][()][rows] * 1000).astype(int)
    wanted = np.concatenate([np.arange(20) + 20 * (ms // 20) for ms in onsets_ms]) / 1000
    stamps = file["processing/behavior/hand_vel/timestamps"]
    lost = np.isin(np.round(stamps[()], 6), np.round(wanted, 6))
    data = file["processing/behavior/eye_pos/data"]
    values = data[()]
    values[lost] = np.nan
    data[...] = values


def gaze_lost_in_one_trial(file: h5py.File) -> None:
    gaze_lost(file, rows_of(file, "val")[3:4])


def gaze_lost_in_every_trial(file: h5py.File) -> None:
    gaze_lost(file, rows_of(file, "val"))


def spaced_columns(file: h5py.File) -> None:
    file[VEL].attrs["comments"] = "columns=[x, y]"


def move_last_spike(file: h5py.File, unit_row: int, to_s: float) -> None:
    """The last spike of a unit happens at another time."""
    end = int(file["units/spike_times_index"][unit_row])
    file["units/spike_times"][end - 1] = to_s


def first_gap_s(file: h5py.File) -> float:
    """A time between the first two observed intervals."""
    spans = file["units/obs_intervals"][:2]
    return float(spans[0, 1] + spans[1, 0]) / 2


def spike_in_gap(file: h5py.File) -> None:
    move_last_spike(file, 0, first_gap_s(file))


def spike_after_end(file: h5py.File) -> None:
    move_last_spike(file, 0, 1000.0)


def spike_half_ms_before_zero(file: h5py.File) -> None:
    move_last_spike(file, 0, -0.0005)


def spike_2_ms_before_zero(file: h5py.File) -> None:
    move_last_spike(file, 0, -0.0025)


def onset_missing(file: h5py.File) -> None:
    file[TRIALS + "move_onset_time"][rows_of(file, "train")[5]] = np.nan


def equal_conditions(file: h5py.File) -> None:
    """Every condition keeps one eval trial."""
    kinds = list(zip(file[TRIALS + "trial_type"][()], file[TRIALS + "trial_version"][()]))
    seen = set()
    for row in rows_of(file, "val"):
        if kinds[row] in seen:
            file[TRIALS + "split"][row] = "none"
        seen.add(kinds[row])


def production_times(file: h5py.File, seconds: float) -> None:
    """All trials of the first condition are produced in that many seconds."""
    kinds = list(zip(*(file[TRIALS + name][()] for name in ("is_eye", "theta", "is_short", "ts"))))
    set_times, go_times = file[TRIALS + "set_time"][()], file[TRIALS + "go_time"][()]
    rows = [row for row, kind in enumerate(kinds) if kind == min(kinds)]
    set_times[rows] = go_times[rows] - seconds
    file[TRIALS + "set_time"][...] = set_times


def produced_in_1600_ms(file: h5py.File) -> None:
    production_times(file, 1.6)


def produced_in_1500_ms(file: h5py.File) -> None:
    production_times(file, 1.5)


def produced_in_3000_ms(file: h5py.File) -> None:
    production_times(file, 3.0)


def as_it_is(file: h5py.File) -> None:
    """No edit."""


class Odd(NamedTuple):
    """A session file, its edit, a bin width, and which splits train and are evaluated.

    ``evaluate`` is what the reference gets: the string "test" and the list ["test"] differ.
    """

    session: str
    edit: Callable[[h5py.File], None]
    bin_width_ms: int
    train: object = "train"
    evaluate: object = "val"
    like_lightning: bool = False


#: Cases in which the reference gives a result.
ODD: Dict[str, Odd] = {
    "bin_width_1": Odd("mc_maze_small_train", as_it_is, 1),
    "bin_width_2": Odd("mc_maze_small_train", as_it_is, 2),
    "bin_width_10": Odd("mc_maze_small_train", as_it_is, 10),
    "bin_width_40": Odd("mc_maze_small_train", as_it_is, 40),
    "bin_width_40_of_area2": Odd("area2_bump_train", as_it_is, 40),
    "bin_width_10_of_dmfc": Odd("dmfc_rsg_train", as_it_is, 10),
    "forward_unobserved": Odd("mc_maze_small_train", forward_unobserved, 20),
    "gaze_lost_in_every_trial": Odd("mc_maze_train", gaze_lost_in_every_trial, 20),
    "spaced_columns": Odd("mc_maze_small_train", spaced_columns, 20),
    "spike_in_gap": Odd("mc_maze_small_train", spike_in_gap, 20),
    "spike_half_ms_before_zero": Odd("mc_maze_small_train", spike_half_ms_before_zero, 20),
    "spike_2_ms_before_zero": Odd("mc_maze_small_train", spike_2_ms_before_zero, 20),
    "produced_in_3000_ms": Odd("dmfc_rsg_train", produced_in_3000_ms, 20),
    "train_and_string_test": Odd("mc_maze_small_full", as_it_is, 20, "train", "test"),
    "train_and_list_test": Odd("mc_maze_small_full", as_it_is, 20, "train", ["test"]),
    "train_val_and_list_test": Odd("mc_maze_small_full", as_it_is, 20, ["train", "val"], ["test"]),
    "like_lightning": Odd("dmfc_rsg_train", as_it_is, 20, like_lightning=True),
}

#: Cases in which the reference stops, and the exception that it stops with.
STOPPED: Dict[str, Tuple[Odd, str]] = {
    "forward_partly_unobserved": (
        Odd("mc_maze_small_train", forward_partly_unobserved, 20),
        "ValueError: all input arrays must have the same shape",
    ),
    "gaze_lost_in_one_trial": (
        Odd("mc_maze_train", gaze_lost_in_one_trial, 20),
        "ValueError: all input arrays must have the same shape",
    ),
    "spike_after_end": (
        Odd("mc_maze_small_train", spike_after_end, 20),
        "IndexError: index 1000000 is out of bounds for axis 0 with size",
    ),
    "onset_missing": (Odd("mc_maze_small_train", onset_missing, 20), "KeyError: "),
    "equal_conditions": (
        Odd("mc_maze_small_train", equal_conditions, 20),
        "TypeError: Object dtype dtype('O') has no native HDF5 equivalent",
    ),
    "produced_in_1600_ms": (
        Odd("dmfc_rsg_train", produced_in_1600_ms, 20),
        "ValueError: all input arrays must have the same shape",
    ),
}


def dataset_of(session: str) -> str:
    return session.rsplit("_", 1)[0]


def as_splits(value: object) -> List[str]:
    return [value] if isinstance(value, str) else list(value)  # type: ignore[call-overload]
