"""What differs between recordings: behavior, windows, jitter, PSTHs. Data only.

The code that cuts arrays out of a recording by these rules is not part of the scorer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import FrozenSet, Optional, Tuple, Union

#: columns of a trial that every recording has
START, END = "start_time", "end_time"


@dataclass(frozen=True)
class Window:
    """Which part of a trial is cut out.

    From ``start_ms`` to ``stop_ms`` (exclusive) around the time in column ``align``. None
    means: from the time in ``start_field``, or up to the one in ``end_field``. Unless
    ``allow_overlap``, a window ends where the next one starts.
    """

    align: str
    start_ms: Optional[int] = None
    stop_ms: Optional[int] = None
    start_field: str = START
    end_field: str = END
    allow_overlap: bool = False

    def lagged(self, lag_ms: int) -> Window:
        """The same window, ``lag_ms`` later (both ends must be set)."""
        if self.start_ms is None or self.stop_ms is None:
            raise ValueError("only a window of fixed length can be lagged")
        return replace(self, start_ms=self.start_ms + lag_ms, stop_ms=self.stop_ms + lag_ms)

    def following(self, length_ms: int) -> Window:
        """The ``length_ms`` right after this window (after ``align`` if it has no fixed end)."""
        stop = self.stop_ms or 0
        return Window(self.align, stop, stop + length_ms, allow_overlap=True)

    @property
    def columns(self) -> FrozenSet[str]:
        """Time columns that the window reads."""
        columns = {START, self.align}
        if self.start_ms is None:
            columns.add(self.start_field)
        if self.stop_ms is None:
            columns.add(self.end_field)
        return frozenset(columns)


@dataclass(frozen=True)
class SeriesBehavior:
    """Behavior is a time series of ``width`` columns, read ``lag_ms`` after the spikes."""

    series: str
    lag_ms: int
    width: int = 2


@dataclass(frozen=True)
class TrialBehavior:
    """Behavior is a row of trial columns, all NaN unless ``valid_column`` is 0."""

    columns: Tuple[str, ...]
    valid_column: str


Behavior = Union[SeriesBehavior, TrialBehavior]


@dataclass(frozen=True)
class Jitter:
    """A random shift of each trial's window, so that the window's end tells nothing.

    Uniform between 0 and ``limit_ms - column``, at most ``max_ms``, in whole bins; none in
    ``exempt_split``. ``column`` is in ms.
    """

    column: str
    limit_ms: float
    max_ms: float
    exempt_split: str


@dataclass(frozen=True)
class PsthRule:
    """Trial averages of smoothed spikes for each combination of ``conditions``."""

    conditions: Tuple[str, ...]
    window: Window
    kernel_sd_ms: int
    pad_front: bool = False
    length_ms: Optional[int] = None
    skip_column: Optional[str] = None


@dataclass(frozen=True)
class SessionRules:
    """How arrays are cut out of one dataset's recording.

    ``pad_front_ms``: eval windows differ in length; they are right-aligned (less the jitter)
    in arrays of that length. ``decode_masks``: column, and its value for each decoder.
    """

    train_window: Window
    eval_window: Window
    pad_front_ms: Optional[int] = None
    jitter: Optional[Jitter] = None
    decode_masks: Optional[Tuple[str, Tuple[int, ...]]] = None
    psth: Optional[PsthRule] = None
