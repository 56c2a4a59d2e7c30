"""What differs between the datasets' sessions, as one table: windows, behavior, PSTHs.

Source: ``PARAMS`` of the reference ``nlb_tools`` 0.0.4 (``make_tensors.py``) and the technical
paper, arXiv:2109.04463, section 3. A further dataset is a further entry of :data:`RULES`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, FrozenSet, Mapping, Optional, Set, Tuple

#: Columns that a session needs whatever the dataset.
START, END, SPLIT = "start_time", "end_time", "split"


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
    """Behavior is a time series, read ``lag_ms`` after the spikes that drive it."""

    series: str
    lag_ms: int


@dataclass(frozen=True)
class TrialBehavior:
    """Behavior is a row of trial columns, all NaN unless ``valid_column`` is 0."""

    columns: Tuple[str, ...]
    valid_column: str


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
    """How arrays are cut out of one dataset's session.

    ``pad_front_ms``: eval windows differ in length; they are right-aligned (less the jitter)
    in arrays of that length. ``decode_masks``: column, and its value for each decoder.
    """

    name: str
    train_window: Window
    eval_window: Window
    behavior: object
    forward_ms: int = 200
    pad_front_ms: Optional[int] = None
    jitter: Optional[Jitter] = None
    decode_masks: Optional[Tuple[str, Tuple[int, ...]]] = None
    psth: Optional[PsthRule] = None

    @property
    def series(self) -> Optional[str]:
        """The time series that a session must hold, if any."""
        return self.behavior.series if isinstance(self.behavior, SeriesBehavior) else None

    def columns(self, targets: bool) -> Set[str]:
        """Trial columns needed for ground truth (``targets``), or for model inputs only."""
        needed = {SPLIT} | self.train_window.columns
        if not targets:
            return needed
        needed |= self.eval_window.columns
        if isinstance(self.behavior, TrialBehavior):
            needed |= {*self.behavior.columns, self.behavior.valid_column}
        if self.jitter is not None:
            needed.add(self.jitter.column)
        if self.decode_masks is not None:
            needed.add(self.decode_masks[0])
        if self.psth is not None:
            needed |= {*self.psth.conditions, *self.psth.window.columns}
            if self.psth.skip_column is not None:
                needed.add(self.psth.skip_column)
        return needed


def _maze(name: str, lag_ms: int, kernel_sd_ms: int) -> SessionRules:
    reach = Window("move_onset_time", -250, 450)
    return SessionRules(
        name=name,
        train_window=reach,
        eval_window=reach,
        behavior=SeriesBehavior("hand_vel", lag_ms),
        psth=PsthRule(("trial_type", "trial_version"), reach, kernel_sd_ms),
    )


_RTT_SEGMENT = Window(START, 0, 600, allow_overlap=True)
_BUMP = Window("move_onset_time", -100, 500)
_PRODUCTION = Window("go_time", start_field="set_time", end_field="go_time")

_TABLE = (
    _maze("mc_maze", lag_ms=100, kernel_sd_ms=70),
    SessionRules(
        name="mc_rtt",
        train_window=_RTT_SEGMENT,
        eval_window=_RTT_SEGMENT,
        behavior=SeriesBehavior("finger_vel", lag_ms=140),
    ),
    SessionRules(
        name="area2_bump",
        train_window=_BUMP,
        eval_window=replace(_BUMP, allow_overlap=True),
        behavior=SeriesBehavior("hand_vel", lag_ms=-20),
        decode_masks=("ctr_hold_bump", (0, 1)),
        psth=PsthRule(("cond_dir", "ctr_hold_bump"), _BUMP, kernel_sd_ms=40),
    ),
    SessionRules(
        name="dmfc_rsg",
        train_window=Window("go_time", -1500, 0, allow_overlap=True),
        eval_window=_PRODUCTION,
        pad_front_ms=1500,
        behavior=TrialBehavior(("is_eye", "theta", "is_short", "ts", "tp"), "is_outlier"),
        jitter=Jitter("tp", limit_ms=1500.0, max_ms=300.0, exempt_split="test"),
        psth=PsthRule(
            ("is_eye", "theta", "is_short", "ts"),
            _PRODUCTION,
            kernel_sd_ms=70,
            pad_front=True,
            length_ms=1500,
            skip_column="is_outlier",
        ),
    ),
    _maze("mc_maze_large", lag_ms=120, kernel_sd_ms=50),
    _maze("mc_maze_medium", lag_ms=120, kernel_sd_ms=50),
    _maze("mc_maze_small", lag_ms=120, kernel_sd_ms=50),
)

#: dataset name -> how its session becomes arrays
RULES: Mapping[str, SessionRules] = {rules.name: rules for rules in _TABLE}


def fitting(columns: Set[str], series: Set[str]) -> Dict[str, SessionRules]:
    """Datasets whose ground truth needs no other trial columns and time series than these."""
    return {
        name: rules
        for name, rules in RULES.items()
        if rules.columns(targets=True) <= columns
        and (rules.series is None or rules.series in series)
    }
