"""Entries -> boards: the rows of a dataset at a bin width, and teams by datasets."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from evaluation_script.suites import Dataset, MetricType
from nlb_evalai.competition.award.ranking import competition_ranks
from nlb_evalai.competition.site.gather import main_metric
from nlb_evalai.competition.site.model import Cell, Comparison, Entry, Site
from nlb_evalai.paired import TELL_APART_Z

_DECIMALS = 4


@dataclass(frozen=True)
class Row:
    """An entry on a board, with its place there if it has one."""

    entry: Entry
    cells: Mapping[str, Cell]
    place: Optional[int] = None
    above: Optional[Comparison] = None
    below: Optional[Comparison] = None


@dataclass(frozen=True)
class Board:
    """A dataset at one bin width, best on top by its ``main`` metric.

    ``is_ranked``: places are those of the award, or of the shown numbers where there is none.
    """

    dataset: Dataset
    bin_width_ms: int
    key: str
    main: MetricType
    metrics: Sequence[MetricType]
    is_ranked: bool
    rows: Tuple[Row, ...]

    def span(self, metric: str) -> Tuple[float, float]:
        """The least and the greatest value of a metric, error bars included, for its axis."""
        cells = [row.cells[metric] for row in self.rows if metric in row.cells]
        ends = [
            cell.value + side * min(cell.standard_error or 0.0, 0.5)
            for cell in cells
            for side in (-1, 1)
        ]
        return (min(ends), max(ends)) if ends else (0.0, 1.0)


@dataclass(frozen=True)
class TeamCell:
    """A team's best on a dataset."""

    row: Row
    cell: Cell


@dataclass
class TeamRow:
    """A team on the overview; ``mean_place`` only if it has a place on every dataset."""

    team: str
    is_anonymous: bool
    cells: Dict[str, TeamCell] = field(default_factory=dict)
    mean_place: Optional[float] = None


def is_awarded(site: Site) -> bool:
    """Whether an award gave the ranks."""
    return any(entry.ranks for entry in site.entries)


def boards_of(site: Site) -> List[Board]:
    """All boards that have a row, in the suite's order."""
    boards = (
        _board(site, dataset, width, group)
        for group, (dataset, width) in site.suite.groups().items()
    )
    return [board for board in boards if board.rows]


def _board(site: Site, dataset: Dataset, width: int, group: str) -> Board:
    main = main_metric(dataset, site.metric)
    sign = -1 if main.higher_is_better() else 1
    cells: Dict[str, Dict[str, Cell]] = {}
    for entry in site.entries:
        own = {
            metric.key: entry.scores[dataset.name, width, metric.key]
            for metric in dataset.metrics
            if (dataset.name, width, metric.key) in entry.scores
        }
        if own:
            cells[entry.key] = own
    values = {key: own[main.key].value for key, own in cells.items() if main.key in own}
    awarded = is_awarded(site)
    places = {
        entry.key: entry.ranks[dataset.name]
        for entry in site.entries
        if dataset.name in entry.ranks and width == site.bin_width_ms
    }
    if not awarded:
        places = competition_ranks(values, main.higher_is_better())
    present = sorted(
        (entry for entry in site.entries if entry.key in cells),
        key=lambda one: (
            sign * values.get(one.key, sign * math.inf),
            places.get(one.key, math.inf),
            one.team,
            one.key,
        ),
    )
    given = [
        one for one in site.comparisons if (one.dataset, one.bin_width_ms) == (dataset.name, width)
    ] or list(_by_error_bars([one.key for one in present], cells, main, dataset.name, width))
    above, below = {one.worse: one for one in given}, {one.better: one for one in given}
    return Board(
        dataset,
        width,
        group,
        main,
        dataset.metrics,
        bool(places),
        tuple(
            Row(one, cells[one.key], places.get(one.key), above.get(one.key), below.get(one.key))
            for one in present
        ),
    )


def _by_error_bars(
    keys: Sequence[str],
    cells: Mapping[str, Mapping[str, Cell]],
    main: MetricType,
    dataset: str,
    width: int,
) -> Iterator[Comparison]:
    """Neighbors by their error bars alone, where trials are not at hand."""
    with_error = [
        (key, cell.value, cell.standard_error)
        for key in keys
        for cell in [cells[key].get(main.key)]
        if cell is not None and cell.standard_error is not None
    ]
    for (better, a, a_error), (worse, b, b_error) in zip(with_error, with_error[1:]):
        error = math.hypot(a_error, b_error)
        yield Comparison(
            dataset,
            width,
            better,
            worse,
            round(a - b, _DECIMALS),
            round(error, _DECIMALS),
            abs(a - b) > TELL_APART_Z * error,
            is_paired=False,
        )


def overview(site: Site, boards: Sequence[Board]) -> List[TeamRow]:
    """Teams by datasets: each team's best, at the bin width that ranks.

    An entry that has a place goes before one that has none. Teams on all datasets come first, by
    the mean of their places.
    """
    teams: Dict[str, TeamRow] = {}
    ranked = [one for one in boards if one.bin_width_ms == site.bin_width_ms]
    for board in ranked:
        for row in sorted(board.rows, key=lambda one: one.place is None):
            name = row.entry.team
            team = teams.setdefault(name, TeamRow(name, row.entry.is_anonymous))
            cell = row.cells.get(board.main.key)
            if cell is not None and board.dataset.name not in team.cells:
                team.cells[board.dataset.name] = TeamCell(row, cell)
    rows = [team for team in teams.values() if team.cells]
    for team in rows:
        places = [one.row.place for one in team.cells.values()]
        given = [place for place in places if place is not None]
        if len(given) == len(ranked):
            team.mean_place = sum(given) / len(given)
    return sorted(rows, key=_by_places)


def _by_places(team: TeamRow) -> Tuple[float, int, float, str]:
    places = [one.row.place for one in team.cells.values() if one.row.place is not None]
    mean = sum(places) / len(places) if places else math.inf
    return (
        math.inf if team.mean_place is None else team.mean_place,
        -len(places),
        mean,
        team.team,
    )
