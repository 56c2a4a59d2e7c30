"""The benchmark as data: datasets, phases, bin widths, metrics, splits and labels.

Nothing here computes. A further suite is a further :class:`Suite` value; the flow of
scoring reads everything it needs to know from one.

Source: Pei, Ye et al. 2021, arXiv:2109.04463, and the reference ``nlb_tools`` 0.0.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Tuple, Type

from .metrics import (
    CoSmoothing,
    ForwardPrediction,
    Metric,
    PsthMatch,
    SpeedTpCorrelation,
    VelocityDecoding,
)

#: Counts up whenever a published number could change; kept in every receipt.
RULES_VERSION = "1.0"


#: a metric of a suite is a class: see ``metrics.base``
MetricType = Type[Metric]


@dataclass(frozen=True)
class Dataset:
    """One recording session of the benchmark.

    ``n_train`` and ``n_eval`` give trials by phase; ``window_ms`` is the scored part of a
    trial; ``label_prefix`` goes before each metric on a board that several datasets share.
    """

    name: str
    title: str
    dandiset: str
    board: str
    n_train: Mapping[str, int]
    n_eval: Mapping[str, int]
    window_ms: int
    n_heldin: int
    n_heldout: int
    metrics: Tuple[MetricType, ...]
    label_prefix: str = ""
    forward_ms: int = 200

    def label(self, metric: MetricType) -> str:
        """The metric's column on its leaderboard, as ``[500] co-bps``."""
        return self.label_prefix + metric.key


@dataclass(frozen=True)
class Phase:
    """A phase of the challenge.

    ``score_decimals`` rounds what participants see (None: full precision).
    ``nan_where_unscored`` allows NaN rates in bins that no metric uses; it must be off
    where the truth is hidden, or participants could probe for those bins.
    """

    codename: str
    title: str
    train_splits: Tuple[str, ...]
    eval_split: str
    truth_is_public: bool
    score_decimals: Optional[int]
    nan_where_unscored: bool


@dataclass(frozen=True)
class Suite:
    """A benchmark suite: what there is to score, and where each score is shown."""

    name: str
    title: str
    rules_version: str
    bin_widths_ms: Tuple[int, ...]
    ranked_bin_width_ms: int
    phases: Tuple[Phase, ...]
    datasets: Tuple[Dataset, ...]

    def phase(self, codename: str) -> Phase:
        """The phase of that codename; KeyError if there is none."""
        for phase in self.phases:
            if phase.codename == codename:
                return phase
        raise KeyError(codename)

    def group(self, dataset: Dataset, bin_width_ms: int) -> str:
        """Name of the HDF5 group that holds ``dataset`` at that bin width."""
        suffix = "" if bin_width_ms == self.ranked_bin_width_ms else f"_{bin_width_ms}"
        return dataset.name + suffix

    def groups(self) -> Dict[str, Tuple[Dataset, int]]:
        """Every group of a submission, in scoring order: name -> (dataset, bin width in ms)."""
        return {
            self.group(dataset, width): (dataset, width)
            for dataset in self.datasets
            for width in self.bin_widths_ms
        }

    def split(self, board: str, bin_width_ms: int) -> str:
        """Codename of the dataset split that ``board`` shows at that bin width."""
        suffix = "" if bin_width_ms == self.ranked_bin_width_ms else f"_{bin_width_ms}"
        return f"{board}{suffix}_split"

    def boards(self) -> Tuple[str, ...]:
        """Leaderboards, boards of a single dataset first (the reference's order)."""
        members = [dataset.board for dataset in self.datasets]
        distinct = dict.fromkeys(members)
        return tuple(sorted(distinct, key=lambda board: members.count(board) > 1))

    def board_datasets(self, board: str) -> Tuple[Dataset, ...]:
        """The datasets whose scores make up one row of ``board``."""
        return tuple(dataset for dataset in self.datasets if dataset.board == board)

    def labels(self, board: str) -> List[str]:
        """Columns of a leaderboard, in display order."""
        return [
            dataset.label(metric)
            for dataset in self.board_datasets(board)
            for metric in dataset.metrics
        ]

    def splits(self) -> List[str]:
        """All split codenames, in the reference's order of results."""
        return [self.split(board, width) for board in self.boards() for width in self.bin_widths_ms]


def expected_bins(dataset: Dataset, bin_width_ms: int) -> Tuple[int, int]:
    """Bins of a trial's scored window and of its forward window."""
    return dataset.window_ms // bin_width_ms, dataset.forward_ms // bin_width_ms


_VELOCITY = (CoSmoothing, VelocityDecoding, PsthMatch, ForwardPrediction)

NLB21 = Suite(
    name="nlb21",
    title="Neural Latents Benchmark '21",
    rules_version=RULES_VERSION,
    bin_widths_ms=(5, 20),
    ranked_bin_width_ms=5,
    phases=(
        Phase(
            codename="val",
            title="Validation",
            train_splits=("train",),
            eval_split="val",
            truth_is_public=True,
            score_decimals=None,
            nan_where_unscored=True,
        ),
        Phase(
            codename="test",
            title="Test",
            train_splits=("train", "val"),
            eval_split="test",
            truth_is_public=False,
            score_decimals=4,
            nan_where_unscored=False,
        ),
    ),
    datasets=(
        Dataset(
            name="mc_maze",
            title="MC_Maze",
            dandiset="000128",
            board="mc_maze",
            n_train={"val": 1721, "test": 2295},
            n_eval={"val": 574, "test": 574},
            window_ms=700,
            n_heldin=137,
            n_heldout=45,
            metrics=_VELOCITY,
        ),
        Dataset(
            name="mc_rtt",
            title="MC_RTT",
            dandiset="000129",
            board="mc_rtt",
            n_train={"val": 810, "test": 1080},
            n_eval={"val": 270, "test": 272},
            window_ms=600,
            n_heldin=98,
            n_heldout=32,
            metrics=(CoSmoothing, VelocityDecoding, ForwardPrediction),
        ),
        Dataset(
            name="area2_bump",
            title="Area2_Bump",
            dandiset="000127",
            board="area2_bump",
            n_train={"val": 272, "test": 364},
            n_eval={"val": 92, "test": 98},
            window_ms=600,
            n_heldin=49,
            n_heldout=16,
            metrics=_VELOCITY,
        ),
        Dataset(
            name="dmfc_rsg",
            title="DMFC_RSG",
            dandiset="000130",
            board="dmfc_rsg",
            n_train={"val": 741, "test": 989},
            n_eval={"val": 248, "test": 252},
            window_ms=1500,
            n_heldin=45,
            n_heldout=15,
            metrics=(CoSmoothing, SpeedTpCorrelation, PsthMatch, ForwardPrediction),
        ),
        Dataset(
            name="mc_maze_large",
            title="MC_Maze-Large",
            dandiset="000138",
            board="mc_maze_scaling",
            n_train={"val": 375, "test": 500},
            n_eval={"val": 125, "test": 100},
            window_ms=700,
            n_heldin=122,
            n_heldout=40,
            metrics=_VELOCITY,
            label_prefix="[500] ",
        ),
        Dataset(
            name="mc_maze_medium",
            title="MC_Maze-Medium",
            dandiset="000139",
            board="mc_maze_scaling",
            n_train={"val": 188, "test": 250},
            n_eval={"val": 62, "test": 100},
            window_ms=700,
            n_heldin=114,
            n_heldout=38,
            metrics=_VELOCITY,
            label_prefix="[250] ",
        ),
        Dataset(
            name="mc_maze_small",
            title="MC_Maze-Small",
            dandiset="000140",
            board="mc_maze_scaling",
            n_train={"val": 75, "test": 100},
            n_eval={"val": 25, "test": 100},
            window_ms=700,
            n_heldin=107,
            n_heldout=35,
            metrics=_VELOCITY,
            label_prefix="[100] ",
        ),
    ),
)
