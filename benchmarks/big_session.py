"""A session as large as mc_maze_large's, in NWB 2 as pynwb writes it, with h5py alone.

512 trials, 162 units, about 1,580 s at 1 kHz: what memory and time of ground truth are
measured on.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import h5py
import numpy as np

N_TRIALS, N_HELDIN, N_HELDOUT = 512, 122, 40
N_CONDITIONS = 27
SEED = 99


def write_session(path: Path) -> None:
    """Write the session; the same bytes every time."""
    rng = np.random.RandomState(SEED)
    n_units = N_HELDIN + N_HELDOUT
    conditions = np.concatenate(
        [rng.permutation(N_CONDITIONS) for _ in range(N_TRIALS // N_CONDITIONS + 1)]
    )[:N_TRIALS]
    starts, ends, onsets = _trial_times(rng)
    spikes: List[List[np.ndarray]] = [[] for _ in range(n_units)]
    tuning = np.exp(rng.standard_normal((N_CONDITIONS, n_units)) * 0.5)
    base_hz = rng.uniform(3.0, 18.0, n_units)
    stamps, velocities, positions = [], [], []
    for start, end, onset, condition in zip(starts, ends, onsets, conditions):
        time_ms = np.arange(start, end)
        bell = np.exp(-0.5 * ((time_ms - onset - 150) / 95.0) ** 2)
        angle = 2 * np.pi * condition / N_CONDITIONS
        velocity = 420.0 * bell[:, None] * [np.cos(angle), np.sin(angle)]
        velocity += np.cumsum(rng.standard_normal(velocity.shape), axis=0) * 0.2
        velocity = np.round(velocity * 64) / 64
        stamps.append(time_ms / 1000.0)
        velocities.append(velocity)
        positions.append(np.round(np.cumsum(velocity, axis=0) / 1000.0 * 64) / 64)
        for unit in range(n_units):
            rate_hz = base_hz[unit] * (1 + bell * (tuning[condition, unit] - 1))
            count = rng.poisson(rate_hz / 1000.0)
            at_ms = np.repeat(time_ms, count)
            offset = rng.randint(0, 30, len(at_ms)) / 30000.0
            spikes[unit].append(np.sort(np.round(at_ms / 1000.0 + offset, 7)))
    with h5py.File(path, "w") as file:
        _write_root(file)
        _write_trials(file, rng, starts, ends, onsets, conditions)
        _write_units(file, rng, [np.concatenate(unit) for unit in spikes], starts, ends)
        series = {"hand_pos": np.concatenate(positions), "hand_vel": np.concatenate(velocities)}
        _write_behavior(file, np.round(np.concatenate(stamps), 6), series)


def _trial_times(rng: np.random.RandomState) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Starts, ends and movement onsets in ms; a trial starts on a multiple of 100 ms."""
    starts, ends, onsets = [], [], []
    now = 0
    for _ in range(N_TRIALS):
        onset = now + int(rng.randint(800, 1500))
        end = onset + 1610 + int(rng.randint(0, 650))
        starts.append(now)
        onsets.append(onset)
        ends.append(end)
        now = -(-(end + 21) // 100) * 100
    return np.array(starts), np.array(ends), np.array(onsets)


def _typed(node: h5py.HLObject, kind: str, namespace: str = "hdmf-common", **more: object) -> None:
    """The attributes by which pynwb knows what a node is."""
    node.attrs["neurodata_type"] = kind
    node.attrs["namespace"] = namespace
    node.attrs["object_id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, node.name))
    for name, value in more.items():
        node.attrs[name] = value


def _write_root(file: h5py.File) -> None:
    _typed(file, "NWBFile", "core", nwb_version="2.4.0")
    for name in ("acquisition", "analysis", "general", "stimulus/presentation"):
        file.create_group(name)
    file.create_group("stimulus/templates")
    moment = "2021-09-01T12:00:00+00:00"
    text = h5py.string_dtype()
    file.create_dataset("file_create_date", data=[moment], dtype=text)
    for name, value in {
        "identifier": "big",
        "session_description": "synthetic session for measuring",
        "session_start_time": moment,
        "timestamps_reference_time": moment,
    }.items():
        file.create_dataset(name, data=value, dtype=text)


def _column(table: h5py.Group, name: str, values: Sequence, packed: bool = False) -> h5py.Dataset:
    array = np.asarray(values)
    packing = {"compression": "gzip", "shuffle": True} if packed else {}
    if array.dtype.kind == "U":
        node = table.create_dataset(name, data=array.astype(object), dtype=h5py.string_dtype())
    else:
        node = table.create_dataset(name, data=array, **packing)
    kind = "ElementIdentifiers" if name == "id" else "VectorData"
    _typed(node, kind, **({} if name == "id" else {"description": name}))
    return node


def _write_trials(
    file: h5py.File,
    rng: np.random.RandomState,
    starts: np.ndarray,
    ends: np.ndarray,
    onsets: np.ndarray,
    conditions: np.ndarray,
) -> None:
    splits = rng.choice(["train", "val", "none"], N_TRIALS, p=[0.68, 0.27, 0.05])
    columns: Dict[str, Sequence] = {
        "start_time": starts / 1000.0,
        "stop_time": ends / 1000.0,
        "move_onset_time": onsets / 1000.0,
        "split": splits,
        "trial_type": conditions // 3,
        "trial_version": conditions % 3,
    }
    table = file.create_group("intervals/trials")
    _typed(table, "TimeIntervals", "core", description="trials")
    table.attrs["colnames"] = np.array(list(columns), h5py.string_dtype())
    _column(table, "id", np.arange(N_TRIALS))
    for name, values in columns.items():
        _column(table, name, values)


def _write_units(
    file: h5py.File,
    rng: np.random.RandomState,
    spikes: Sequence[np.ndarray],
    starts: np.ndarray,
    ends: np.ndarray,
) -> None:
    heldout = np.zeros(len(spikes), bool)
    heldout[rng.choice(len(spikes), N_HELDOUT, replace=False)] = True
    table = file.create_group("units")
    _typed(table, "Units", "core", description="units")
    names = ["heldout", "spike_times", "obs_intervals"]
    table.attrs["colnames"] = np.array(names, h5py.string_dtype())
    _column(table, "id", 1011 + 10 * np.arange(len(spikes)))
    _column(table, "heldout", heldout)
    spans = np.stack([starts, ends], axis=1) / 1000.0
    ragged = {"spike_times": spikes, "obs_intervals": [spans] * len(spikes)}
    for name, rows in ragged.items():
        values = _column(table, name, np.concatenate(rows), packed=True)
        index = table.create_dataset(
            f"{name}_index", data=np.cumsum([len(row) for row in rows]).astype(np.uint64)
        )
        _typed(index, "VectorIndex", description=f"Index for {name}", target=values.ref)


def _write_behavior(file: h5py.File, stamps: np.ndarray, series: Dict[str, np.ndarray]) -> None:
    module = file.create_group("processing/behavior")
    _typed(module, "ProcessingModule", "core", description="behavior")
    first = ""
    for name, values in series.items():
        group = module.create_group(name)
        _typed(group, "TimeSeries", "core", comments="columns=[x,y]", description=name)
        packing = {"compression": "gzip", "shuffle": True}
        data = group.create_dataset("data", data=values, **packing)
        data.attrs.update({"conversion": 1.0, "resolution": -1.0, "unit": "mm"})
        if first:
            group["timestamps"] = h5py.SoftLink(first)
            continue
        clock = group.create_dataset("timestamps", data=stamps, **packing)
        clock.attrs.update({"interval": np.int32(1), "unit": "seconds"})
        first = clock.name
