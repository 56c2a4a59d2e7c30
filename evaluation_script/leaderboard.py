"""Scores -> what EvalAI posts, and what the participant reads."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Tuple

from .scorecard import GroupScores, Score, Scorecard
from .suites import Dataset, MetricType, Phase, Suite
from .text import plural

SUBMISSION_RESULT_SCHEMA = "nlb-evalai/submission-result/1"


def shown(value: float, phase: Phase) -> float:
    """A number as the phase shows it: rounded where full precision would tell the truth."""
    if phase.score_decimals is None:
        return float(value)
    return float(round(value, phase.score_decimals))


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
    phase = suite.phase(card.phase)
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
    phase = suite.phase(card.phase)
    bars = []
    for split, _, cells in _rows(card, suite):
        values = {
            f"error_{dataset.label(metric)}": shown(score.standard_error, phase)
            for dataset, metric, score in cells
            if score is not None and score.standard_error is not None
        }
        if len(values) == len(cells):
            bars.append({split: values})
    return bars


def submission_result(card: Scorecard, suite: Suite) -> Dict[str, Any]:
    """What the participant can download: scores by dataset, and every remark in words."""
    phase = suite.phase(card.phase)
    return {
        "schema": SUBMISSION_RESULT_SCHEMA,
        "suite": card.suite,
        "rules_version": suite.rules_version,
        "phase": card.phase,
        "scores": {name: _scores(group, phase) for name, group in card.groups.items()},
        "left_out": {
            name: dict(group.left_out) for name, group in card.groups.items() if group.left_out
        },
        "notes": list(card.notes),
    }


def _scores(group: GroupScores, phase: Phase) -> Dict[str, Dict[str, Optional[float]]]:
    return {
        key: {
            "value": shown(score.value, phase),
            "standard_error": None
            if score.standard_error is None
            else shown(score.standard_error, phase),
        }
        for key, score in group.scores.items()
    }


def text(card: Scorecard, suite: Suite) -> str:
    """The same in brief, for stdout."""
    phase = suite.phase(card.phase)
    decimals = 4 if phase.score_decimals is None else phase.score_decimals
    groups = card.groups.values()
    lines = [f"{suite.title}, phase {card.phase}: {plural(len(groups), 'group')} scored"]
    for group in groups:
        scores = "  ".join(
            f"{key} {shown(score.value, phase):.{decimals}f}" for key, score in group.scores.items()
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
    return list(dict.fromkeys(notes))
