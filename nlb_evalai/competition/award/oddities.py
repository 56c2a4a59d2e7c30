"""What an organizer should look at before anything is announced; none of it changes a rank."""

from __future__ import annotations

from collections import defaultdict
from typing import Callable, Collection, Dict, List, Sequence, Set

from evaluation_script.text import plural
from nlb_evalai.competition.award.export import alike
from nlb_evalai.competition.award.rulebook import (
    ALIKE_NAMES,
    AMBIGUOUS_DATES,
    MISSING_ANSWERS,
    ONE_FILE,
    SHARED_MEMBERS,
    Rulebook,
)
from nlb_evalai.competition.award.standing import Standing, some_of

#: so many entries without an answer, and such a part of all, are no accident of one team
_MANY, _MUCH = 3, 0.25


def oddities(rules: Rulebook, standing: Sequence[Standing]) -> List[str]:
    """Everything of a competition that its rules warn of, but the judges'."""
    return [
        text for what in rules.warn_of if what in _FOUND for text in _FOUND[what](rules, standing)
    ]


def _alike_names(rules: Rulebook, standing: Sequence[Standing]) -> List[str]:
    names: Dict[str, Set[str]] = defaultdict(set)
    for one in standing:
        names[alike(one.entry.team)].add(one.entry.team)
    return [
        f"teams {_named(teams)} have names that people take for one; they are ranked as "
        f"{len(teams)} teams"
        for teams in names.values()
        if len(teams) > 1
    ]


def _one_file(rules: Rulebook, standing: Sequence[Standing]) -> List[str]:
    teams: Dict[str, Dict[str, List[str]]] = defaultdict(lambda: defaultdict(list))
    for one in standing:
        if one.stored is not None and one.stored.submission_sha256:
            teams[one.stored.submission_sha256][one.entry.team].append(one.entry.id)
    return [
        f"one file (sha256 {sha256[:12]}) was submitted by {len(found)} teams: "
        + ", ".join(f"{team} ({some_of(ids)})" for team, ids in sorted(found.items()))
        for sha256, found in teams.items()
        if len(found) > 1
    ]


def _shared_members(rules: Rulebook, standing: Sequence[Standing]) -> List[str]:
    teams: Dict[str, Set[str]] = defaultdict(set)
    names: Dict[str, Set[str]] = defaultdict(set)
    for one in standing:
        for member in one.entry.members:
            for mark in member.marks:
                teams[mark].add(one.entry.team)
                names[mark].add(member.name)
    # a name and an e-mail address that lead to the same teams are said once
    said: Dict[str, None] = {}
    for mark in sorted(teams, key=lambda mark: (sorted(names[mark]), mark)):
        if len(teams[mark]) > 1:
            people = sorted(names[mark])
            who = people[0]
            if len(people) > 1:
                who = f"{_named(people)}, who share a user name or an e-mail address,"
            verb = "is a member" if len(people) == 1 else "are members"
            several = some_of(sorted(teams[mark]))
            said[f"{who} {verb} of {len(teams[mark])} teams: {several}"] = None
    return list(said)


def _ambiguous_dates(rules: Rulebook, standing: Sequence[Standing]) -> List[str]:
    twice = [one.entry for one in standing if one.entry.other_reading is not None]
    if not twice:
        return []
    turned = [
        one.id
        for one in twice
        if one.submitted_at
        and one.other_reading
        and (one.submitted_at >= rules.deadline) != (one.other_reading >= rules.deadline)
    ]
    taken = (
        f"{plural(len(twice), 'date')} can be read two ways and taken as month/day/year: entries "
        f"{some_of([one.id for one in twice])}"
    )
    if turned:
        taken += f"; as day/month/year the deadline would part otherwise: {some_of(turned)}"
    return [taken]


def _missing_answers(rules: Rulebook, standing: Sequence[Standing]) -> List[str]:
    attribute = rules.code_release_attribute
    missing = [one.entry.id for one in standing if attribute not in one.entry.attributes]
    if not attribute or len(missing) < max(_MANY, _MUCH * len(standing)):
        return []
    return [
        f"{len(missing)} of {plural(len(standing), 'entry', 'entries')} have no answer to "
        f"{attribute!r}: {some_of(missing)}; the likely reason is an upload tool that drops the "
        "form's answers, as EvalAI's own command line does with --large: ask these teams, and "
        "write what they say as overrides"
    ]


def _named(names: Collection[str]) -> str:
    shown = sorted(names)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


_FOUND: Dict[str, Callable[[Rulebook, Sequence[Standing]], List[str]]] = {
    ALIKE_NAMES: _alike_names,
    ONE_FILE: _one_file,
    SHARED_MEMBERS: _shared_members,
    AMBIGUOUS_DATES: _ambiguous_dates,
    MISSING_ANSWERS: _missing_answers,
}
