"""Scores -> what Codabench reads: ``scores.json``, and a page for the participant."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from evaluation_script.errors import SubmissionError
from evaluation_script.scorecard import Scorecard
from evaluation_script.suites import Suite

from .columns import Column, columns

SCORES_NAME = "scores.json"
PAGE_NAME = "detailed_results.html"
#: Codabench stores numbers below it
MOST = 1e10

Values = List[Tuple[Column, Optional[float]]]


def scores_of(card: Scorecard, suite: Suite, board: Optional[str]) -> Dict[str, float]:
    """Column key -> the number that its column shows.

    Parameters
    ----------
    board : str, optional
        The one board that the phase is for; all of them if left out.

    Raises
    ------
    SubmissionError
        If a score is missing that would be placed first for it, or a number is too large to store.
    """
    found = [(column, column.value(card, suite)) for column in columns(suite, board)]
    problems = _missing(found, card, suite, board)
    problems += [
        f"{column.title}: found {value:.3g}, expected a number of less than {MOST:.0e}, which is "
        "what the leaderboard can store"
        for column, value in found
        if value is not None and not (math.isfinite(value) and abs(value) < MOST)
    ]
    if problems:
        raise SubmissionError(problems)
    return {column.key: value for column, value in found if value is not None}


def _missing(found: Values, card: Scorecard, suite: Suite, board: Optional[str]) -> List[str]:
    """Every score that an entry of this phase must have and has not."""
    asked = "complete submissions only"
    if board is not None:
        asked = f"submissions with all of {suite.board_title(board)} only"
    why = f"this phase takes {asked}, as a missing score would be placed first"
    problems: Dict[str, None] = {}
    for column, value in found:
        if value is not None or not column.needed or len(column.datasets) > 1:
            continue
        (name,) = column.groups(suite)
        group = card.groups.get(name)
        if group is None:
            problems[f"{name}: found nothing, expected it: {why}"] = None
        else:
            key = column.metric.key
            reason = group.left_out.get(key, "it is undefined")
            problems[f"{name}: {key} has no score: {reason}; {why}"] = None
    return list(problems)


def write(folder: Path, scores: Dict[str, float], page: str) -> None:
    """Write the page, then the scores, each under its name only when it is whole."""
    _write(folder / PAGE_NAME, page)
    _write(folder / SCORES_NAME, json.dumps(scores, indent=1, allow_nan=False) + "\n")


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
