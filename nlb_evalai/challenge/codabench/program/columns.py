"""The columns of a suite's one leaderboard: every dataset, metric and bin width, and means.

Bins that do not count for ranking have hidden columns, at the end. A board of several datasets also
has the mean of its ranking metric over them, which the scoring program computes: a column that
Codabench computes would be the mean of whatever datasets somebody chose to submit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Tuple

from evaluation_script.leaderboard import shown
from evaluation_script.scorecard import Scorecard
from evaluation_script.suites import Dataset, MetricType, Suite


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes
    ----------
    key, title : str
        As in ``scores.json``, and for people.
    board : str
        The suite's board that it belongs to.
    datasets : tuple of Dataset
        One, or those that the mean is over.
    metric : Metric class
    bin_width_ms : int
    hidden : bool
        It does not count for ranking.
    """

    key: str
    title: str
    board: str
    datasets: Tuple[Dataset, ...]
    metric: MetricType
    bin_width_ms: int
    hidden: bool

    @property
    def ascending(self) -> bool:
        """Whether the best score is the lowest one."""
        return not self.metric.higher_is_better()

    @property
    def needed(self) -> bool:
        """Whether a missing score would be of use: Codabench puts it first in descending order."""
        return not (self.hidden or self.ascending)

    def groups(self, suite: Suite) -> List[str]:
        """The groups of a submission that it is made of."""
        return [suite.group(dataset, self.bin_width_ms) for dataset in self.datasets]

    def value(self, card: Scorecard, suite: Suite) -> Optional[float]:
        """What it shows of a submission, None if there is no score.

        A mean is that of the numbers that are shown, so it tells no more than they do.
        """
        values = []
        for name in self.groups(suite):
            group = card.groups.get(name)
            score = group.scores.get(self.metric.key) if group else None
            if score is None:
                return None
            values.append(shown(score.value, card.phase))
        return shown(sum(values) / len(values), card.phase)


def columns(suite: Suite, board: Optional[str] = None) -> List[Column]:
    """The columns in the order of their indices; of one board alone if it is named."""
    widths = sorted(
        {width for dataset in suite.datasets for width in suite.bin_widths(dataset)},
        key=lambda width: (width != suite.ranked_bin_width_ms, width),
    )
    found = [
        column
        for width in widths
        for one in suite.boards()
        if width in suite.board_widths(one)
        for column in _of_board(suite, one, width)
    ]
    return [column for column in found if board in (None, column.board)]


def _of_board(suite: Suite, board: str, width: int) -> List[Column]:
    """The columns of a board at one bin width; what orders the board comes first."""
    hidden = width != suite.ranked_bin_width_ms
    bins = f"{width} ms " if hidden else ""
    first = suite.ranking(board)
    members = suite.board_datasets(board)
    cells = [(dataset, metric) for dataset in members for metric in dataset.metrics]
    found = [
        Column(
            f"{suite.group(dataset, width)}_{_slug(metric)}",
            f"{dataset.title} {bins}{metric.key}",
            board,
            (dataset,),
            metric,
            width,
            hidden,
        )
        for dataset, metric in sorted(cells, key=lambda cell: cell != first)
    ]
    if len(members) > 1 and all(first[1] in dataset.metrics for dataset in members):
        name = suite.split(board, width)[: -len("_split")]
        key, title = f"{name}_mean_{_slug(first[1])}", f"{suite.board_title(board)} {bins}mean "
        found.append(Column(key, title + first[1].key, board, members, first[1], width, hidden))
    return found


def _slug(metric: MetricType) -> str:
    return re.sub(r"[^a-z0-9]+", "_", metric.key.lower())
