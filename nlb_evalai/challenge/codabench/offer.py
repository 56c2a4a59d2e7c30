"""What a head says to Codabench alone: the image, the phases in their order, the time limit.

Codabench has one leaderboard, puts a missing score first, and runs one phase after the other. So a
head either offers phases that take complete submissions only, or phases for one board each.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from evaluation_script.suites import Phase, Suite
from evaluation_script.text import did_you_mean, printable
from nlb_evalai.challenge.head import Head, HeadError, sections_of

NAME = "codabench"
_KEYS = ("docker_image", "execution_time_limit", "phases", "queue", "sections", "submission_rule")
_PHASE_KEYS = (
    *("phase", "board", "name", "start_date", "end_date"),
    *("max_submissions", "max_submissions_per_day"),
)
_NO_IMAGE = (
    f"{NAME}.docker_image: is missing: name the image that scores, made with docker/Dockerfile "
    "(docs/platforms.md); Codabench's default image has no h5py, and every submission would fail"
)
#: the scoring program ends itself so much before the platform would, in seconds
_MARGIN, _LEAST_LIMIT = 60, 120


@dataclass(frozen=True)
class Offered:
    """A phase on Codabench: one of the suite's, or one board of it.

    ``start`` and ``end`` are UTC; ``quotas`` are Codabench's own keys and values.
    """

    phase: Phase
    board: Optional[str]
    name: str
    start: str
    end: Optional[str]
    quotas: Dict[str, Any]

    @property
    def codename(self) -> str:
        """Its name in files, and in a dry run."""
        return self.phase.codename + (f"-{self.board}" if self.board else "")


@dataclass(frozen=True)
class Offer:
    """All of it."""

    docker_image: str
    limit_seconds: int
    submission_rule: str
    queue: Optional[str]
    phases: Tuple[Offered, ...]
    sections: Dict[str, str]

    @property
    def own_limit_seconds(self) -> int:
        """When the scoring program ends itself."""
        return self.limit_seconds - _MARGIN


def offer_of(suite: Suite, head: Head) -> Offer:
    """Read it.

    Raises
    ------
    HeadError
        Naming everything that is wrong.
    """
    own = head.own[NAME]
    problems = [
        f"{NAME}.{key}: no key that this platform has here{did_you_mean(str(key), _KEYS)}"
        for key in own
        if key not in _KEYS
    ]
    image, limit = own.get("docker_image"), own.get("execution_time_limit")
    if not image or not isinstance(image, str):
        problems.append(_NO_IMAGE)
    if head.top.get("remote_evaluation") is True:
        problems.append(
            "remote_evaluation: true says that truth stays on your machines, and a bundle for "
            f"{NAME} holds it: write a head of its own for it, if the truth may go there"
        )
    if type(limit) is not int or limit < _LEAST_LIMIT:
        problems.append(
            f"{NAME}.execution_time_limit: found {printable(limit)}, expected whole seconds, "
            f"{_LEAST_LIMIT} or more"
        )
        limit = _LEAST_LIMIT
    sections, wrong = sections_of(own.get("sections", {}), head.folder)
    problems += [f"{NAME}.{problem}" for problem in wrong]
    phases, wrong = _phases(own, suite, head)
    problems += wrong
    if problems:
        where = head.source or f"the plain head of suite {suite.name}"
        raise HeadError(f"{where}: no head for {NAME},", problems)
    return Offer(
        docker_image=str(image),
        limit_seconds=limit,
        submission_rule=str(own["submission_rule"]),
        queue=own.get("queue"),
        phases=tuple(phases),
        sections={
            name: sections[name] if name in own.get("sections", {}) else text
            for name, text in head.sections.items()
        },
    )


def _phases(own: Mapping[str, Any], suite: Suite, head: Head) -> Tuple[List[Offered], List[str]]:
    """The phases in order; all of the suite's, with the head's dates, where none are named."""
    named = own.get("phases", [{"phase": phase.codename} for phase in suite.phases])
    if not isinstance(named, list) or not all(isinstance(one, dict) for one in named) or not named:
        return [], [f"{NAME}.phases: found {printable(named)}, expected a list of phases"]
    found: List[Offered] = []
    problems: List[str] = []
    codenames = [phase.codename for phase in suite.phases]
    for i, values in enumerate(named):
        where = f"{NAME}.phases[{i}]"
        wrong = [
            f"{where}.{key}: no key of a phase{did_you_mean(str(key), _PHASE_KEYS)}"
            for key in values
            if key not in _PHASE_KEYS
        ]
        wrong += _unknown(values.get("phase"), codenames, f"{where}.phase", "phase")
        if values.get("board") is not None:
            wrong += _unknown(values["board"], list(suite.boards()), f"{where}.board", "board")
        if not wrong:
            offered = _offered(values, suite, head)
            if offered.codename in [one.codename for one in found]:
                wrong.append(f"{where}: found {offered.codename} a second time: offer it once")
            found.append(offered)
        problems += wrong
    return found, problems


def _unknown(value: Any, known: List[str], where: str, what: str) -> List[str]:
    if value in known:
        return []
    hint = did_you_mean(str(value), known)
    return [f"{where}: found {printable(value)}, expected a {what} of {', '.join(known)}{hint}"]


def _offered(values: Mapping[str, Any], suite: Suite, head: Head) -> Offered:
    phase, board = suite.phase(values["phase"]), values.get("board")
    told = {**head.phases[phase.codename], **values}
    name = f"{phase.title}: {suite.board_title(board)}" if board else phase.title
    keys = ("max_submissions_per_day", "max_submissions")
    end = told.get("end_date")
    return Offered(
        phase=phase,
        board=board,
        name=str(told.get("name") or name),
        start=_utc(told["start_date"]),
        end=None if end is None else _utc(end),
        quotas={key: told[key] for key in keys if told.get(key) is not None},
    )


def _utc(moment: Any) -> str:
    """A date of a head as Codabench reads it: it drops an offset and takes the clock for UTC."""
    if isinstance(moment, datetime.datetime):
        if moment.tzinfo is not None:
            moment = moment.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return moment.isoformat(sep=" ", timespec="seconds")
    return str(moment)
