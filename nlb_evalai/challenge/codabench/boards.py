"""The leaderboard as Codabench sorts and shows it, a missing score first where it descends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from evaluation_script.text import printable
from nlb_evalai.challenge.replica import OfferedPhase, ShownBoard, ShownPhase, ShownRow

#: what the page shows in place of a missing score
MISSING = "n/a"
_NO_PRECISION = 2


@dataclass(frozen=True)
class BoardColumn:
    """A column of competition.yaml."""

    key: str
    title: str
    index: int
    descending: bool
    precision: int
    hidden: bool
    computed: bool


def columns_of(board: Mapping[str, Any]) -> List[BoardColumn]:
    """The columns of a leaderboard of the config, with Codabench's defaults, by their index."""
    found = [
        BoardColumn(
            str(one["key"]),
            str(one["title"]),
            int(one["index"]),
            one.get("sorting", "desc") == "desc",
            int(one.get("precision", _NO_PRECISION)),
            bool(one.get("hidden", False)),
            one.get("computation") is not None,
        )
        for one in board["columns"]
    ]
    return sorted(found, key=lambda column: column.index)


def ordered(
    columns: Sequence[BoardColumn], primary_index: int, entries: Mapping[str, Mapping[str, float]]
) -> List[str]:
    """The teams in Codabench's order, best first.

    It orders by the primary column, then by the visible ones, then by time. The database has a
    missing score before all others where the order descends, and behind where it ascends.

    Parameters
    ----------
    entries : mapping
        Team -> key -> score, oldest first.
    """
    primary = [column for column in columns if column.index == primary_index]
    rest = [one for one in columns if not one.hidden and one.index != primary_index]

    def place(team: str) -> Tuple[Tuple[bool, float], ...]:
        scores = entries[team]
        found = []
        for column in [*primary, *rest]:
            score = scores.get(column.key)
            sign = -1.0 if column.descending else 1.0
            missing_first = column.descending
            there = score is not None
            found.append((there == missing_first, sign * (score or 0.0)))
        return tuple(found)

    return sorted(entries, key=place)


def shown_phase(
    phase: OfferedPhase,
    board: Mapping[str, Any],
    entries: Mapping[str, Mapping[str, float]],
) -> ShownPhase:
    """The leaderboard of a phase as its page has it, and what it does to gaps."""
    columns = columns_of(board)
    primary_index = board.get("primary_index", 0)
    visible = [column for column in columns if not column.hidden]
    titles = {column.key: column.title for column in visible}
    teams = ordered(columns, primary_index, entries)
    rows = [
        ShownRow(rank, team, _cells(visible, entries[team])) for rank, team in enumerate(teams, 1)
    ]
    primary = next((one.title for one in columns if one.index == primary_index), "")
    hidden = len(columns) - len(visible)
    return ShownPhase(
        heading=f"{printable(phase.name)} ({phase.codename}): 1 leaderboard, {len(visible)} "
        f"columns and {hidden} hidden",
        boards=[
            ShownBoard(
                str(board["key"]), str(board["title"]), tuple(titles.values()), primary, rows
            )
        ],
        remarks=_remarks(columns, primary_index, teams, entries),
        missing=MISSING,
    )


def _cells(visible: Sequence[BoardColumn], scores: Mapping[str, float]) -> Dict[str, str]:
    """Column title -> text; Codabench rounds, and writes no zeros at the end."""
    return {
        column.title: str(round(scores[column.key], column.precision))
        for column in visible
        if column.key in scores
    }


def _remarks(
    columns: Sequence[BoardColumn],
    primary_index: int,
    teams: Sequence[str],
    entries: Mapping[str, Mapping[str, float]],
) -> List[str]:
    first = [one for one in columns if one.index == primary_index and one.descending]
    found = []
    for column in first:
        lacking = [team for team in teams if column.key not in entries[team]]
        if lacking and len(lacking) < len(teams):
            found.append(f"Codabench puts first, for want of {column.title}: {', '.join(lacking)}")
    if any(one.key not in entries[team] for team in teams for one in columns if not one.hidden):
        found.append(f"Codabench shows {MISSING} where a score is missing")
    found.append(
        "Codabench has no average rank, and a missing score would be first in a descending column: "
        "what lacks one is to be refused"
    )
    return found
