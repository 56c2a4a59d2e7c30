"""The judges' places: who is left out, whose scores compare with whose, and who wins what."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Set, Tuple

from evaluation_script.text import printable
from nlb_evalai.competition.award.decisions import JudgesScores
from nlb_evalai.competition.award.prizes import paid, said
from nlb_evalai.competition.award.ranking import competition_ranks, judged, shares
from nlb_evalai.competition.award.rulebook import (
    DISJOINT_PANELS,
    LONE_JUDGMENTS,
    Judging,
    Rulebook,
    judges_key,
)
from nlb_evalai.competition.award.standing import Standing

Row = Dict[str, Any]


def decided(
    judging: Judging,
    standing: Sequence[Standing],
    scores: JudgesScores,
    warn_of: Sequence[str] = (),
) -> Tuple[Row, List[str]]:
    """The judges' order, and what is to be warned of.

    Teams that cannot win are left out before anything is averaged.
    """
    left_out: Dict[str, str] = {}
    for team in sorted({team for team, _, _ in scores}):
        own = [one for one in standing if one.entry.team == team]
        counting = [one for one in own if one.counts]
        if not counting:
            reasons = "; ".join(dict.fromkeys(r for one in own for r in one.reasons))
            left_out[team] = f"no entry that counts ({reasons})"
        elif not any(one.is_open for one in counting):
            left_out[team] = "no entry with a write-up or open code"
    warnings = [printable(f"judged, but left out: {team}: {why}") for team, why in left_out.items()]
    kept = {key: value for key, value in scores.items() if key[0] not in left_out}
    if LONE_JUDGMENTS in warn_of:
        warnings += _lone_judgments(kept)
    if DISJOINT_PANELS in warn_of:
        warnings += _disjoint_panels(kept)
    means = judged(kept)
    ranks = competition_ranks({team: mean[""] for team, mean in means.items()})
    result = {
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
    return result, warnings


def _lone_judgments(scores: JudgesScores) -> List[str]:
    """Judges' scores on a criterion that had no other team to be compared with."""
    seen: Dict[Tuple[str, str], List[str]] = {}
    for team, judge, criterion in sorted(scores):
        seen.setdefault((judge, criterion), []).append(team)
    alone: Dict[Tuple[str, str], List[str]] = {}
    for (judge, criterion), teams in seen.items():
        if len(teams) == 1:
            alone.setdefault((judge, teams[0]), []).append(criterion)
    return [
        f"judge {judge} scored {team} alone on {', '.join(criteria)}: with nothing to compare "
        "it counts as 0, the mean"
        for (judge, team), criteria in alone.items()
    ]


def _disjoint_panels(scores: JudgesScores) -> List[str]:
    """Groups of teams that no judge compared with each other."""
    panels: List[Tuple[Set[str], Set[str]]] = []
    for judge in sorted({judge for _, judge, _ in scores}):
        teams, judges = {team for team, other, _ in scores if other == judge}, {judge}
        for panel in [one for one in panels if one[0] & teams]:
            panels.remove(panel)
            teams, judges = teams | panel[0], judges | panel[1]
        panels.append((teams, judges))
    if len(panels) < 2:
        return []
    said_of = "; ".join(
        f"{', '.join(sorted(teams))} by {', '.join(sorted(judges))}" for teams, judges in panels
    )
    return [
        f"judges' panels have no team in common, so nobody compared their teams: {said_of}; the "
        "places between them rest on how each panel spread its scores"
    ]


def judged_prizes(
    judging: Judging, table: Mapping[str, Any], rules: Rulebook, order: Sequence[str]
) -> List[Row]:
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
        why = [said(f"place {rank} of {len(ranks)} with {totals[next(iter(tied))]:+.4f}")]
        if len(tied) > 1:
            why.append(said(f"{len(tied)} teams tie: they share the prizes of their places"))
        if rest:
            ahead = totals[next(iter(tied))] - totals[rest[0]]
            why.append(said(f"{ahead:.4f} ahead of {{0}}", [rest[0]]))
        rows.append(
            {
                "key": judges_key(rank),
                "title": titles,
                "usd": sum(place.usd for place in places),
                "kind": "judges",
                "datasets": [],
                "winners": paid(tied, {}, rules, order),
                "why": why,
                "table": [],
                "incomplete": {},
            }
        )
    for place, prize in enumerate(judging.prizes[len(ranks) :], start=len(ranks) + 1):
        rows.append(
            {
                "key": judges_key(place),
                "title": prize.title,
                "usd": prize.usd,
                "kind": "judges",
                "datasets": [],
                "winners": [],
                "why": [said(f"no judged team is left for place {place}: the prize is not given")],
                "table": [],
                "incomplete": {},
            }
        )
    return rows
