"""A session at 1 ms resolution: trials, units and time series, and several files joined.

Spikes stay sparse (which ms, how many): a dense matrix of the largest session would take
2 GB. Whether a ms was observed is one boolean mask for all units that share it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from nlb_evalai.truth.errors import SessionError

#: A missing time, as in numpy's timedelta64.
NO_TIME = np.iinfo(np.int64).min
NS_PER_MS = 1_000_000


@dataclass
class Trials:
    """The trials table, row by row as in the file.

    ``times`` holds the columns whose name ends in ``_time``, in ns (:data:`NO_TIME` where
    missing); ``columns`` all other plain columns, as they are.
    """

    times: Dict[str, NDArray[np.int64]]
    columns: Dict[str, NDArray]
    where: str

    def __len__(self) -> int:
        return len(self.times["start_time"])

    def names(self) -> List[str]:
        return sorted([*self.times, *self.columns])

    def time(self, name: str) -> NDArray[np.int64]:
        """A time column in ns; SessionError if there is none of that name."""
        if name not in self.times:
            raise self._missing(name)
        return self.times[name]

    def column(self, name: str) -> NDArray:
        """Any other column; SessionError if there is none of that name."""
        if name not in self.columns:
            raise self._missing(name)
        return self.columns[name]

    def number(self, name: str) -> NDArray[np.float64]:
        """A column as float64: booleans as 0 and 1, missing values as NaN."""
        values = self.column(name)
        try:
            return values.astype(np.float64)
        except (TypeError, ValueError):
            raise SessionError(
                f"{self.where}: table intervals/trials, column {name!r}: found {values.dtype} "
                f"values such as {values[0]!r}, expected numbers"
            ) from None

    def in_splits(self, splits: Sequence[str]) -> NDArray[np.bool_]:
        """Which trials belong to one of ``splits``."""
        return np.isin(self.column("split").astype(str), list(splits))

    def _missing(self, name: str) -> SessionError:
        return SessionError(
            f"{self.where}: table intervals/trials has no column {name!r}; "
            f"found {', '.join(self.names())}"
        )


@dataclass
class Unit:
    """One neuron: ``counts[i]`` spikes in ms ``spike_ms[i]``, ascending and unique."""

    spike_ms: NDArray[np.int64]
    counts: NDArray[np.int64]
    mask: int = 0


@dataclass
class Units:
    """The held-in or the held-out units, by id; ``masks[unit.mask]`` tells which ms are
    observed."""

    units: Dict[int, Unit]
    masks: List[NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.units)

    def by_id(self) -> List[Unit]:
        """The units in the order of every array's last axis: by id, not as in the table."""
        return [self.units[key] for key in sorted(self.units)]


@dataclass
class Series:
    """A time series on the session's 1 ms grid.

    ``complete`` marks ms in which every column has a value. ``values`` (ms, columns), NaN
    where there is none, are kept only for the series that is the behavior.
    """

    columns: List[str]
    complete: NDArray[np.bool_]
    values: Optional[NDArray] = None
    integer: bool = False


@dataclass
class Recording:
    """One session, from one file or several."""

    name: str
    sources: Dict[str, str]
    n_ms: int
    trials: Trials
    heldin: Units
    heldout: Units
    series: Dict[str, Series]
    dropped: Dict[str, str] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        """The files' names, for messages."""
        return self.trials.where

    def complete(self) -> NDArray[np.bool_]:
        """Which ms have a value in every unit and every column of every time series."""
        complete = np.ones(self.n_ms, bool)
        for group in (self.heldin, self.heldout):
            for mask in group.masks:
                complete &= mask
        for series in self.series.values():
            complete &= series.complete
        return complete


def join(parts: Sequence[Recording], paths: Sequence[Path]) -> Recording:
    """Several files of a session as one recording, one after the other.

    File i starts at the next 100 ms boundary at least 50 ms after the end of file i-1, as in
    the reference. What a file lacks (units, columns, series) is missing in its span.

    Parameters
    ----------
    parts : sequence of Recording
        In the order of their file names.
    paths : sequence of Path
        Their files, for messages.

    Raises
    ------
    SessionError
        If the files name a time series' columns differently.
    """
    if len(parts) == 1:
        return parts[0]
    starts = [0]
    for part in parts[:-1]:
        past_end_s = (starts[-1] + part.n_ms - 1) / 1000 + 0.05
        starts.append(int(math.ceil(past_end_s * 10) * 100))
    n_ms = starts[-1] + parts[-1].n_ms
    names = [path.name for path in paths]
    where = " + ".join(names if len(names) <= 3 else [names[0], f"{len(names) - 1} more files"])
    spans = list(zip(parts, starts))
    joined = Recording(
        name=parts[0].name,
        sources={name: digest for part in parts for name, digest in part.sources.items()},
        n_ms=n_ms,
        trials=_join_trials(spans, where),
        heldin=_join_units([(part.heldin, start) for part, start in spans], n_ms),
        heldout=_join_units([(part.heldout, start) for part, start in spans], n_ms),
        series=_join_series(spans, n_ms, where),
        notes=[note for part in parts for note in part.notes],
    )
    for part in parts:
        joined.dropped.update(part.dropped)
    return joined


def _join_trials(spans: Sequence[Tuple[Recording, int]], where: str) -> Trials:
    times: Dict[str, NDArray[np.int64]] = {}
    columns: Dict[str, NDArray] = {}
    for name in dict.fromkeys(n for part, _ in spans for n in part.trials.times):
        pieces = []
        for part, start in spans:
            piece = part.trials.times.get(name, np.full(len(part.trials), NO_TIME))
            pieces.append(np.where(piece == NO_TIME, NO_TIME, piece + start * NS_PER_MS))
        times[name] = np.concatenate(pieces)
    for name in dict.fromkeys(n for part, _ in spans for n in part.trials.columns):
        pieces = []
        for part, _ in spans:
            piece = part.trials.columns.get(name, np.full(len(part.trials), np.nan))
            pieces.append(piece)
        if any(piece.dtype.kind in "OUS" for piece in pieces):
            pieces = [piece.astype(object) for piece in pieces]
        columns[name] = np.concatenate(pieces)
    return Trials(times, columns, where)


def _join_units(spans: Sequence[Tuple[Units, int]], n_ms: int) -> Units:
    """Units by id; those that a file lacks are unobserved in its span."""
    joined = Units({}, [])
    known: Dict[Tuple[int, ...], int] = {}
    for unit_id in sorted({key for group, _ in spans for key in group.units}):
        seen = [
            (group.units[unit_id], group, start, i)
            for i, (group, start) in enumerate(spans)
            if unit_id in group.units
        ]
        pattern = tuple(entry[3] for entry in seen)
        if pattern not in known:
            mask = np.zeros(n_ms, bool)
            for unit, group, start, _ in seen:
                part = group.masks[unit.mask]
                mask[start : start + len(part)] = part
            known[pattern] = len(joined.masks)
            joined.masks.append(mask)
        joined.units[unit_id] = Unit(
            np.concatenate([unit.spike_ms + start for unit, _, start, _ in seen]),
            np.concatenate([unit.counts for unit, _, _, _ in seen]),
            known[pattern],
        )
    return joined


def _join_series(
    spans: Sequence[Tuple[Recording, int]], n_ms: int, where: str
) -> Dict[str, Series]:
    joined: Dict[str, Series] = {}
    for name in dict.fromkeys(n for part, _ in spans for n in part.series):
        holders = [(part.series[name], start) for part, start in spans if name in part.series]
        columns = holders[0][0].columns
        if any(series.columns != columns for series, _ in holders):
            found = " and ".join(str(series.columns) for series, _ in holders)
            raise SessionError(f"{where}: time series {name!r} has columns {found}")
        complete = np.zeros(n_ms, bool)
        values = None
        if holders[0][0].values is not None:
            dtype = holders[0][0].values.dtype
            values = np.full((n_ms, len(columns)), np.nan, dtype)
        for series, start in holders:
            stop = start + len(series.complete)
            complete[start:stop] = series.complete
            if values is not None and series.values is not None:
                values[start:stop] = series.values
        joined[name] = Series(columns, complete, values)
    return joined
