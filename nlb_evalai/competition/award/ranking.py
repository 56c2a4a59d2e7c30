"""Ranks, averages of ranks, shares of prizes, judges' scores, the Pareto front: pure functions."""

from __future__ import annotations

from fractions import Fraction
from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np

#: decimals of a judges' mean that count: beyond them is rounding, not opinion
_JUDGED_DECIMALS = 12


def competition_ranks(values: Mapping[str, float], highest_first: bool = True) -> Dict[str, int]:
    """Standard competition ranking (1, 2, 2, 4), at full precision, best first.

    Returns
    -------
    dict
        key -> 1 + how many are strictly better; in order of rank, then of key.
    """
    sign = -1 if highest_first else 1
    ordered = sorted(values, key=lambda key: (sign * values[key], key))
    ranks: Dict[str, int] = {}
    for place, key in enumerate(ordered, start=1):
        before = ordered[place - 2]
        tied = place > 1 and values[before] == values[key]
        ranks[key] = ranks[before] if tied else place
    return ranks


def average_ranks(ranks: Sequence[Mapping[str, int]]) -> Dict[str, Fraction]:
    """Average over datasets, exactly, for those that have a rank on every one."""
    if not ranks:
        return {}
    everywhere = set(ranks[0]).intersection(*ranks[1:])
    return {key: Fraction(sum(one[key] for one in ranks), len(ranks)) for key in sorted(everywhere)}


def shares(ranks: Mapping[str, int], prizes: Sequence[float]) -> Dict[str, Fraction]:
    """What each gets when the prizes of places 1, 2, … go by rank.

    Those who tie hold as many places as they are, and share those places' prizes equally: a
    single prize is split among the first.
    """
    won: Dict[str, Fraction] = {}
    for rank in sorted(set(ranks.values())):
        tied = [key for key in ranks if ranks[key] == rank]
        held = prizes[rank - 1 : rank - 1 + len(tied)]
        if held:
            amount = sum((Fraction(str(usd)) for usd in held), Fraction(0)) / len(tied)
            won.update(dict.fromkeys(tied, amount))
    return won


def to_the_cent(won: Mapping[str, Fraction], order: Sequence[str]) -> Dict[str, Fraction]:
    """Shares as whole cents with the sum that they had, by the largest remainder.

    Parameters
    ----------
    won : mapping
        key -> exact share in USD; the sum is a number of whole cents.
    order : sequence of str
        Of equal remainders, the cents that are over go to the keys that come first here.

    References
    ----------
    Balinski & Young 1982, Fair Representation, on Hamilton's method.
    """
    cents = {key: int(share * 100) for key, share in won.items()}
    over = int(sum(won.values()) * 100) - sum(cents.values())
    by_remainder = sorted(won, key=lambda key: (cents[key] - won[key] * 100, order.index(key)))
    for key in by_remainder[:over]:
        cents[key] += 1
    return {key: Fraction(number, 100) for key, number in cents.items()}


def judged(scores: Mapping[Tuple[str, str, str], float]) -> Dict[str, Dict[str, float]]:
    """Judges' scores, comparable between judges.

    Parameters
    ----------
    scores : mapping
        (team, judge, criterion) -> score.

    Returns
    -------
    dict
        team -> {criterion: mean over judges of the z-scores, ..., "": the team's total}. Each
        judge's scores on a criterion are z-scored over teams (population standard deviation; a
        judge who gives everyone the same counts as 0); the total is the mean over criteria,
        then over judges.
    """
    z: Dict[Tuple[str, str, str], float] = {}
    for judge, criterion in sorted({(judge, criterion) for _, judge, criterion in scores}):
        keys = [key for key in scores if key[1:] == (judge, criterion)]
        given = np.array([scores[key] for key in keys], float)
        constant = bool((given == given[0]).all())
        spread = 1.0 if constant else given.std()
        z.update(zip(keys, np.zeros(len(keys)) if constant else (given - given.mean()) / spread))
    result: Dict[str, Dict[str, float]] = {}
    for team in sorted({team for team, _, _ in scores}):
        by_judge: Dict[str, List[float]] = {}
        by_criterion: Dict[str, List[float]] = {}
        for (name, judge, criterion), value in z.items():
            if name == team:
                by_judge.setdefault(judge, []).append(value)
                by_criterion.setdefault(criterion, []).append(value)
        means = {criterion: _mean(values) for criterion, values in by_criterion.items()}
        means[""] = _mean([float(np.mean(values)) for values in by_judge.values()])
        result[team] = means
    return result


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), _JUDGED_DECIMALS) + 0.0


def dominators(points: Mapping[str, Tuple[float, float]]) -> Dict[str, List[str]]:
    """Who dominates whom: at least as good on both axes, better on one.

    Returns
    -------
    dict
        key -> the keys that dominate it; those that nobody dominates are the Pareto front.
    """
    return {
        key: [
            other
            for other, (a, b) in points.items()
            if a >= point[0] and b >= point[1] and (a, b) != tuple(point)
        ]
        for key, point in points.items()
    }
