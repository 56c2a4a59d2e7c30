"""Ranks, prizes, leads and the Pareto front of a whole competition, as plain JSON values.

The layout of the result is ``award-1.json``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from evaluation_script.text import plural, printable
from nlb_evalai.competition.award.decisions import JudgesScores, Override
from nlb_evalai.competition.award.export import Entry
from nlb_evalai.competition.award.ranking import (
    average_ranks,
    competition_ranks,
    dominators,
    judged,
    shares,
)
from nlb_evalai.competition.award.rulebook import Judging, RankPrize, Rulebook
from nlb_evalai.competition.award.standing import Standing, match, standings
from nlb_evalai.competition.store import Store, StoredSubmission
from nlb_evalai.paired import Difference, paired_likelihoods

AWARD_SCHEMA = "nlb-evalai/award/1"
#: standard errors; two-sided 95 %
_TELL_APART_Z = 1.96
Row = Dict[str, Any]


def make_award(
    store: Store,
    rules: Rulebook,
    entries: Sequence[Entry],
    overrides: Sequence[Override] = (),
    judges: Optional[JudgesScores] = None,
) -> Dict[str, Any]:
    """Decide everything.

    Returns
    -------
    dict
        ``rules``, ``warnings``, ``entries``, ``rankings`` (by dataset), ``prizes``, ``judging``
        and ``pareto`` (by dataset).
    """
    standing, warnings = standings(store, rules, entries, overrides)
    rankings = {name: _ranking(store, rules, standing, name) for name in rules.datasets()}
    shown = [_entry(one) for one in standing]
    public = {one["team"] for one in shown if one["counts"] and not one["private"]}
    warnings += [
        f"team {team!r} has a rank by a private entry: anonymous in the report in all that "
        "counts, its public entries too"
        for team in sorted(public & ranked_in_private(shown, rankings))
    ]
    prizes = [_rank_prize(prize, rankings) for prize in rules.prizes]
    judging: Optional[Row] = None
    if rules.judging is not None and judges is not None:
        judging = _judging(rules.judging, standing, judges)
        warnings += [
            printable(f"judged, but left out: {team}: {why}")
            for team, why in judging["left_out"].items()
        ]
        prizes += _judged_prizes(rules.judging, judging)
    return {
        "schema": AWARD_SCHEMA,
        "rules": {
            "name": rules.name,
            "version": rules.version,
            "title": rules.title,
            "suite": rules.suite.name,
            "phase": rules.phase,
            "deadline": rules.deadline_text,
            "metric": rules.metric.key,
            "bin_width_ms": rules.bin_width_ms,
            "not_counting": list(rules.not_counting),
        },
        "warnings": warnings,
        "entries": shown,
        "rankings": rankings,
        "prizes": prizes,
        "judging": judging,
        "pareto": {} if judging is None else _pareto(rules, judging, rankings),
    }


def _entry(one: Standing) -> Row:
    entry = one.entry
    return {
        "id": entry.id,
        "team": entry.team,
        "method": entry.method,
        "description": entry.description,
        "publication": entry.publication,
        "project": entry.project,
        "submitted_at": entry.submitted_at and entry.submitted_at.isoformat(),
        "store_name": one.stored.name if one.stored else None,
        "scored": _scored(one.stored),
        "counts": one.counts,
        "reasons": one.reasons,
        "remarks": one.remarks,
        "private": one.is_private,
        "hidden": one.is_hidden,
        "code_released": one.code_released,
    }


def _scored(stored: Optional[StoredSubmission]) -> Optional[Row]:
    """What an entry's scores were computed from, if it has any."""
    if stored is None or not stored.is_scored:
        return None
    keys = ("submission_sha256", "truth_sha256", "rules_version")
    return {key: getattr(stored, key) for key in keys}


def changed_since(store: Store, award: Mapping[str, Any]) -> List[str]:
    """The entries whose scores in the store are no longer those that were awarded."""
    rules = award["rules"]
    stored = store.current(rules["phase"])
    names, _ = match([one["id"] for one in award["entries"]], list(stored))
    ranked: Dict[str, Dict[str, float]] = {}
    for dataset, ranking in award["rankings"].items():
        for row in ranking:
            ranked.setdefault(row["entry"], {})[dataset] = row["value"]
    changed = []
    for one in award["entries"]:
        name = names.get(one["id"])
        now = stored[name] if name is not None else None
        same = name == one["store_name"] and _scored(now) == one["scored"]
        if same and now is not None and one["id"] in ranked:
            values = {
                score.dataset: score.value
                for score in store.scores(now.row_id)
                if (score.bin_width_ms, score.metric) == (rules["bin_width_ms"], rules["metric"])
            }
            same = all(values.get(name) == was for name, was in ranked[one["id"]].items())
        if not same:
            changed.append(one["id"])
    return changed


def ranked_in_private(entries: Sequence[Row], rankings: Mapping[str, List[Row]]) -> Set[str]:
    """The teams that have a rank by a private entry."""
    ranked = {row["entry"] for ranking in rankings.values() for row in ranking}
    return {one["team"] for one in entries if one["private"] and one["id"] in ranked}


# ---- ranks ------------------------------------------------------------------------------------


def _ranking(
    store: Store, rules: Rulebook, standing: Sequence[Standing], dataset: str
) -> List[Row]:
    """Each team's best counting entry, ranked, with its lead over the next."""
    best: Dict[str, Tuple[float, Standing]] = {}
    for one in standing:
        value = one.value(dataset, rules.bin_width_ms, rules.metric.key)
        if not one.counts or value is None:
            continue
        team = one.entry.team
        if team not in best or _is_better(value, best[team][0], rules):
            best[team] = (value, one)
    ranks = competition_ranks(
        {team: value for team, (value, _) in best.items()}, rules.metric.higher_is_better()
    )
    rows: List[Row] = []
    for team, rank in ranks.items():
        value, one = best[team]
        score = one.scores[dataset, rules.bin_width_ms, rules.metric.key]
        rows.append(
            {
                "rank": rank,
                "team": team,
                "entry": one.entry.id,
                "value": value,
                "standard_error": score.standard_error,
                "lead": None,
            }
        )
    chosen = [best[row["team"]][1] for row in rows]
    for row, one, following in zip(rows, chosen, chosen[1:]):
        lead = _lead(store, rules, one, following, dataset)
        if lead is not None:
            error = lead.standard_error
            row["lead"] = {
                "over": following.entry.team,
                "difference": lead.difference,
                "standard_error": error,
                "clear": error is not None and abs(lead.difference) > _TELL_APART_Z * error,
            }
    return rows


def _is_better(value: float, than: float, rules: Rulebook) -> bool:
    return value > than if rules.metric.higher_is_better() else value < than


def _lead(
    store: Store, rules: Rulebook, first: Standing, second: Standing, dataset: str
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


# ---- prizes -----------------------------------------------------------------------------------


def _rank_prize(prize: RankPrize, rankings: Mapping[str, List[Row]]) -> Row:
    tables = [
        {row["team"]: int(row["rank"]) for row in rankings[dataset]} for dataset in prize.datasets
    ]
    averages = average_ranks(tables)
    ranks = competition_ranks({t: float(a) for t, a in averages.items()}, highest_first=False)
    won = shares(ranks, [prize.usd])
    entries = {
        team: {
            dataset: next(row["entry"] for row in rankings[dataset] if row["team"] == team)
            for dataset in prize.datasets
        }
        for team in ranks
    }
    single = len(prize.datasets) == 1
    why = _why_single(rankings[prize.datasets[0]], won) if single else _why_average(averages, won)
    incomplete = {
        team: [name for name, one in zip(prize.datasets, tables) if team not in one]
        for team in sorted(set().union(*tables))
        if team not in ranks
    }
    return {
        "key": prize.key,
        "title": prize.title,
        "usd": prize.usd,
        "kind": "rank" if single else "average rank",
        "datasets": list(prize.datasets),
        "winners": _winners(won, entries),
        "why": why,
        "table": [
            {
                "rank": rank,
                "team": team,
                "average": mixed_number(averages[team]),
                "ranks": {name: one[team] for name, one in zip(prize.datasets, tables)},
                "entries": entries[team],
            }
            for team, rank in ranks.items()
        ],
        "incomplete": incomplete,
    }


def _winners(won: Mapping[str, Fraction], entries: Mapping[str, Mapping[str, str]]) -> List[Row]:
    return [
        {"team": team, "usd": round(float(usd), 2), "entries": dict(entries.get(team, {}))}
        for team, usd in won.items()
    ]


def mixed_number(number: Fraction) -> str:
    """An average rank as people write it: ``1 1/3``."""
    whole, rest = divmod(number, 1)
    if not rest:
        return str(whole)
    return f"{whole} {rest}" if whole else str(rest)


def _why_single(ranking: List[Row], won: Mapping[str, Fraction]) -> List[Row]:
    if not won:
        return [_said("no entry counts: the prize is not given")]
    first = ranking[0]
    teams = plural(len(ranking), "team")
    why = [_said(f"rank 1 of {teams} with {{#0}}", numbers=[first["value"]])]
    if len(won) > 1:
        why.append(_said(f"{len(won)} teams tie at full precision: the prize is split"))
    if len(won) == len(ranking):
        why.append(_said("no other team to compare with"))
        return why
    following = ranking[len(won)]
    numbers = [abs(first["value"] - following["value"])]
    lead = ranking[len(won) - 1]["lead"]
    if lead is None or lead["standard_error"] is None:
        why.append(_said("{#0} ahead of {0}", [following["team"]], numbers))
        return why
    tells = "a real lead" if lead["clear"] else "but the two cannot be told apart on these trials"
    numbers.append(lead["standard_error"])
    why.append(_said(f"{{#0}} ± {{#1}} ahead of {{0}}: {tells}", [following["team"]], numbers))
    return why


def _why_average(averages: Mapping[str, Fraction], won: Mapping[str, Fraction]) -> List[Row]:
    if not won:
        return [_said("no team has an entry that counts on every dataset: the prize is not given")]
    best = min(averages.values())
    why = [_said(f"best average rank, {mixed_number(best)}, of {len(averages)} with all datasets")]
    if len(won) > 1:
        why.append(_said(f"{len(won)} teams tie: the prize is split"))
    others = {team: average for team, average in averages.items() if team not in won}
    if others:
        team = min(others, key=lambda name: (others[name], name))
        ahead = mixed_number(others[team] - best)
        why.append(_said(f"{ahead} ahead of {{0}} with {mixed_number(others[team])}", [team]))
    return why


def _said(sentence: str, teams: Sequence[str] = (), numbers: Sequence[float] = ()) -> Row:
    """A reason; see :func:`nlb_evalai.competition.award.explain.sentence`."""
    return {"text": sentence, "teams": list(teams), "numbers": list(numbers)}


# ---- judges -----------------------------------------------------------------------------------


def _judging(judging: Judging, standing: Sequence[Standing], scores: JudgesScores) -> Row:
    """The judges' order; teams that cannot win are left out before anything is averaged."""
    left_out: Dict[str, str] = {}
    for team in sorted({team for team, _, _ in scores}):
        own = [one for one in standing if one.entry.team == team]
        counting = [one for one in own if one.counts]
        if not counting:
            reasons = "; ".join(dict.fromkeys(r for one in own for r in one.reasons))
            left_out[team] = f"no entry that counts ({reasons})"
        elif not any(one.is_open for one in counting):
            left_out[team] = "no entry with a write-up or open code"
    means = judged({key: value for key, value in scores.items() if key[0] not in left_out})
    ranks = competition_ranks({team: mean[""] for team, mean in means.items()})
    return {
        "criteria": list(judging.criteria),
        "interpretability": judging.interpretability,
        "judges": len({judge for _, judge, _ in scores}),
        "left_out": left_out,
        "table": [
            {
                "rank": rank,
                "team": team,
                "total": means[team][""],
                "criteria": {name: means[team].get(name) for name in judging.criteria},
            }
            for team, rank in ranks.items()
        ],
    }


def _judged_prizes(judging: Judging, table: Mapping[str, Any]) -> List[Row]:
    """One row for each place: those who tie share the places they hold."""
    ranks = {row["team"]: row["rank"] for row in table["table"]}
    totals = {row["team"]: row["total"] for row in table["table"]}
    won = shares(ranks, [prize.usd for prize in judging.prizes])
    rows: List[Row] = []
    for rank in sorted({ranks[team] for team in won}):
        tied = {team: usd for team, usd in won.items() if ranks[team] == rank}
        places = judging.prizes[rank - 1 : rank - 1 + len(tied)]
        titles = " and ".join(dict.fromkeys(place.title for place in places))
        rest = [team for team in ranks if ranks[team] > rank]
        why = [_said(f"place {rank} of {len(ranks)} with {totals[next(iter(tied))]:+.4f}")]
        if len(tied) > 1:
            why.append(_said(f"{len(tied)} teams tie: they share the prizes of their places"))
        if rest:
            ahead = totals[next(iter(tied))] - totals[rest[0]]
            why.append(_said(f"{ahead:.4f} ahead of {{0}}", [rest[0]]))
        rows.append(
            {
                "key": f"judges_{rank}",
                "title": titles,
                "usd": sum(place.usd for place in places),
                "kind": "judges",
                "datasets": [],
                "winners": _winners(tied, {}),
                "why": why,
                "table": [],
                "incomplete": {},
            }
        )
    for place, prize in enumerate(judging.prizes[len(ranks) :], start=len(ranks) + 1):
        rows.append(
            {
                "key": f"judges_{place}",
                "title": prize.title,
                "usd": prize.usd,
                "kind": "judges",
                "datasets": [],
                "winners": [],
                "why": [_said(f"no judged team is left for place {place}: the prize is not given")],
                "table": [],
                "incomplete": {},
            }
        )
    return rows


def _pareto(
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
