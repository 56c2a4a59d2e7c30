"""Leaderboards as EvalAI shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping

from nlb_evalai.challenge.evalai.config import PhaseSplit
from nlb_evalai.challenge.evalai.replica.output import scores_of


@dataclass(frozen=True)
class BoardRow:
    """A team's row; a label without a score is missing from ``scores``."""

    rank: int
    team: str
    scores: Dict[str, float]
    #: EvalAI has no score under the default label, and takes 0 for it
    ranked_as_zero: bool


def board_rows(split: PhaseSplit, outputs: Mapping[str, Any]) -> List[BoardRow]:
    """The rows of one leaderboard, best first.

    Parameters
    ----------
    split : PhaseSplit
    outputs : mapping
        Team -> what ``evaluate`` returned for its submission to this phase.
    """
    order = split.leaderboard.default_order_by
    found = []
    for team, output in outputs.items():
        scores = scores_of(output, split.split)
        if scores is not None:
            found.append((team, scores))
    found.sort(key=lambda entry: entry[1].get(order, 0.0), reverse=split.descending)
    return [
        BoardRow(rank, team, scores, order not in scores)
        for rank, (team, scores) in enumerate(found, start=1)
    ]
