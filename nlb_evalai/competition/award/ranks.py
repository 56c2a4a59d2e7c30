"""Each dataset's ranking: a team's best entry, its lead over the next, and the Pareto front."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from nlb_evalai.competition.award.ranking import competition_ranks, dominators
from nlb_evalai.competition.award.rulebook import Rulebook
from nlb_evalai.competition.award.standing import Standing
from nlb_evalai.competition.store import Store
from nlb_evalai.paired import TELL_APART_Z, Difference, lead_p_value, paired_likelihoods

Row = Dict[str, Any]
#: of a p-value that are shown; what is below them is rounding
P_VALUE_DECIMALS = 12


def ranking_of(
    store: Store, rules: Rulebook, standing: Sequence[Standing], dataset: str
) -> List[Row]:
    """Each team's best entry that counts, ranked, with its lead over the next team."""
    ranked: Dict[str, List[Standing]] = {}
    for one in standing:
        if one.counts and _value(one, rules, dataset) is not None:
            ranked.setdefault(one.entry.team, []).append(one)
    best = {team: _best(own, rules, dataset) for team, own in ranked.items()}
    values = {team: _value(one, rules, dataset) or 0.0 for team, one in best.items()}
    ranks = competition_ranks(values, rules.metric.higher_is_better())
    rows: List[Row] = []
    for team, following in zip(ranks, [*list(ranks)[1:], None]):
        one = best[team]
        lead = None
        if following is not None:
            lead = _lead(store, rules, dataset, one, best[following], ranked)
        rows.append(
            {
                "rank": ranks[team],
                "team": team,
                "entry": one.entry.id,
                "value": values[team],
                "standard_error": one.scores[_key(rules, dataset)].standard_error,
                "lead": lead,
            }
        )
    return rows


def _key(rules: Rulebook, dataset: str) -> Any:
    return dataset, rules.bin_width_ms, rules.metric.key


def _value(one: Standing, rules: Rulebook, dataset: str) -> Optional[float]:
    return one.value(*_key(rules, dataset))


def _best(own: Sequence[Standing], rules: Rulebook, dataset: str) -> Standing:
    """The entry with the best score; of equal ones the first."""
    choose = max if rules.metric.higher_is_better() else min
    return choose(own, key=lambda one: _value(one, rules, dataset) or 0.0)


def _lead(
    store: Store,
    rules: Rulebook,
    dataset: str,
    first: Standing,
    second: Standing,
    ranked: Mapping[str, Sequence[Standing]],
) -> Optional[Row]:
    """How far the entry of a team is ahead of the next team's, and whether that is real."""
    lead = _difference(store, rules, dataset, first, second)
    if lead is None:
        return None
    found: Row = {
        "over": second.entry.team,
        "difference": lead.difference,
        "standard_error": lead.standard_error,
    }
    if rules.lead_level is None:
        error = lead.standard_error
        clear = error is not None and abs(lead.difference) > TELL_APART_Z * error
        return {**found, "clear": clear}
    others = ranked[second.entry.team]
    over = [_difference(store, rules, dataset, first, other) for other in others]
    # a file that was sent twice is one chance, not two
    chances = {one.stored.submission_sha256 for one in ranked[first.entry.team] if one.stored}
    known = [one for one in over if one is not None]
    p_value = lead_p_value(known, len(chances)) if len(known) == len(over) else None
    clear = p_value is not None and p_value <= rules.lead_level
    shown = None if p_value is None else round(p_value, P_VALUE_DECIMALS)
    return {**found, "clear": clear, "p_value": shown, "entries": len(chances)}


def _difference(
    store: Store, rules: Rulebook, dataset: str, first: Standing, second: Standing
) -> Optional[Difference]:
    a, b = first.stored, second.stored
    if rules.metric is not rules.suite.ranked_by or a is None or b is None:
        return None  # the store has the terms of that metric alone
    if a.truth_sha256 != b.truth_sha256:
        return None  # other trials: nothing to pair
    trials = [store.trials(one.row_id, dataset, rules.bin_width_ms) for one in (a, b)]
    if trials[0] is None or trials[1] is None:
        return None
    return paired_likelihoods(trials[0][0], trials[1][0], trials[0][1])


def fronts_of(
    rules: Rulebook, judging: Mapping[str, Any], rankings: Mapping[str, List[Row]]
) -> Dict[str, List[Row]]:
    """Accuracy against interpretability, for the judged teams of each dataset."""
    seen = {
        row["team"]: row["criteria"][judging["interpretability"]]
        for row in judging["table"]
        if row["criteria"][judging["interpretability"]] is not None
    }
    fronts: Dict[str, List[Row]] = {}
    for dataset, ranking in rankings.items():
        rows = [row for row in ranking if row["team"] in seen]
        sign = 1 if rules.metric.higher_is_better() else -1
        points = {
            row["team"]: (sign * float(row["value"]), float(seen[row["team"]])) for row in rows
        }
        beaten = dominators(points)
        if rows:
            fronts[dataset] = [
                {
                    "team": row["team"],
                    "entry": row["entry"],
                    "accuracy": row["value"],
                    "interpretability": seen[row["team"]],
                    "dominated_by": beaten[row["team"]],
                }
                for row in rows
            ]
    return fronts
