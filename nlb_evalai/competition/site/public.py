"""Who is shown, and under which name: what a site and a report tell of an award."""

from __future__ import annotations

import hashlib
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from evaluation_script.leaderboard import shown
from evaluation_script.suites import Phase
from nlb_evalai.competition.award.decide import ranked_in_private
from nlb_evalai.competition.award.export import has_email
from nlb_evalai.competition.site.model import MOST_OF_NAME, Point, text_of
from nlb_evalai.competition.store import StoredSubmission


class Names:
    """Public names of entries and teams; a team has one name in all that counts."""

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self._entries = {one["id"]: one for one in entries}
        self._public = {one["team"] for one in entries if one["counts"] and not one["private"]}
        private = {one["team"] for one in entries if one["private"]}
        # An order that tells nothing about the names.
        ordered = sorted(private, key=lambda team: hashlib.sha256(team.encode()).hexdigest())
        self._anonymous = {team: f"Anonymous {i}" for i, team in enumerate(ordered, start=1)}

    def of_entry(self, entry: str) -> str:
        """The team's name, or a made-up one if the entry is private."""
        one = self._entries[entry]
        return self._anonymous[one["team"]] if one["private"] else _shown(one["team"])

    def of_team(self, team: str) -> str:
        """The team's name, or a made-up one if no entry that counts is public."""
        return _shown(team) if self.is_public(team) else self._anonymous[team]

    def is_public(self, team: str) -> bool:
        """Whether an entry that counts is shown under the team's name."""
        return team in self._public


def _shown(team: str) -> str:
    return text_of(team, MOST_OF_NAME)


def public_entries(
    award: Optional[Mapping[str, Any]], stored: Iterable[str]
) -> List[Dict[str, Any]]:
    """The entries of an award, or of a store without one; ``private`` says who is anonymous.

    All of a team's entries that count are private if it has a rank by a private one: average ranks
    and judges' scores tie a team's ranks together, so a name on one is one on all. An e-mail
    address is not for everyone, even as a team's name.
    """
    entries = [_plain_entry(name) for name in stored]
    if award is not None:
        veiled = ranked_in_private(award["entries"], award["rankings"])
        entries = [
            {**one, "private": one["private"] or (one["counts"] and one["team"] in veiled)}
            for one in award["entries"]
        ]
    return [{**one, "private": one["private"] or has_email(one["team"])} for one in entries]


def _plain_entry(name: str) -> Dict[str, Any]:
    texts = dict.fromkeys(("method", "description", "publication", "project"), "")
    flags = {"counts": True, "private": False, "hidden": False, "code_released": None}
    facts: Dict[str, Any] = {"reasons": [], "submitted_at": None}
    return {"id": name, "team": name, "store_name": name, **facts, **texts, **flags}


def short(reasons: Sequence[str]) -> str:
    """Reasons without their details: a word each."""
    return ", ".join(text_of(reason).split(":")[0] for reason in reasons)


def fronts(
    pareto: Mapping[str, List[Dict[str, Any]]], names: Names, phase: Phase
) -> Dict[str, Tuple[Point, ...]]:
    """The judged teams of each dataset that has some, under their public names."""
    return {
        dataset: tuple(
            Point(
                names.of_team(row["team"]),
                shown(row["accuracy"], phase),
                round(row["interpretability"], 4),
                tuple(names.of_team(team) for team in row["dominated_by"]),
            )
            for row in rows
        )
        for dataset, rows in pareto.items()
        if rows
    }


def provenance(stored: Sequence[StoredSubmission]) -> Dict[str, Any]:
    """What was scored, on which truth, by which rules, with which software."""
    scored = [one for one in stored if one.is_scored]

    def distinct(values: Iterable[Any]) -> List[str]:
        return sorted({str(value) for value in values if value})

    versions = [one.receipt.get("versions", {}) for one in scored]
    return {
        "scored": len(scored),
        "failed": len(stored) - len(scored),
        "truths": distinct(one.truth_sha256 for one in scored),
        "rules_versions": distinct(one.rules_version for one in scored),
        "software": {
            name: ", ".join(distinct(found.get(name) for found in versions))
            for name in ("python", "numpy", "h5py", "hdf5")
        },
    }
