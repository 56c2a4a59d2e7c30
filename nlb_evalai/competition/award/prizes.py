"""Prizes for the best rank, and for the best average rank, each with its reasons."""

from __future__ import annotations

from datetime import datetime, timezone
from fractions import Fraction
from typing import Any, Dict, List, Mapping, Sequence

from evaluation_script.text import plural
from nlb_evalai.competition.award.ranking import (
    average_ranks,
    competition_ranks,
    shares,
    to_the_cent,
)
from nlb_evalai.competition.award.ranks import P_VALUE_DECIMALS
from nlb_evalai.competition.award.rulebook import (
    COMPLETE_TEAMS,
    EARLIEST_ENTRY,
    RankPrize,
    Rulebook,
)
from nlb_evalai.competition.award.standing import Standing

Row = Dict[str, Any]


def earliest_first(standing: Sequence[Standing]) -> List[str]:
    """The teams by when their first entry that counts came; of equal times, by name."""
    never = datetime.max.replace(tzinfo=timezone.utc)
    first: Dict[str, datetime] = {}
    for one in standing:
        if one.counts:
            when = one.entry.submitted_at or never
            first[one.entry.team] = min(when, first.get(one.entry.team, when))
    return sorted(first, key=lambda team: (first[team], team))


def paid(
    won: Mapping[str, Fraction],
    entries: Mapping[str, Mapping[str, str]],
    rules: Rulebook,
    order: Sequence[str],
) -> List[Row]:
    """The winners of a prize, or of places that are shared, with what each gets."""
    if rules.odd_cents == EARLIEST_ENTRY:
        won = to_the_cent(won, order)
    return [
        {"team": team, "usd": round(float(usd), 2), "entries": dict(entries.get(team, {}))}
        for team, usd in won.items()
    ]


def rank_prize(
    prize: RankPrize,
    rankings: Mapping[str, List[Row]],
    rules: Rulebook,
    order: Sequence[str],
) -> Row:
    """Who wins a prize, and why.

    Parameters
    ----------
    order : sequence of str
        The teams in the order in which odd cents go to them.
    """
    rows = {name: {row["team"]: row for row in rankings[name]} for name in prize.datasets}
    tables = _ranks(rows, rules)
    averages = average_ranks(tables)
    ranks = competition_ranks({t: float(a) for t, a in averages.items()}, highest_first=False)
    entries = {
        team: {dataset: ranked[team]["entry"] for dataset, ranked in rows.items()} for team in ranks
    }
    behind = {
        team: [name for name, ranked in rows.items() if not rules.can_win([ranked[team]["value"]])]
        for team in ranks
    }
    can_win = {team: float(averages[team]) for team in ranks if not behind[team]}
    won = shares(competition_ranks(can_win, highest_first=False), [prize.usd])
    single = len(prize.datasets) == 1
    if single:
        why = _why_single(rankings[prize.datasets[0]], won, rules)
    else:
        why = _why_average(averages, won, behind, rules)
    incomplete = {
        team: [name for name, ranked in rows.items() if team not in ranked]
        for team in sorted(set().union(*rows.values()))
        if team not in ranks
    }
    return {
        "key": prize.key,
        "title": prize.title,
        "usd": prize.usd,
        "kind": "rank" if single else "average rank",
        "datasets": list(prize.datasets),
        "winners": paid(won, entries, rules, order),
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


def mixed_number(number: Fraction) -> str:
    """An average rank as people write it: ``1 1/3``."""
    whole, rest = divmod(number, 1)
    if not rest:
        return str(whole)
    return f"{whole} {rest}" if whole else str(rest)


def _ranks(rows: Mapping[str, Mapping[str, Row]], rules: Rulebook) -> List[Dict[str, int]]:
    """Each dataset's ranks as they are averaged: teams that miss one may shift nobody's."""
    if rules.averages_among != COMPLETE_TEAMS:
        return [{team: int(row["rank"]) for team, row in one.items()} for one in rows.values()]
    complete = set.intersection(*(set(one) for one in rows.values()))
    return [
        competition_ranks(
            {team: float(row["value"]) for team, row in one.items() if team in complete},
            rules.metric.higher_is_better(),
        )
        for one in rows.values()
    ]


def _why_single(ranking: List[Row], won: Mapping[str, Fraction], rules: Rulebook) -> List[Row]:
    if not ranking:
        return [said("no entry counts: the prize is not given")]
    first = ranking[0]
    if not won:
        limit = f"no better than {rules.better_than:g}: the prize is not given"
        return [said(f"{{0}} is first with {{#0}}, {limit}", [first["team"]], [first["value"]])]
    teams = plural(len(ranking), "team")
    why = [said(f"rank 1 of {teams} with {{#0}}", numbers=[first["value"]])]
    if len(won) > 1:
        why.append(said(f"{len(won)} teams tie at full precision: the prize is split"))
    if len(won) == len(ranking):
        why.append(said("no other team to compare with"))
        return why
    following = ranking[len(won)]
    numbers = [abs(first["value"] - following["value"])]
    lead = ranking[len(won) - 1]["lead"]
    if lead is None or lead["standard_error"] is None:
        why.append(said("{#0} ahead of {0}", [following["team"]], numbers))
        return why
    tells = "a real lead" if lead["clear"] else "but the two cannot be told apart on these trials"
    if lead.get("p_value") is not None:
        count = plural(lead["entries"], "entry", "entries")
        p_value = f"= {lead['p_value']:.2g}" if lead["p_value"] else f"< 1e-{P_VALUE_DECIMALS}"
        tells += f" (p {p_value}, corrected for {count})"
    numbers.append(lead["standard_error"])
    why.append(said(f"{{#0}} ± {{#1}} ahead of {{0}}: {tells}", [following["team"]], numbers))
    return why


def _why_average(
    averages: Mapping[str, Fraction],
    won: Mapping[str, Fraction],
    behind: Mapping[str, Sequence[str]],
    rules: Rulebook,
) -> List[Row]:
    if not averages:
        return [said("no team has an entry that counts on every dataset: the prize is not given")]
    why = []
    best = min((averages[team] for team in won), default=None)
    if best is not None:
        among = f"{len(averages)} with all datasets"
        why.append(said(f"best average rank, {mixed_number(best)}, of {among}"))
    if len(won) > 1:
        why.append(said(f"{len(won)} teams tie: the prize is split"))
    others = {team: one for team, one in averages.items() if team not in won and not behind[team]}
    if others and best is not None:
        team = min(others, key=lambda name: (others[name], name))
        ahead = mixed_number(others[team] - best)
        why.append(said(f"{ahead} ahead of {{0}} with {mixed_number(others[team])}", [team]))
    for team, datasets in behind.items():
        if datasets and (best is None or averages[team] <= best):
            average = f"{{0}} with {mixed_number(averages[team])} cannot win"
            limit = f"no better than {rules.better_than:g} on {', '.join(datasets)}"
            why.append(said(f"{average}: {limit}", [team]))
    if best is None:
        why.append(said("nobody can win: the prize is not given"))
    return why


def said(sentence: str, teams: Sequence[str] = (), numbers: Sequence[float] = ()) -> Row:
    """A reason; see :func:`nlb_evalai.competition.award.explain.sentence`."""
    return {"text": sentence, "teams": list(teams), "numbers": list(numbers)}
