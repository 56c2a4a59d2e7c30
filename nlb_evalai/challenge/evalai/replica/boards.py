"""Leaderboards as EvalAI sorts and shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from evaluation_script.text import plural, printable
from nlb_evalai.challenge.evalai.config import ChallengePhase, PhaseSplit
from nlb_evalai.challenge.evalai.replica.output import error_bars_of, scores_of
from nlb_evalai.challenge.replica import ShownBoard, ShownPhase, ShownRow

FINISHED, PARTIAL = "finished", "partially_evaluated"
#: every status of a submission; boards show the finished ones, and the partial where a phase has
#: ``is_partial_submission_evaluation_enabled``
STATUSES = (
    *("submitting", "submitted", "queued", "running", "resuming"),
    *(FINISHED, PARTIAL, "failed", "cancelled", "archived"),
)
#: what a page shows in place of a missing score: an empty cell with this letter on an orange badge;
#: the API has "#" there
BADGE = "E"


@dataclass(frozen=True)
class Entry:
    """A submission to a phase; ``output`` is what ``evaluate`` returned, which ``judge`` passed."""

    team: str
    output: Any
    status: str = FINISHED
    is_baseline: bool = False


@dataclass(frozen=True)
class BoardRow:
    """A row; a label without a score is missing from ``scores``.

    ``error_bars`` are those of all labels, or none: EvalAI takes no others.
    """

    rank: int
    team: str
    scores: Dict[str, float]
    error_bars: Dict[str, float]
    #: EvalAI has no score under the default label, and takes 0 for it
    ranked_as_zero: bool


def board_rows(
    split: PhaseSplit, entries: Iterable[Entry], partial: bool = False
) -> List[BoardRow]:
    """The rows of one leaderboard, in EvalAI's order.

    It sorts by score, then by the error bar with its sign turned, and takes 0 for either where it
    is missing; what is equal in both stays newest first. Of a team its first row is shown, of
    baselines all.

    Parameters
    ----------
    split : PhaseSplit
    entries : iterable of Entry
        The submissions to the phase, oldest first.
    partial : bool
        Whether the phase shows submissions that are evaluated in part.
    """
    order = split.leaderboard.default_order_by
    shown = {FINISHED, PARTIAL} if partial else {FINISHED}
    found = []
    for entry in reversed(list(entries)):
        scores = scores_of(entry.output, split.split) if entry.status in shown else None
        if scores is not None:
            found.append((entry, scores, error_bars_of(entry.output, split.split)))

    def place(row: Tuple[Entry, Dict[str, float], Dict[str, float]]) -> Tuple[float, float]:
        _, scores, bars = row
        return scores.get(order, 0.0), -bars[order] if bars else 0.0

    rows: List[BoardRow] = []
    teams = set()
    for entry, scores, bars in sorted(found, key=place, reverse=split.descending):
        if entry.team not in teams:
            rows.append(BoardRow(len(rows) + 1, entry.team, scores, bars, order not in scores))
        if not entry.is_baseline:
            teams.add(entry.team)
    return rows


def remarks(boards: Sequence[Tuple[PhaseSplit, Sequence[BoardRow]]]) -> List[str]:
    """What the boards of a phase do to entries that lack something, a sentence for each kind."""
    found: Dict[str, List[str]] = {}
    for split, rows in boards:
        for sentence in _sentences(split, rows):
            found.setdefault(sentence, []).append(split.split)
    lines = [f"{sentence} ({', '.join(splits)})" for sentence, splits in found.items()]
    if any({*split.leaderboard.labels} - {*row.scores} for split, rows in boards for row in rows):
        lines.append(
            f"EvalAI shows an empty cell with an orange badge {BADGE} where a score is missing"
        )
    return lines


def _sentences(split: PhaseSplit, rows: Sequence[BoardRow]) -> List[str]:
    found = []
    zero = [row.team for row in rows if row.ranked_as_zero]
    if zero:
        order = split.leaderboard.default_order_by
        found.append(f"EvalAI ranks as 0, for want of {order}: {', '.join(zero)}")
    bare = [row.team for row in rows if not row.error_bars]
    if bare and len(bare) < len(rows):
        place = "first" if split.descending else "last"
        found.append(
            f"EvalAI puts {place} among equal scores, for want of error bars: {', '.join(bare)}"
        )
    return found


def entries_of(outputs: Mapping[str, Any]) -> List[Entry]:
    """Team -> output of its one finished submission, as entries."""
    return [Entry(team, output) for team, output in outputs.items()]


def shown_phase(
    phase: ChallengePhase, splits: Sequence[PhaseSplit], outputs: Mapping[str, Any]
) -> ShownPhase:
    """The boards of a phase as its page has them, after these teams' outputs."""
    found = [(split, board_rows(split, entries_of(outputs))) for split in splits]
    public = sum(split.is_public for split in splits)
    seen = {0: "seen by hosts only", len(splits): "public"}.get(public, f"{public} of them public")
    name = printable(f"{phase.name} ({phase.codename})")
    return ShownPhase(
        heading=f"{name}: {plural(len(splits), 'leaderboard')}, {seen}",
        boards=[
            ShownBoard(
                split.split,
                split.split_name,
                split.leaderboard.labels,
                split.leaderboard.default_order_by,
                [_shown_row(row, split) for row in rows],
            )
            for split, rows in found
        ],
        remarks=remarks(found),
        missing=BADGE,
        missing_style="black on dark_orange",
    )


def _shown_row(row: BoardRow, split: PhaseSplit) -> ShownRow:
    # adding 0 turns a rounded -0.0 into 0.0
    cells = {
        label: f"{round(score, split.decimals) + 0.0:.{split.decimals}f}"
        for label, score in row.scores.items()
    }
    return ShownRow(row.rank, row.team, cells)
