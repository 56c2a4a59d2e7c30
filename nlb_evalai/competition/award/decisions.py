"""What an export cannot say, from CSV files: overrides, visibility and judges' scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Dict, List, Mapping, Optional, Sequence, Tuple

from evaluation_script.text import did_you_mean, printable
from nlb_evalai.competition.award.export import Entry, without_email
from nlb_evalai.competition.award.rulebook import Judging
from nlb_evalai.tables import as_written, read_table

#: action -> what it says about an entry
ACTIONS: Mapping[str, str] = {
    "withdrawn": "the team withdrew it",
    "organizer": "organizers cannot win",
    "private": "shown without a name",
    "public": "shown with the team's name",
    "code released": "the code is, or will be, released",
    "code not released": "no commitment to release the code",
    "reproduced": "the organizers have run the code and reached the scores",
    "not reproduced": "the organizers have run the code and not reached the scores",
}


@dataclass(frozen=True)
class Override:
    """An organizer's word about an entry (by id) or all of a team's."""

    id: str
    team: str
    action: str
    reason: str


def read_overrides(path: Path, entries: Sequence[Entry]) -> Tuple[List[Override], List[str]]:
    """Read ``overrides.csv`` (id or team, action, reason); later rows win.

    Returns
    -------
    overrides, warnings

    Raises
    ------
    TableError
        For unknown ids, teams or actions, and rows without a reason; all at once.
    """
    columns = {"id": ("id",), "team": ("team", "Team Name"), "action": ("action",)}
    table = read_table(path, {**columns, "reason": ("reason",)}, ("action", "reason"))
    ids, teams = {entry.id for entry in entries}, {entry.team for entry in entries}
    overrides: List[Override] = []
    for line, row in table:
        override = Override(
            printable(row.get("id", "")),
            _known(row.get("team", ""), teams),
            " ".join(row["action"].casefold().replace("_", " ").split()),
            printable(without_email(row["reason"])),
        )
        if bool(override.id) == bool(override.team):
            table.problem(line, "expected either an id or a team")
        if override.id and override.id not in ids:
            table.problem(line, f"id {override.id!r} is not in the export")
        if override.team and override.team not in teams:
            near = did_you_mean(override.team, sorted(teams))
            table.problem(line, f"team {override.team!r} is not in the export{near}")
        if override.action not in ACTIONS:
            near = did_you_mean(override.action, ACTIONS)
            table.problem(
                line, f"action {row['action']!r}, expected one of {', '.join(ACTIONS)}{near}"
            )
        if not override.reason:
            table.problem(line, "reason is empty; it is published with the decision")
        overrides.append(override)
    table.finish()
    return overrides, table.warnings


def _known(team: str, teams: Collection[str]) -> str:
    """A team as the export has it, of its name as it is, or as a file of ours shows it."""
    shown = [printable(one) for one in (team, as_written(team))]
    return next((one for one in (team, *shown) if one in teams), team)


def read_visibility(path: Path, entries: Sequence[Entry]) -> Tuple[Dict[str, bool], List[str]]:
    """Read ``visibility.csv`` (id, visibility): entry id -> whether it is private; and warnings.

    Ids without a word are as good as not listed, so that a list to fill in can be given at any
    time; of ids that the export does not have, as those of other phases, a warning tells.

    Raises
    ------
    TableError
        For a word that is neither public nor private, an id given twice with both, and a file
        without any id of the export; all at once.
    """
    columns = {"id": ("id",), "visibility": ("visibility",)}
    table = read_table(path, columns, ("id", "visibility"))
    found: Dict[str, bool] = {}
    for line, row in table:
        name, word = printable(row["id"]), row["visibility"].casefold()
        if word not in ("public", "private", ""):
            table.problem(
                line, f"visibility: found {row['visibility']!r}, expected public or private"
            )
        elif word and found.setdefault(name, word == "private") != (word == "private"):
            table.problem(line, f"id {name} is both public and private")
    known = {one.id for one in entries}
    others = [name for name in found if name not in known]
    if len(others) == len(found) and others:
        table.problems.append("none of its ids is in the export")
    elif others:
        table.warn(f"ids that are not in the export: {', '.join(others)}")
    table.finish()
    return found, table.warnings


def latest(overrides: Sequence[Override], entry: Entry, *actions: str) -> Optional[Override]:
    """The last word on an entry among some actions; about the entry itself before its team."""
    fitting = [
        one
        for one in overrides
        if one.action in actions and (one.id == entry.id or (not one.id and one.team == entry.team))
    ]
    own = [one for one in fitting if one.id]
    said = own or fitting
    return said[-1] if said else None


#: (team, judge, criterion) -> score
JudgesScores = Dict[Tuple[str, str, str], float]


def read_judges(
    path: Path, judging: Judging, entries: Sequence[Entry]
) -> Tuple[JudgesScores, List[str]]:
    """Read ``judges.csv`` (team, judge, criterion, score).

    Returns
    -------
    scores, warnings

    Raises
    ------
    TableError
        For unknown teams or criteria, scores that are no numbers or out of range, and a team
        scored twice by a judge on one criterion; all at once.
    """
    names = ("team", "judge", "criterion", "score")
    table = read_table(path, {name: (name,) for name in names}, names)
    teams = sorted({entry.team for entry in entries})
    criteria = {name.casefold(): name for name in judging.criteria}
    scores: JudgesScores = {}
    for line, row in table:
        team, judge = _known(row["team"], teams), printable(row["judge"])
        criterion = criteria.get(row["criterion"].casefold(), row["criterion"])
        if team not in teams:
            near = did_you_mean(team, teams)
            table.problem(line, f"team {team!r} is not in the export{near}")
        if not judge:
            table.problem(line, "judge is empty")
        if criterion not in judging.criteria:
            near = did_you_mean(criterion, judging.criteria)
            known = ", ".join(judging.criteria)
            table.problem(line, f"criterion {criterion!r}, expected one of {known}{near}")
        try:
            score = float(row["score"])
        except ValueError:
            score = math.nan
        if not judging.lowest <= score <= judging.highest:
            table.problem(
                line,
                f"score: found {row['score']!r}, expected {judging.lowest:g} to "
                f"{judging.highest:g}",
            )
        if (team, judge, criterion) in scores:
            table.problem(line, f"{judge} scored {team!r} on {criterion} before")
        scores[team, judge, criterion] = score
    table.finish()
    judges = sorted({judge for _, judge, _ in scores})
    for team in sorted({team for team, _, _ in scores}):
        missing = [
            f"{criterion} of {judge}"
            for judge in judges
            for criterion in judging.criteria
            if (team, judge, criterion) not in scores
        ]
        if missing:
            table.warn(f"{team!r} has no score for {', '.join(missing)}; the rest is averaged")
    return scores, table.warnings
