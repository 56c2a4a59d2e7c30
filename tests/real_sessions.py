"""Small sessions with the structure of the published recordings, made with h5py alone.

Every structural fact that is known of the files on DANDI is in them: enumerations as booleans,
int32 ids, ragged columns with indices of one to four bytes, soft-linked time stamps, missing times,
no ``electrodes`` and no behavior (Haydn), test files with few columns, trials of split ``none``,
observed intervals a trial each or a few long ones, strings, starting times and rates with gaps.

The values are simulated: one latent drives the behavior and every neuron.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

import h5py
import numpy as np

#: file name of (dataset, variant) as on DANDI; "full" is the host's, with test trials and all units
NAMES = {
    "mc_maze": "sub-Jenkins_ses-full_desc-{}ecephys.nwb",
    "mc_rtt": "sub-Indy_desc-{}ecephys.nwb",
    "area2_bump": "sub-Han_desc-{}ecephys.nwb",
    "dmfc_rsg": "sub-Haydn_desc-{}ecephys.nwb",
    "mc_maze_large": "sub-Jenkins_ses-large_desc-{}ecephys.nwb",
    "mc_maze_medium": "sub-Jenkins_ses-medium_desc-{}ecephys.nwb",
    "mc_maze_small": "sub-Jenkins_ses-small_desc-{}ecephys.nwb",
}
HELDIN, HELDOUT = 9, 4
SPLITS = {"train": 24, "val": 12, "test": 10, "none": 3}

#: Column -> values; a tuple (values, index) is a ragged one.
Columns = Dict[str, Any]


class Clock(NamedTuple):
    """Trials of a recording: start and stop in s, and its length in ms."""

    start: np.ndarray
    stop: np.ndarray
    n_ms: int


def file_name(dataset: str, variant: str) -> str:
    """``sub-Jenkins_ses-small_desc-train_behavior+ecephys.nwb`` and the like."""
    behavior = "" if variant == "test" or dataset == "dmfc_rsg" else "behavior+"
    return NAMES[dataset].format(f"{variant}_{behavior}")


def write_sessions(dataset: str, folder: Path, seed: int = 0) -> Dict[str, Path]:
    """The train and test file as on DANDI and the host's full one: variant -> path."""
    rng = np.random.default_rng([seed, sorted(NAMES).index(dataset)])
    kind = "mc_maze" if dataset.startswith("mc_maze") else dataset
    splits = rng.permutation([s for s, n in SPLITS.items() if s != "test" for _ in range(n)])
    splits = np.concatenate([splits, ["test"] * SPLITS["test"]])
    clock, columns, latent, behavior = _MAKERS[kind](rng, splits)
    spikes = _spikes(rng, latent)
    n_public = int((splits != "test").sum())
    cut_ms = round(clock.stop[n_public - 1] * 1000)
    paths = {}
    for variant in ("train", "full", "test"):
        rows = slice(0, n_public) if variant == "train" else slice(None)
        first_ms, last_ms = (0, cut_ms) if variant == "train" else (0, clock.n_ms)
        if variant == "test":
            rows, first_ms = slice(n_public, None), int(clock.start[n_public] * 1000) // 100 * 100
        paths[variant] = folder / file_name(dataset, variant)
        with h5py.File(paths[variant], "w") as file:
            _root(file)
            part = _Part(kind, variant, rows, first_ms, last_ms, clock, splits)
            _write_trials(file, part, columns)
            _write_units(file, part, spikes)
            if variant != "test" and behavior:
                _write_behavior(file, part, behavior)
    return paths


class _Part(NamedTuple):
    """What of a recording goes into a file."""

    kind: str
    variant: str
    rows: slice
    first_ms: int
    last_ms: int
    clock: Clock
    splits: np.ndarray

    def seconds(self, times: np.ndarray) -> np.ndarray:
        return np.round(times - self.first_ms / 1000, 6)


# -- what is simulated ---------------------------------------------------------------------------


def _smooth(rng: np.random.Generator, n_ms: int, width_ms: int) -> np.ndarray:
    """Two columns of unit variance that change over ``width_ms``."""
    knots = rng.standard_normal((n_ms // width_ms + 3, 2))
    at = np.arange(n_ms) / width_ms
    return np.stack([np.interp(at, np.arange(len(knots)), column) for column in knots.T], axis=1)


def _spikes(rng: np.random.Generator, latent: np.ndarray) -> List[np.ndarray]:
    """Spike times in s of each unit, off the ms grid."""
    spikes = []
    for _ in range(HELDIN + HELDOUT):
        drive = latent @ rng.normal(0, 0.9, latent.shape[1])
        rate = np.minimum(25 * np.exp(drive - drive.std() ** 2 / 2), 400) / 1000
        ms = np.flatnonzero(rng.random(len(latent)) < rate)
        spikes.append(np.round((ms + rng.integers(1, 30, len(ms)) / 30) / 1000, 6))
    return spikes


def _times(rng: np.random.Generator, n: int, length_s: float, gap_s: float) -> Clock:
    start = np.round(0.2 + np.arange(n) * (length_s + gap_s) + rng.uniform(0, 0.02, n), 3)
    stop = np.round(start + length_s, 3)
    return Clock(start, stop, round(stop[-1] * 1000) + 300)


def _reaches(rng: np.random.Generator, clock: Clock, onset: np.ndarray, angle: np.ndarray):
    """Latent and velocity: a bump of speed after each onset, into the trial's direction."""
    drift = _smooth(rng, clock.n_ms, 400)
    speed = np.zeros((clock.n_ms, 2))
    at = np.arange(clock.n_ms) / 1000
    for time, direction in zip(onset, angle):
        if np.isfinite(time):
            bump = np.exp(-0.5 * ((at - time - 0.15) / 0.09) ** 2)
            speed += bump[:, None] * [np.cos(direction), np.sin(direction)]
    latent = np.concatenate([2 * speed, 0.4 * drift], axis=1)
    delayed = np.roll(speed + 0.15 * drift, 100, axis=0)
    return latent, 300 * delayed


def _maze(rng: np.random.Generator, splits: np.ndarray):
    n = len(splits)
    clock = _times(rng, n, 1.5, 0.12)
    onset = np.round(clock.start + 0.5 + rng.integers(0, 80, n) / 1000, 3)
    version, kind = np.arange(n) % 3, np.arange(n) // 3 % 2
    latent, velocity = _reaches(rng, clock, onset, 2.1 * version + kind)
    targets = rng.integers(1, 4, n)
    barriers = rng.integers(0, 5, n)
    columns: Columns = {
        "trial_type": kind.astype(np.int64),
        "trial_version": version.astype(np.int64),
        "maze_id": kind.astype(np.int64) + 5,
        "success": np.ones(n, bool),
        "target_on_time": clock.start + 0.1,
        "go_cue_time": clock.start + 0.3,
        "move_onset_time": onset,
        "rt": rng.integers(200, 400, n),
        "delay": rng.integers(0, 500, n),
        "num_targets": targets,
        "target_pos": (_grid(rng, targets, 2, np.int16), targets.cumsum()),
        "num_barriers": barriers,
        "barrier_pos": (_grid(rng, barriers, 4, np.int16), barriers.cumsum()),
        "active_target": np.zeros(n, np.int64),
    }
    gaze = _smooth(rng, clock.n_ms, 150)
    position = np.cumsum(velocity, axis=0) / 1000
    behavior = {
        "cursor_pos": position.copy(),
        "eye_pos": gaze,
        "hand_pos": position,
        "hand_vel": velocity,
    }
    return clock, columns, latent, behavior


def _grid(rng: np.random.Generator, counts: np.ndarray, width: int, dtype: Any) -> np.ndarray:
    return rng.integers(-130, 130, (int(counts.sum()), width)).astype(dtype)


def _rtt(rng: np.random.Generator, splits: np.ndarray):
    n = len(splits)
    start = np.arange(n) * 0.6
    start[splits == "test"] += 1.2  # the test file is another stretch of the recording
    clock = Clock(start, np.round(start + 0.6, 3), 0)
    clock = clock._replace(n_ms=round(clock.stop[-1] * 1000) + 1000)
    drift = _smooth(rng, clock.n_ms, 120)
    velocity = 80 * np.roll(drift, 140, axis=0)
    finger = np.cumsum(np.concatenate([velocity, velocity[:, :1]], axis=1), axis=0) / 1000
    behavior = {
        "cursor_pos": finger[:, :2].copy(),
        "finger_pos": finger,
        "finger_vel": velocity,
        "target_pos": np.repeat(rng.normal(0, 40, (clock.n_ms // 700 + 1, 2)), 700, axis=0)[
            : clock.n_ms
        ],
    }
    return clock, {}, drift, behavior


def _bump(rng: np.random.Generator, splits: np.ndarray):
    n = len(splits)
    clock = _times(rng, n, 1.3, 0.05)
    onset = np.round(clock.start + 0.4 + rng.integers(0, 60, n) / 1000, 3)
    bumped = np.arange(n) % 2 == 1
    direction = 90.0 * (np.arange(n) // 2 % 2)
    latent, velocity = _reaches(rng, clock, onset, np.radians(direction) + 0.8 * bumped)
    velocity = np.roll(velocity, -120, axis=0)  # here behavior goes before the spikes
    some = np.where(bumped, clock.start + 0.3, np.nan)
    columns: Columns = {
        "result": np.array(["R", "F"])[(rng.random(n) < 0.1).astype(int)],
        "ctr_hold": np.full(n, 0.5),
        "ctr_hold_bump": bumped,
        "bump_dir": np.where(bumped, direction, np.nan),
        "bump_time": some,
        "target_on_time": np.where(bumped, np.nan, clock.start + 0.2),
        "target_dir": direction,
        "go_cue_time": np.where(bumped, np.nan, clock.start + 0.35),
        "move_onset_time": onset,
        "cond_dir": direction,
    }
    wide = [_smooth(rng, clock.n_ms, 100) for _ in range(3)]
    behavior = {
        "force": np.concatenate([*wide], axis=1),
        "hand_pos": np.cumsum(velocity, axis=0) / 1000,
        "hand_vel": velocity,
        "joint_ang": np.concatenate(wide[:2], axis=1),
        "joint_vel": np.concatenate(wide[1:], axis=1),
        "muscle_len": np.concatenate([*wide, wide[0]], axis=1),
        "muscle_vel": np.concatenate([wide[0], *wide], axis=1),
    }
    return clock, columns, latent, behavior


def _rsg(rng: np.random.Generator, splits: np.ndarray):
    n = len(splits)
    clock = _times(rng, n, 3.0, 0.2)
    half_ms = rng.integers(0, 100, n) * 0.0005
    intervals = np.where(np.arange(n) % 2, 640.0, 1000.0)
    produced = np.round(2 * (intervals * rng.normal(1, 0.06, n))) / 2
    ready = clock.start + 0.4 + half_ms
    set_time = ready + intervals / 1000
    go = np.round(set_time + produced / 1000, 4)
    outlier = np.zeros(n, bool)
    lost = splits == "none"
    outlier[lost] = True
    go[lost], produced[lost] = np.nan, np.nan
    outlier[np.flatnonzero(splits == "train")[:2]] = True
    eye, short = np.arange(n) // 2 % 2 == 1, intervals < 800
    latent = 0.3 * _smooth(rng, clock.n_ms, 300)
    at = np.arange(clock.n_ms) / 1000
    ramp = np.zeros((clock.n_ms, 2))
    for begin, end, is_eye in zip(set_time, go, eye):
        inside = (at >= begin) & (at < end + 0.3) if np.isfinite(end) else np.zeros(len(at), bool)
        share = (at[inside] - begin) / (end - begin)
        ramp[inside] += np.stack([share, np.where(is_eye, 1 - share, share**2)], axis=1)
    columns: Columns = {
        "fix_on_time": clock.start + 0.05,
        "fix_time": clock.start + 0.1,
        "target_on_time": np.where(lost, np.nan, clock.start + 0.2),
        "ready_time": np.round(ready, 4),
        "set_time": np.round(set_time, 4),
        "go_time": go,
        "target_acq_time": np.where(lost, np.nan, np.nan_to_num(go) + 0.1),
        "is_eye": eye,
        "theta": np.zeros(n),
        "is_short": short,
        "ts": intervals,
        "tp": produced,
        "iti": np.full(n, 200.0),
        "is_outlier": outlier,
    }
    return clock, columns, np.concatenate([2 * ramp, latent], axis=1), {}


_Made = Tuple[Clock, Columns, np.ndarray, Dict[str, np.ndarray]]
_MAKERS: Dict[str, Callable[[np.random.Generator, np.ndarray], _Made]] = {
    "mc_maze": _maze,
    "mc_rtt": _rtt,
    "area2_bump": _bump,
    "dmfc_rsg": _rsg,
}

# -- how it is written ---------------------------------------------------------------------------

#: what test files have besides id, start_time, stop_time and split
_TEST_COLUMNS = {
    "mc_maze": ["move_onset_time"],
    "area2_bump": ["move_onset_time"],
    "dmfc_rsg": ["go_time"],
    "mc_rtt": [],
}


def _root(file: h5py.File) -> None:
    file.attrs.update(nwb_version="2.4.0", neurodata_type="NWBFile", namespace="core")
    file["identifier"] = "simulated"
    file["session_description"] = "simulated, with the structure of a published recording"
    for folder in ("acquisition", "analysis", "stimulus/presentation", "stimulus/templates"):
        file.create_group(folder)


def _text(values: Sequence[str]) -> Dict[str, Any]:
    return {"data": [str(value) for value in values], "dtype": h5py.string_dtype()}


def _write_trials(file: h5py.File, part: _Part, columns: Columns) -> None:
    table = file.create_group("intervals/trials")
    rows = np.arange(len(part.splits))[part.rows]
    ids = np.int32 if part.kind == "dmfc_rsg" else np.int64
    table["id"] = np.arange(len(rows)).astype(ids)
    table["start_time"] = part.seconds(part.clock.start[rows])
    table["stop_time"] = part.seconds(part.clock.stop[rows])
    table.create_dataset("split", **_text(part.splits[rows]))
    names = _TEST_COLUMNS[part.kind] if part.variant == "test" else list(columns)
    for name in names:
        values = columns[name]
        if isinstance(values, tuple):
            data, ends = values
            low = 0 if rows[0] == 0 else ends[rows[0] - 1]
            table[name] = data[low : ends[rows[-1]]]
            table[f"{name}_index"] = _index(ends[rows] - low)
        elif values.dtype.kind == "U":
            table.create_dataset(name, **_text(values[rows]))
        else:
            chosen = values[rows]
            table[name] = part.seconds(chosen) if name.endswith("_time") else chosen
    table.attrs["colnames"] = np.array(["start_time", "stop_time", "split", *names], object)


def _index(ends: np.ndarray) -> np.ndarray:
    """Ends as the smallest unsigned integers that hold them, as pynwb writes them."""
    last = int(ends[-1]) if len(ends) else 0
    return ends.astype(next(t for t in ("u1", "u2", "u4") if last <= np.iinfo(t).max))


def _write_units(file: h5py.File, part: _Part, spikes: List[np.ndarray]) -> None:
    table = file.create_group("units")
    haydn = part.kind == "dmfc_rsg"
    rng = np.random.default_rng(1)
    shuffled = rng.permutation(HELDIN + HELDOUT)
    heldout = np.isin(shuffled, np.arange(HELDOUT) * 3)
    if part.variant == "test":
        shuffled, heldout = shuffled[~heldout], heldout[~heldout]
    # ids as Jenkins has them: those of M1 begin with 2, those of PMd with 1
    ids = np.where(shuffled % 2, 1001, 2001) + 10 * shuffled
    table["id"] = ids.astype(np.int32 if haydn else np.int64)
    table["heldout"] = heldout
    intervals = _observed(part)
    seen = [_inside(spikes[unit], part, intervals) for unit in shuffled]
    table["spike_times"] = np.concatenate(seen)
    table["spike_times_index"] = np.cumsum([len(one) for one in seen]).astype(np.uint32)
    table["obs_intervals"] = np.tile(intervals, (len(ids), 1))
    table["obs_intervals_index"] = _index(np.arange(1, len(ids) + 1) * len(intervals))
    if haydn and part.variant == "test":
        index = table["obs_intervals_index"][()].astype(np.uint32)
        del table["obs_intervals_index"]
        table["obs_intervals_index"] = index
    if not haydn:
        electrodes = file.create_group("general/extracellular_ephys/electrodes")
        electrodes["id"] = np.arange(96)
        table["electrodes"] = (shuffled % 96).astype(np.int64)
        table["electrodes"].attrs["table"] = electrodes.ref
        table["electrodes_index"] = _index(np.arange(1, len(ids) + 1))


def _observed(part: _Part) -> np.ndarray:
    """An interval a trial (mc_maze, test trials of Haydn), or a few long ones, in s."""
    rows = np.arange(len(part.splits))[part.rows]
    last = (part.last_ms - part.first_ms) / 1000
    if part.kind == "mc_maze" or (part.kind == "dmfc_rsg" and part.variant == "test"):
        start, stop = part.seconds(part.clock.start[rows]), part.seconds(part.clock.stop[rows])
        return np.round(np.stack([start, stop], axis=1), 3)
    if part.kind == "dmfc_rsg":
        edges = part.seconds(part.clock.start[rows])[np.linspace(0, len(rows) - 1, 7).astype(int)]
        edges[0], edges[-1] = 0.0, last
        return np.round(np.stack([edges[:-1], edges[1:]], axis=1), 3)
    return np.array([[0.0, last]])


def _inside(spikes: np.ndarray, part: _Part, intervals: np.ndarray) -> np.ndarray:
    times = part.seconds(spikes)
    row = np.searchsorted(intervals[:, 0], times, side="right") - 1
    return times[(row >= 0) & (times < intervals[np.maximum(row, 0), 1] - 0.001)]


def _write_behavior(file: h5py.File, part: _Part, behavior: Dict[str, np.ndarray]) -> None:
    module = file.create_group("processing/behavior")
    kept = np.arange(part.first_ms, part.last_ms)
    if part.kind == "mc_maze":
        inside = np.zeros(part.clock.n_ms, bool)
        for start, stop in zip(part.clock.start, part.clock.stop):
            inside[round(start * 1000) : round(stop * 1000)] = True
        kept = kept[inside[kept]]
    first = ""
    for name, values in behavior.items():
        series = module.create_group(name)
        series.attrs.update(neurodata_type="TimeSeries", comments=_comments(name, values))
        data = values[kept].copy()
        if part.kind == "mc_rtt" and name != "target_pos":
            data[350:362] = np.nan  # a marker was lost
        if part.kind == "area2_bump" and name == "force":
            data[40:44] = np.nan
        series["data"] = data
        series["data"].attrs.update(conversion=0.001, unit="m")
        if part.kind != "mc_maze":
            series["starting_time"] = 0.0
            series["starting_time"].attrs.update(rate=1000.0, unit="seconds")
        elif first:
            series["timestamps"] = h5py.SoftLink(first)
        else:
            series["timestamps"] = kept / 1000
            first = series["timestamps"].name


def _comments(name: str, values: np.ndarray) -> str:
    letters = ["x", "y", "z"] if values.shape[1] < 4 else [f"c{i}" for i in range(12)]
    return f"columns=[{','.join(letters[: values.shape[1]])}]"
