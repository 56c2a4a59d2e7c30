"""Ranks, prizes, leads and the Pareto front of a whole competition, as plain JSON values.

The layout of the result is ``award-1.json``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set

from nlb_evalai.competition.award import judging as panel
from nlb_evalai.competition.award.decisions import JudgesScores, Override
from nlb_evalai.competition.award.export import Entry
from nlb_evalai.competition.award.oddities import oddities
from nlb_evalai.competition.award.prizes import earliest_first, rank_prize
from nlb_evalai.competition.award.ranks import fronts_of, ranking_of
from nlb_evalai.competition.award.rulebook import Rulebook
from nlb_evalai.competition.award.standing import Standing, match, standings
from nlb_evalai.competition.store import Store, StoredSubmission

AWARD_SCHEMA = "nlb-evalai/award/1"
Row = Dict[str, Any]


def make_award(
    store: Store,
    rules: Rulebook,
    entries: Sequence[Entry],
    overrides: Sequence[Override] = (),
    judges: Optional[JudgesScores] = None,
    visibility: Mapping[str, bool] = MappingProxyType({}),
) -> Dict[str, Any]:
    """Decide everything.

    Parameters
    ----------
    visibility : mapping
        Entry id -> whether it is private; an override goes before it.

    Returns
    -------
    dict
        ``rules``, ``warnings``, ``entries``, ``rankings`` (by dataset), ``prizes``, ``judging``,
        ``pareto`` (by dataset), and ``unlisted`` where there are entries of unknown visibility.
    """
    standing, warnings = standings(store, rules, entries, overrides, visibility)
    warnings += oddities(rules, standing)
    rankings = {name: ranking_of(store, rules, standing, name) for name in rules.datasets()}
    shown = [_entry(one) for one in standing]
    public = {one["team"] for one in shown if one["counts"] and not one["private"]}
    warnings += [
        f"team {team!r} has a rank by a private entry: anonymous in the report in all that "
        "counts, its public entries too"
        for team in sorted(public & ranked_in_private(shown, rankings))
    ]
    order = earliest_first(standing)
    prizes = [rank_prize(prize, rankings, rules, order) for prize in rules.prizes]
    judging: Optional[Row] = None
    if rules.judging is not None and judges is not None:
        judging, more = panel.decided(rules.judging, standing, judges, rules.warn_of)
        warnings += more
        prizes += panel.judged_prizes(rules.judging, judging, rules, order)
    level = {} if rules.lead_level is None else {"lead_level": rules.lead_level}
    unlisted = [one.entry.id for one in standing if one.is_unlisted]
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
            **level,
        },
        "warnings": warnings,
        "entries": shown,
        "rankings": rankings,
        "prizes": prizes,
        "judging": judging,
        "pareto": {} if judging is None else fronts_of(rules, judging, rankings),
        **({"unlisted": unlisted} if unlisted else {}),
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
