"""What a benchmark suite is: plain data, from which all that is scored and shown follows.

Nothing here computes a score. What differs between two benchmarks is a field here; what does not
is code elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, Iterator, List, Mapping, Optional, Tuple, Type

import numpy as np

from ..metrics.base import Metric
from ..metrics.jackknife import block_starts
from ..text import listed
from .session import Behavior, SeriesBehavior, SessionRules

#: a metric of a suite is a class: see ``metrics.base``
MetricType = Type[Metric]


@dataclass(frozen=True)
class Published:
    """The published shapes of a dataset: what is compared with; no score depends on it.

    One refusal does: held-in neurons that the truth does not tell are bounded by ``n_heldin``.
    ``n_train`` and ``n_eval`` give trials by phase. A figure that nobody published is missing, or
    None. ``source`` says where the others stand. ``why`` is said of figures that hold no more.
    """

    n_heldin: Optional[int] = None
    n_heldout: Optional[int] = None
    n_train: Mapping[str, int] = field(default_factory=dict)
    n_eval: Mapping[str, int] = field(default_factory=dict)
    source: str = ""
    why: str = ""


@dataclass(frozen=True)
class Simulation:
    """How the embedded sample simulates a session of a dataset.

    ``trials`` counts those of each split at small scale, ``conditions`` the PSTH's conditions at
    small and at full scale (0: every trial is a movement of its own). ``variability`` is the spread
    of single trials around their condition, in units of the spread of conditions. ``full`` gives
    what full scale needs and nobody published: trials by split.
    """

    trials: Mapping[str, int] = field(default_factory=dict)
    conditions: Tuple[int, int] = (6, 27)
    variability: float = 0.35
    mean_rate_hz: float = 25.0
    decoders: int = 1
    psth_cut_ms: int = 0
    gaps_in_behavior: bool = False
    full: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """One recording session of the benchmark.

    Attributes
    ----------
    name, title : str
        As in files, and for people.
    board : str
        The leaderboard that shows it; ``label_prefix`` goes before each metric where several
        datasets share one.
    metrics : tuple of Metric classes
        In the order of the board's columns.
    window_ms, forward_ms : int
        The scored part of a trial, and what follows it (None: no forward predictions).
    task, area : str
        What it is about, in words.
    behavior : SeriesBehavior or TrialBehavior, optional
    bin_widths_ms : tuple of int, optional
        Where they are not the suite's.
    dandiset : str
        Its number in the DANDI archive.
    superseded : tuple of Published
        Shapes that held once: files of them are known by these, and no score depends on them.
    session : SessionRules, optional
        How a recording becomes arrays; None where no ground truth can be built from recordings.
    kernel_sd_ms : int
        Width of the baseline's smoothing kernel.
    continuous : bool
        Whether its trials are windows of continuous behavior, one after another, so that
        neighbors are alike: error bars leave out blocks of them.
    """

    name: str
    title: str
    board: str
    metrics: Tuple[MetricType, ...]
    window_ms: int
    task: str
    area: str
    forward_ms: Optional[int] = None
    label_prefix: str = ""
    behavior: Optional[Behavior] = None
    bin_widths_ms: Optional[Tuple[int, ...]] = None
    dandiset: str = ""
    published: Published = Published()
    superseded: Tuple[Published, ...] = ()
    session: Optional[SessionRules] = None
    simulation: Simulation = Simulation()
    kernel_sd_ms: int = 50
    continuous: bool = False

    def label(self, metric: MetricType) -> str:
        """The metric's column on its leaderboard, as ``[500] co-bps``."""
        return self.label_prefix + metric.key

    @property
    def series(self) -> Optional[str]:
        """The time series that a recording must hold, if any."""
        return self.behavior.series if isinstance(self.behavior, SeriesBehavior) else None

    def block_starts(self, n_trials: int) -> Optional[np.ndarray]:
        """The first of each block of eval trials that error bars leave out; None: single trials."""
        return block_starts(n_trials) if self.continuous else None

    def bins(self, bin_width_ms: int) -> int:
        """Bins of a trial's scored window."""
        return self.window_ms // bin_width_ms

    def forward_bins(self, bin_width_ms: int) -> Optional[int]:
        """Bins of the forward window, if there is one."""
        return None if self.forward_ms is None else self.forward_ms // bin_width_ms


@dataclass(frozen=True)
class Phase:
    """A phase of the challenge: what models train on, what they predict, who knows the truth.

    What hidden truth may say: ``score_decimals`` and ``error_decimals`` round what participants see
    (None: full precision), ``score_floor`` is the least score that they see, and positive rates
    below ``smallest_rate`` are refused where a metric scores by likelihood. A metric that is
    unbounded below, or moves in its last digit by a rate of 1e-300, would else tell hidden values.
    ``nan_where_unscored`` allows NaN rates in bins that no metric uses; it must be off where the
    truth is hidden, or participants could probe for those bins.

    ``psth_beyond``: the PSTHs average over all trials but those of split ``none``, not over the
    phase's alone.
    """

    codename: str
    title: str
    train_splits: Tuple[str, ...]
    eval_split: str
    truth_is_public: bool
    score_decimals: Optional[int]
    nan_where_unscored: bool
    error_decimals: Optional[int] = None
    score_floor: Optional[float] = None
    smallest_rate: Optional[float] = None
    psth_beyond: bool = False

    def with_public_truth(self) -> Phase:
        """The same phase where everybody can have its truth: there is nothing to hide."""
        return replace(
            self,
            truth_is_public=True,
            score_decimals=None,
            error_decimals=None,
            score_floor=None,
            smallest_rate=None,
            nan_where_unscored=True,
        )


@dataclass(frozen=True)
class PublishedTruth:
    """A file with the truth of a phase that is out for everybody to read.

    ``since`` is the year; ``address`` is where it can be had.
    """

    name: str
    phase: str
    sha256: str
    n_bytes: int
    since: str
    address: str


class SuiteError(ValueError):
    """A suite contradicts itself; lists every fault."""


@dataclass(frozen=True)
class Suite:
    """A benchmark suite: what there is to score, and where each score is shown.

    ``bin_widths_ms`` are those of every dataset that names no others; ``ranked_bin_width_ms``
    counts for ranking and has no suffix in names. ``ranked_by`` orders the boards. ``links`` are
    addresses by what is there (``paper``, ``code``, ``site``, ``data``). ``board_titles`` names the
    boards that several datasets share, for people. ``published_truth`` are the files with truth
    that is known to be public, whatever its phase says.

    Raises
    ------
    SuiteError
        If it contradicts itself.
    """

    name: str
    title: str
    rules_version: str
    bin_widths_ms: Tuple[int, ...]
    ranked_bin_width_ms: int
    ranked_by: MetricType
    phases: Tuple[Phase, ...]
    datasets: Tuple[Dataset, ...]
    links: Mapping[str, str] = field(default_factory=dict)
    board_titles: Mapping[str, str] = field(default_factory=dict)
    published_truth: Tuple[PublishedTruth, ...] = ()

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise SuiteError(listed(f"suite {self.name}:", faults, "fault"))

    def phase(self, codename: str) -> Phase:
        """The phase of that codename; KeyError if there is none."""
        for phase in self.phases:
            if phase.codename == codename:
                return phase
        raise KeyError(codename)

    def dataset(self, name: str) -> Dataset:
        """The dataset of that name; KeyError if there is none."""
        for dataset in self.datasets:
            if dataset.name == name:
                return dataset
        raise KeyError(name)

    def metrics(self) -> Tuple[MetricType, ...]:
        """Every metric of some dataset."""
        return tuple(dict.fromkeys(m for dataset in self.datasets for m in dataset.metrics))

    def all_splits(self) -> Tuple[str, ...]:
        """Every split of trials that some phase trains on or evaluates."""
        return tuple(dict.fromkeys(s for p in self.phases for s in (*p.train_splits, p.eval_split)))

    def bin_widths(self, dataset: Dataset) -> Tuple[int, ...]:
        """The bin widths at which a dataset is scored, in ms."""
        return dataset.bin_widths_ms or self.bin_widths_ms

    def group(self, dataset: Dataset, bin_width_ms: int) -> str:
        """Name of the HDF5 group that holds ``dataset`` at that bin width."""
        return dataset.name + self._suffix(bin_width_ms)

    def groups(self) -> Dict[str, Tuple[Dataset, int]]:
        """Every group of a submission, in scoring order: name -> (dataset, bin width in ms)."""
        return {
            self.group(dataset, width): (dataset, width)
            for dataset in self.datasets
            for width in self.bin_widths(dataset)
        }

    def split(self, board: str, bin_width_ms: int) -> str:
        """Codename of the dataset split that ``board`` shows at that bin width."""
        return f"{board}{self._suffix(bin_width_ms)}_split"

    def _suffix(self, bin_width_ms: int) -> str:
        return "" if bin_width_ms == self.ranked_bin_width_ms else f"_{bin_width_ms}"

    def boards(self) -> Tuple[str, ...]:
        """Leaderboards, boards of a single dataset first (the reference's order)."""
        members = [dataset.board for dataset in self.datasets]
        distinct = dict.fromkeys(members)
        return tuple(sorted(distinct, key=lambda board: members.count(board) > 1))

    def board_datasets(self, board: str) -> Tuple[Dataset, ...]:
        """The datasets whose scores make up one row of ``board``."""
        return tuple(dataset for dataset in self.datasets if dataset.board == board)

    def board_title(self, board: str) -> str:
        """What people call a board: as its one dataset, unless ``board_titles`` says otherwise."""
        members = self.board_datasets(board)
        return self.board_titles.get(board) or (members[0].title if len(members) == 1 else board)

    def board_widths(self, board: str) -> Tuple[int, ...]:
        """The bin widths at which a board is shown, in ms."""
        return self.bin_widths(self.board_datasets(board)[0])

    def labels(self, board: str) -> List[str]:
        """Columns of a leaderboard, in display order."""
        return [
            dataset.label(metric)
            for dataset in self.board_datasets(board)
            for metric in dataset.metrics
        ]

    def ranking(self, board: str) -> Tuple[Dataset, MetricType]:
        """The dataset and the metric whose column orders a board."""
        columns = [(d, metric) for d in self.board_datasets(board) for metric in d.metrics]
        return next((one for one in columns if one[1] is self.ranked_by), columns[0])

    def splits(self) -> List[str]:
        """All split codenames, in the reference's order of results."""
        return [
            self.split(board, width)
            for board in self.boards()
            for width in self.board_widths(board)
        ]


def _faults(suite: Suite) -> Iterator[str]:
    if not (suite.datasets and suite.phases and suite.bin_widths_ms):
        yield "it needs a dataset, a phase and a bin width"
        return
    names = [suite.group(d, width) for d in suite.datasets for width in suite.bin_widths(d)]
    for what, found in (
        ("group", names),
        ("phase", [phase.codename for phase in suite.phases]),
        ("split", suite.splits()),
    ):
        for name in sorted({name for name in found if found.count(name) > 1}):
            yield f"two {what}s are called {name}"
    keys: Dict[str, MetricType] = {}
    for metric in suite.metrics():
        if keys.setdefault(metric.key, metric) is not metric:
            yield f"two metrics are called {metric.key}"
    for dataset in suite.datasets:
        if not dataset.metrics:
            yield f"{dataset.name}: it has no metric"
        for metric in dataset.metrics:
            if dataset.continuous and not metric.takes_blocks:
                yield f"{dataset.name}: {metric.key} has no error bar for continuous trials"
        for width in suite.bin_widths(dataset):
            for length, what in ((dataset.window_ms, "window"), (dataset.forward_ms, "forward")):
                if length is not None and length % width:
                    yield f"{dataset.name}: {what}_ms: found {length}, no multiple of {width} ms"
    for board in suite.boards():
        labels = suite.labels(board)
        for label in sorted({label for label in labels if labels.count(label) > 1}):
            yield f"{board}: two columns are called {label}: datasets need a label_prefix"
        if len({suite.bin_widths(dataset) for dataset in suite.board_datasets(board)}) > 1:
            yield f"{board}: its datasets differ in bin widths, so they cannot share a row"
    for phase in suite.phases:
        if phase.nan_where_unscored and not phase.truth_is_public:
            yield f"{phase.codename}: NaN tells about hidden truth: nan_where_unscored must be off"
        limits = (phase.score_decimals, phase.error_decimals, phase.score_floor)
        if phase.truth_is_public and (*limits, phase.smallest_rate) != (None,) * 4:
            yield f"{phase.codename}: its truth is public, so its scores have nothing to hide"
