"""Each dataset's ranking: a team's best entry, its lead over the next, and the Pareto front."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from evaluation_script.suites import Dataset
from nlb_evalai.competition.award.ranking import competition_ranks, dominators
from nlb_evalai.competition.award.rulebook import Rulebook
from nlb_evalai.competition.award.standing import Standing
from nlb_evalai.competition.store import Store, StoredSubmission
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
    if rules.metric is not rules.suite.ranked_by or first.stored is None or second.stored is None:
        return None  # the store has the terms of that metric alone
    by_block = rules.lead_level is not None  # earlier rules leave out single trials everywhere
    group = rules.suite.dataset(dataset), rules.bin_width_ms
    return stored_difference(store, *group, first.stored, second.stored, by_block)


def stored_difference(
    store: Store,
    dataset: Dataset,
    bin_width_ms: int,
    first: StoredSubmission,
    second: StoredSubmission,
    by_block: bool = True,
) -> Optional[Difference]:
    """The difference of two submissions in the likelihood that ranks, paired by trial.

    Parameters
    ----------
    by_block : bool
        Whether blocks of trials are left out where the dataset's trials follow each other in time.

    Returns
    -------
    Difference or None
        None where there is nothing to pair: another truth, or no score.
    """
    if first.truth_sha256 != second.truth_sha256:
        return None
    one, other = (store.trials(each.row_id, dataset.name, bin_width_ms) for each in (first, second))
    if one is None or other is None:
        return None
    starts = dataset.block_starts(len(one[1])) if by_block else None
    return paired_likelihoods(one[0], other[0], one[1], starts)


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
