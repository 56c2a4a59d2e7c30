"""The time series of an NWB file, on the recording's 1 ms grid.

Only one series (the behavior) is read as a whole; of the others, the arrays of the reference
depend on where they have no value, and on nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import h5py
import numpy as np
from numpy.typing import NDArray

from nlb_evalai.truth.errors import SessionError
from nlb_evalai.truth.recording import Series

#: Read this many values at a time where only their NaNs matter.
_BLOCK_VALUES = 1 << 21
#: Where NWB keeps containers of time series: folders themselves, not part of a name.
_FOLDERS = ("acquisition", "analysis", "processing", "stimulus/presentation", "stimulus/templates")


def read_all_series(
    path: Path, file: h5py.File, n_ms: int, keep: Optional[str]
) -> Tuple[Dict[str, Series], Dict[str, str]]:
    """The series on the grid, and those that are not: name -> why they are left out.

    A series off the ms grid, or longer than the recording, is left out as in the reference.

    Raises
    ------
    SessionError
        If a series has two values for one time, or no usable shape.
    """
    series: Dict[str, Series] = {}
    dropped: Dict[str, str] = {}
    positions_of: Dict[object, Optional[NDArray[np.int64]]] = {}
    for name, group in find_series(file):
        where = f"{path.name}: time series {group.name!r}"
        data = group["data"]
        if data.ndim not in (1, 2) or data.dtype.kind not in "fiub":
            dropped[name] = f"its data are {data.dtype} of {data.ndim} dimensions"
            continue
        key = _clock_key(group)
        if key not in positions_of:
            positions_of[key] = _positions(group, n_ms)
        positions = positions_of[key]
        if positions is None:
            dropped[name] = (
                f"its time stamps are not all whole milliseconds before the end of the units' "
                f"last obs_interval ({n_ms / 1000} s)"
            )
            continue
        if len(positions) != len(data):
            raise SessionError(f"{where}: {len(positions)} time stamps for {len(data)} values")
        if _repeats(positions, n_ms):
            raise SessionError(f"{where}: a time stamp occurs twice")
        if name == keep:
            series[name] = _read_values(where, group, positions, n_ms)
        else:
            series[name] = Series(_columns(group), _read_complete(data, positions, n_ms))
    return series, dropped


def find_series(file: h5py.File) -> Iterator[Tuple[str, h5py.Group]]:
    """Every series and its name: its own, or ``container_series`` inside a container."""
    for folder in _FOLDERS:
        top = file.get(folder)
        if not isinstance(top, h5py.Group):
            continue
        modules = _groups(top) if folder == "processing" else [("", top)]
        for _, module in modules:
            for name, child in _groups(module):
                if _is_series(child):
                    yield name, child
                    continue
                for inner_name, inner in _groups(child):
                    if _is_series(inner):
                        yield f"{name}_{inner_name}", inner


def _groups(parent: h5py.Group) -> List[Tuple[str, h5py.Group]]:
    return [(name, node) for name, node in parent.items() if isinstance(node, h5py.Group)]


def _is_series(group: h5py.Group) -> bool:
    clock = "timestamps" in group or "starting_time" in group
    return clock and isinstance(group.get("data"), h5py.Dataset)


def _clock_key(group: h5py.Group) -> object:
    """Equal for series that share their time stamps (NWB links them)."""
    if "timestamps" in group:
        return h5py.h5o.get_info(group["timestamps"].id).addr
    return group.name


def _positions(group: h5py.Group, n_ms: int) -> Optional[NDArray[np.int64]]:
    """The ms of every sample, or None if one is off the grid."""
    if "timestamps" in group:
        seconds = group["timestamps"][()].astype(np.float64)
    else:
        clock = group["starting_time"]
        rate_hz = float(clock.attrs["rate"])
        seconds = np.arange(len(group["data"])) / rate_hz + float(clock[()])
    seconds = np.round(seconds, 6)
    if not np.isfinite(seconds).all():
        return None
    positions = np.rint(seconds * 1000.0).astype(np.int64)
    on_grid = np.round(positions / 1000, 6) == seconds
    inside = (positions >= 0) & (positions < n_ms)
    return positions if (on_grid & inside).all() else None


def _repeats(positions: NDArray[np.int64], n_ms: int) -> bool:
    taken = np.zeros(n_ms, bool)
    taken[positions] = True
    return int(taken.sum()) < len(positions)


def _columns(group: h5py.Group) -> List[str]:
    """Column names from ``comments``: between the last "[" and the next "]".

    They are not stripped, as in the reference: "columns=[x, y]" names the second one " y",
    which sorts before "x".
    """
    comments = group.attrs.get("comments", "")
    if isinstance(comments, bytes):
        comments = comments.decode()
    data = group["data"]
    count = data.shape[1] if data.ndim == 2 else 1
    if "columns=" in comments:
        return comments.split("[")[-1].split("]")[0].split(",")
    return [f"{i:04d}" for i in range(count)]


def _read_values(where: str, group: h5py.Group, positions: NDArray[np.int64], n_ms: int) -> Series:
    """The whole series, columns sorted by name, NaN where there is no sample."""
    columns = _columns(group)
    data = group["data"][()]
    data = data.reshape(len(data), -1)
    if len(columns) != data.shape[1]:
        raise SessionError(
            f"{where}: comments name {len(columns)} columns {columns}, data have {data.shape[1]}"
        )
    order = sorted(range(len(columns)), key=lambda i: columns[i])
    whole = data.dtype.kind in "iub"
    dtype = np.float64 if whole else data.dtype
    values = np.full((n_ms, len(columns)), np.nan, dtype)
    values[positions] = data[:, order]
    complete: NDArray[np.bool_] = np.logical_not(np.isnan(values).any(axis=1))
    # Integers stay integers (and are truncated again) only as long as no sample is missing
    integer = whole and bool(complete.all())
    return Series([columns[i] for i in order], complete, values, integer)


def _read_complete(
    data: h5py.Dataset, positions: NDArray[np.int64], n_ms: int
) -> NDArray[np.bool_]:
    """Where no column is missing, read in blocks."""
    complete = np.zeros(n_ms, bool)
    if data.dtype.kind != "f":
        complete[positions] = True
        return complete
    step = max(1, _BLOCK_VALUES // max(1, int(np.prod(data.shape[1:]))))
    for start in range(0, len(data), step):
        block = data[start : start + step]
        missing = np.isnan(block.reshape(len(block), -1)).any(axis=1)
        complete[positions[start : start + step]] = ~missing
    return complete
