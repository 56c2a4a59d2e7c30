"""One NWB file -> a :class:`Recording`, straight from its HDF5.

Follows the reference's ``NWBDataset.load`` to the bit, without pynwb and pandas, and never
holds the 1 ms spike matrix. The layout is NWB 2's: ``/units``, ``/intervals/trials``, time
series anywhere else.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import h5py
import numpy as np
from numpy.typing import NDArray

from evaluation_script.files import file_sha256
from nlb_evalai.errors import NOT_SEEN
from nlb_evalai.truth.errors import SessionError
from nlb_evalai.truth.recording import NO_TIME, Recording, Trials, Unit, Units
from nlb_evalai.truth.series import read_all_series

TRIALS = "intervals/trials"
UNITS = "units"


def read_nwb(path: Path, keep_series: Optional[str] = None) -> Recording:
    """Read one file of a session.

    Parameters
    ----------
    path : Path
        The ``.nwb`` file.
    keep_series : str, optional
        The time series whose values are kept; of the others only where they are missing.

    Raises
    ------
    SessionError
        If the file is no readable HDF5, or a table or column that every session has is
        missing or malformed.
    """
    with _opened(path) as file:
        return _read(path, file, keep_series)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """The file, with every fault of reading it named after it."""
    if not path.is_file():
        raise SessionError(f"{path}: no such file", exit_code=NOT_SEEN)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise SessionError(
            f"{path}: cannot be read as NWB (HDF5); is it complete? HDF5 says: {error}",
            exit_code=NOT_SEEN,
        ) from error


def seconds_to_ns(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Times in s as ns, NaN as :data:`NO_TIME`.

    Truncates after rounding the fraction to 9 digits, as pandas 1.3 does: times on the ms
    grid come out exact, some half-ms times 1 ns early (the reference has the same).
    """
    known = np.isfinite(seconds)
    whole = np.where(known, seconds, 0.0).astype(np.int64)
    fraction = np.round(np.where(known, seconds, 0.0) - whole, 9)
    ns = whole * 1_000_000_000 + (fraction * 1e9).astype(np.int64)
    return np.where(known, ns, NO_TIME)


def _read(path: Path, file: h5py.File, keep_series: Optional[str]) -> Recording:
    notes: List[str] = []
    trials = _read_trials(path.name, _table(path, file, TRIALS))
    heldin, heldout, n_ms = _read_units(path, _table(path, file, UNITS), notes)
    series, dropped = read_all_series(path, file, n_ms, keep_series)
    return Recording(
        name=path.name,
        sources={path.name: file_sha256(path)},
        n_ms=n_ms,
        trials=trials,
        heldin=heldin,
        heldout=heldout,
        series=series,
        dropped=dropped,
        notes=notes,
    )


def _table(path: Path, file: h5py.File, name: str) -> h5py.Group:
    table = file.get(name)
    if not isinstance(table, h5py.Group):
        raise SessionError(f"{path}: no table {name!r} in the file; is it an NWB session?")
    return table


def _read_trials(where: str, table: h5py.Group) -> Trials:
    """Every plain column; ragged and many-dimensional ones are of no use here."""
    times: Dict[str, NDArray[np.int64]] = {}
    columns: Dict[str, NDArray] = {}
    for name, node in table.items():
        if not isinstance(node, h5py.Dataset) or node.ndim != 1 or name == "id":
            continue
        if name.endswith("_index") or f"{name}_index" in table:
            continue
        if h5py.check_ref_dtype(node.dtype) is not None:
            continue
        values = node.asstr()[()] if h5py.check_string_dtype(node.dtype) else node[()]
        name = "end_time" if name == "stop_time" else name
        if name.endswith("_time"):
            if values.dtype.kind not in "fiu":
                raise SessionError(
                    f"{where}: table {TRIALS}, column {name!r}: found {values.dtype}, expected "
                    "times in seconds"
                )
            times[name] = seconds_to_ns(values.astype(np.float64))
        else:
            columns[name] = values
    trials = Trials(times, columns, where)
    for name in ("start_time", "end_time"):
        trials.time(name)
    if "split" not in columns:
        trials.column("split")
    lengths = {name: len(values) for name, values in [*times.items(), *columns.items()]}
    if len(set(lengths.values())) > 1:
        raise SessionError(f"{where}: table {TRIALS}: columns differ in length: {lengths}")
    if len(trials) == 0:
        raise SessionError(f"{where}: table {TRIALS} has no rows")
    return trials


def _read_units(path: Path, table: h5py.Group, notes: List[str]) -> Tuple[Units, Units, int]:
    """Held-in and held-out units, and the length of the recording in ms."""
    ids = _unit_column(path, table, "id")
    heldout = _unit_column(path, table, "heldout").astype(bool)
    if len(heldout) != len(ids) or len(ids) == 0:
        raise SessionError(
            f"{path}: table units: found {len(ids)} ids and {len(heldout)} values of 'heldout'"
        )
    if len(set(ids.tolist())) < len(ids):
        raise SessionError(f"{path}: table units, column 'id': an id occurs twice")
    spike_s, spike_rows = _ragged(path, table, "spike_times", len(ids))
    span_s, span_rows = _ragged(path, table, "obs_intervals", len(ids))
    if not np.isfinite(spike_s).all():
        raise SessionError(f"{path}: table units, column 'spike_times': a time is not finite")
    if span_s.ndim != 2 or span_s.shape[1] != 2 or not np.isfinite(span_s).all():
        raise SessionError(
            f"{path}: table units, column 'obs_intervals': found shape {span_s.shape}, expected "
            "(intervals, 2), finite times in seconds"
        )
    lasts = [span_s[rows.stop - 1, 1] for rows in span_rows if rows.stop > rows.start]
    if len(lasts) < len(ids):
        raise SessionError(
            f"{path}: table units, column 'obs_intervals': a unit has no interval; expected at "
            "least one for each unit"
        )
    # Spike counts end where the last observed interval does, even in the middle of a trial
    n_ms = round(float(max(lasts)) * 1000.0)
    if n_ms <= 0:
        raise SessionError(
            f"{path}: table units, column 'obs_intervals': the last interval ends at "
            f"{max(lasts)} s, expected an end after 0 s"
        )
    groups = []
    for name, chosen in (("held-in", ~heldout), ("held-out", heldout)):
        rows = np.flatnonzero(chosen)
        group = Units({}, [])
        if len(rows):
            # The first unit of the table speaks for its whole group, as in the reference
            group.masks.append(_observed(span_s[span_rows[rows[0]]], n_ms))
        for row in rows:
            unit = _bin_spikes(spike_s[spike_rows[row]], n_ms)
            group.units[int(ids[row])] = unit
        groups.append(_unobserved_dropped(group, path, name, n_ms, notes))
    return groups[0], groups[1], n_ms


def _unit_column(path: Path, table: h5py.Group, name: str) -> NDArray:
    node = table.get(name)
    if not isinstance(node, h5py.Dataset):
        found = ", ".join(sorted(table))
        raise SessionError(f"{path}: table units has no column {name!r}; found {found}")
    return node[()]


def _ragged(
    path: Path, table: h5py.Group, name: str, n_rows: int
) -> Tuple[NDArray[np.float64], List[slice]]:
    """A column with several values a row: all values, and each row's slice of them."""
    values = _unit_column(path, table, name).astype(np.float64)
    ends = _unit_column(path, table, f"{name}_index").astype(np.int64)
    starts = np.concatenate([[0], ends[:-1]])
    if len(ends) != n_rows or (ends < starts).any() or (n_rows and ends[-1] > len(values)):
        raise SessionError(
            f"{path}: table units, column '{name}_index': does not fit {n_rows} units and the "
            f"{len(values)} values of {name!r}"
        )
    return values, [slice(int(a), int(b)) for a, b in zip(starts, ends)]


def _observed(spans_s: NDArray[np.float64], n_ms: int) -> NDArray[np.bool_]:
    """Which ms lie wholly inside an observed interval."""
    observed = np.zeros(n_ms, bool)
    starts = np.ceil(np.round(spans_s[:, 0] * 1000.0, 6)).astype(np.int64)
    stops = np.floor(np.round(spans_s[:, 1] * 1000.0, 6)).astype(np.int64)
    for start, stop in zip(starts, stops):
        observed[start:stop] = True
    return observed


def _bin_spikes(spike_s: NDArray[np.float64], n_ms: int) -> Unit:
    """Spikes in ms bins, before any mask.

    The rounding matters: 1.001 * 1000 is 1000.9999999999999. A spike in (-1, 0) ms falls into
    bin 0; one before that wraps to the end of the recording, as in the reference.
    """
    spike_ms, counts = np.unique(np.round(spike_s * 1000.0, 6).astype(np.int64), return_counts=True)
    if len(spike_ms) and spike_ms[0] < 0:
        wrapped = np.where(spike_ms < 0, spike_ms + n_ms, spike_ms)
        # of two in the same bin the one that did not wrap stays: it is written last
        last = {int(ms): int(count) for ms, count in zip(wrapped, counts)}
        spike_ms = np.array(sorted(last), np.int64)
        counts = np.array([last[ms] for ms in sorted(last)], np.int64)
    return Unit(spike_ms, counts)


def _unobserved_dropped(group: Units, path: Path, name: str, n_ms: int, notes: List[str]) -> Units:
    """Without the spikes outside the observed intervals (said in a note).

    After the end of the recording the reference stops with an IndexError; such a spike is
    unobserved like any other.
    """
    dropped = 0
    for unit in group.units.values():
        inside = (unit.spike_ms >= 0) & (unit.spike_ms < n_ms)
        seen = inside.copy()
        seen[inside] = group.masks[unit.mask][unit.spike_ms[inside]]
        if not seen.all():
            dropped += int(unit.counts[~seen].sum())
            unit.spike_ms, unit.counts = unit.spike_ms[seen], unit.counts[seen]
    if dropped:
        notes.append(
            f"{path.name}: {dropped} {name} spikes lie outside of the observed intervals and "
            "are left out"
        )
    return group
