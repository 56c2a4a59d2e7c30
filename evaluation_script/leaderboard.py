"""Scores -> what EvalAI posts, and what the participant reads."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Tuple

from .scorecard import GroupScores, Score, Scorecard
from .suites import Dataset, MetricType, Phase, Suite
from .text import plural

SUBMISSION_RESULT_SCHEMA = "nlb-evalai/submission-result/1"


#: the error bar of a score at the floor: it keeps a split complete, and wins no tie
_ERROR_AT_FLOOR = 1.0


def shown(value: float, phase: Phase) -> float:
    """A score as the phase shows it: no lower than its floor, and rounded.

    Full precision, or a number without a lower bound, would tell hidden values.
    """
    if phase.score_floor is not None:
        value = max(value, phase.score_floor)
    return _rounded(value, phase.score_decimals)


def is_below_floor(score: Score, phase: Phase) -> bool:
    """Whether the phase shows less of a score than that it is low."""
    return phase.score_floor is not None and score.value < phase.score_floor


def shown_error(score: Score, phase: Phase) -> Optional[float]:
    """A score's error bar as the phase shows it; None if it has none."""
    if score.standard_error is None:
        return None
    if is_below_floor(score, phase):
        return _ERROR_AT_FLOOR
    return _rounded(score.standard_error, phase.error_decimals)


def _rounded(value: float, decimals: Optional[int]) -> float:
    rounded = float(value if decimals is None else round(value, decimals))
    return rounded + 0.0  # -0.0 becomes 0.0


def _in_words(score: Score, phase: Phase) -> str:
    if is_below_floor(score, phase):
        return f"below {phase.score_floor:g}"
    decimals = 4 if phase.score_decimals is None else phase.score_decimals
    # rounding for display may bring a -0.0 back
    return f"{_rounded(shown(score.value, phase), decimals):.{decimals}f}"


def _rows(
    card: Scorecard, suite: Suite
) -> Iterator[Tuple[str, str, List[Tuple[Dataset, MetricType, Optional[Score]]]]]:
    """(split, board, cells) of every board row that has at least one score."""
    for board in suite.boards():
        for width in suite.board_widths(board):
            cells = []
            for dataset in suite.board_datasets(board):
                group = card.groups.get(suite.group(dataset, width))
                for metric in dataset.metrics:
                    score = group.scores.get(metric.key) if group else None
                    cells.append((dataset, metric, score))
            if any(score is not None for _, _, score in cells):
                yield suite.split(board, width), board, cells


def results(card: Scorecard, suite: Suite) -> List[Dict[str, Dict[str, float]]]:
    """``result`` for EvalAI: one-key dicts by split codename, plain floats."""
    phase = card.phase
    return [
        {
            split: {
                dataset.label(metric): shown(score.value, phase)
                for dataset, metric, score in cells
                if score is not None
            }
        }
        for split, _, cells in _rows(card, suite)
    ]


def errors(card: Scorecard, suite: Suite) -> List[Dict[str, Dict[str, float]]]:
    """``error`` for EvalAI: error bars of the splits whose every label has a finite one.

    EvalAI breaks a leaderboard on a split with a gap, so such a split is not named.
    """
    phase = card.phase
    bars = []
    for split, _, cells in _rows(card, suite):
        values = {
            f"error_{dataset.label(metric)}": shown_error(score, phase)
            for dataset, metric, score in cells
            if score is not None
        }
        finite = {label: value for label, value in values.items() if value is not None}
        if len(finite) == len(cells):
            bars.append({split: finite})
    return bars


def submission_result(card: Scorecard, suite: Suite) -> Dict[str, Any]:
    """What the participant can download: scores by dataset, and every remark in words."""
    phase = card.phase
    return {
        "schema": SUBMISSION_RESULT_SCHEMA,
        "suite": card.suite,
        "rules_version": suite.rules_version,
        "phase": card.phase.codename,
        "scores": {name: _scores(group, phase) for name, group in card.groups.items()},
        "left_out": {
            name: dict(group.left_out) for name, group in card.groups.items() if group.left_out
        },
        "notes": list(card.notes),
    }


def _scores(group: GroupScores, phase: Phase) -> Dict[str, Dict[str, Any]]:
    found: Dict[str, Dict[str, Any]] = {}
    for key, score in group.scores.items():
        found[key] = {
            "value": shown(score.value, phase),
            "standard_error": shown_error(score, phase),
        }
        if is_below_floor(score, phase):
            found[key]["remark"] = _in_words(score, phase)
    return found


def text(card: Scorecard, suite: Suite) -> str:
    """The same in brief, for stdout."""
    phase = card.phase
    groups = card.groups.values()
    lines = [f"{suite.title}, phase {phase.codename}: {plural(len(groups), 'group')} scored"]
    for group in groups:
        scores = "  ".join(
            f"{key} {_in_words(score, phase)}" for key, score in group.scores.items()
        )
        lines.append(f"  {group.group:20} {scores}")
    remarks = [
        f"{group.group}: {key} left out: {reason}"
        for group in groups
        for key, reason in group.left_out.items()
    ]
    remarks += card.notes
    if remarks:
        lines += ["notes:", *(f"  {remark}" for remark in remarks)]
    return "\n".join(lines)


def board_notes(card: Scorecard, suite: Suite) -> List[str]:
    """Warnings about how EvalAI ranks what was submitted."""
    notes = []
    for _, board, cells in _rows(card, suite):
        dataset, metric = suite.ranking(board)
        if (dataset, metric, None) in cells:
            notes.append(
                f"{board}: without {dataset.label(metric)} (from {dataset.name}) the leaderboard "
                "ranks this entry as 0"
            )
    return [*dict.fromkeys(notes), *_notes_on_ties(card, suite)]


def _notes_on_ties(card: Scorecard, suite: Suite) -> List[str]:
    """Which boards show no error bars of an entry, why, and what that means where scores are equal.

    Boards that lack the same share a sentence.
    """
    splits: Dict[Tuple[str, str], List[str]] = {}
    for split, board, cells in _rows(card, suite):
        missing = [dataset.label(metric) for dataset, metric, score in cells if score is None]
        bare = [
            dataset.label(metric)
            for dataset, metric, score in cells
            if score is not None and score.standard_error is None
        ]
        lacking = _said_of(missing, "is", "are", "missing")
        lacking += _said_of(bare, "has", "have", "no error bar")
        if lacking:
            _, ranking = suite.ranking(board)
            place = "first" if ranking.higher_is_better() else "last"
            splits.setdefault((" and ".join(lacking), place), []).append(split)
    return [
        f"{', '.join(names)}: EvalAI shows no error bars of this entry there, because {lacking}; "
        f"among equal scores it is placed {place}"
        for (lacking, place), names in splits.items()
    ]


def _said_of(labels: List[str], one: str, many: str, what: str) -> List[str]:
    """``a is missing`` or ``a, b are missing``; nothing of none."""
    return [f"{', '.join(labels)} {one if len(labels) == 1 else many} {what}"] if labels else []
