"""Rules about phases and tasks: their dates, limits and data."""

from __future__ import annotations

import datetime
import re
from typing import Any, Dict, Iterator, Optional

from evaluation_script.storage import is_pointer
from nlb_evalai.challenge.codabench.compose import CONFIG_NAME
from nlb_evalai.challenge.codabench.rules.contents import OF_PHASE, Bundle
from nlb_evalai.challenge.codabench.rules.registry import Fault, check
from nlb_evalai.challenge.rules.finding import WARNING
from nlb_evalai.yamltext import Day, Moment

_DATE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?")
#: the longest that the default queue lets a submission run, in seconds
_DEFAULT_QUEUE_SECONDS = 600
_DEFAULT_LIMIT = 600


@check("phase-date", sentence="Dates are in quotes, with their time, and without an offset.")
def dates_are_read_as_written(bundle: Bundle) -> Iterator[Fault]:
    for where, phase in bundle.entries("phases"):
        for key in ("start", "end"):
            value = phase.get(key)
            if value is None:
                continue
            if isinstance(value, (Moment, Day)):
                yield (
                    f"{where}.{key}",
                    f"found {str(value)!r} without quotes: Codabench drops its time of day; put it "
                    "in quotes",
                )
            elif not isinstance(value, str) or _date(value) is None:
                yield (
                    f"{where}.{key}",
                    f"found {value!r}, expected a date with time in UTC, as '2027-01-31 23:59:59'; "
                    "an offset would be dropped",
                )


@check("phase-order", sentence="Phases follow each other in time, as Codabench wants them.")
def phases_follow_each_other(bundle: Bundle) -> Iterator[Fault]:
    before: Optional[Dict[str, Any]] = None
    phases = sorted(bundle.entries("phases"), key=lambda one: _index(one[1]))
    for where, phase in phases:
        start, end = _date(phase.get("start")), _date(phase.get("end"))
        if start and end and end <= start:
            yield f"{where}.end", f"it ends ({end}) before it starts ({start}): correct the dates"
        if before is not None:
            ended = _date(before.get("end"))
            name = before.get("name")
            if before.get("end") is None:
                yield where, f"phase {name!r} before it has no end: give it one"
            elif start and ended and start <= ended:
                yield (
                    f"{where}.start",
                    f"it starts ({start}) before phase {name!r} has ended ({ended}): Codabench "
                    "runs one phase after the other, so give them dates that do not overlap",
                )
        before = phase


def _index(phase: Dict[str, Any]) -> int:
    index = phase.get("index", 0)
    return index if type(index) is int else 0


def _date(value: Any) -> Optional[datetime.datetime]:
    """A date as Codabench reads it; None if it is none, which the rule about its form reports."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return datetime.datetime.fromisoformat(value)
    except ValueError:
        return None


@check("phase-task", sentence="Each phase has tasks that are there.")
def phases_have_tasks(bundle: Bundle) -> Iterator[Fault]:
    known = bundle.tasks()
    for where, phase in bundle.entries("phases"):
        named = phase.get("tasks")
        if named == []:
            yield f"{where}.tasks", "names no task: submissions would wait for ever"
        for task in named if isinstance(named, list) else ():
            if type(task) is not int or task not in known:
                yield f"{where}.tasks", f"found {task!r}, expected an index of a task"


@check("duplicate-task")
def tasks_have_indices_of_their_own(bundle: Bundle) -> Iterator[Fault]:
    seen = set()
    for where, task in bundle.entries("tasks"):
        index = task.get("index")
        if type(index) is int and index in seen:
            yield f"{where}.index", f"{index} is also that of another task: choose another"
        seen.add(index if type(index) is int else None)


@check("quotas", WARNING, "No quota for a day is above the quota in all.")
def quotas_make_sense(bundle: Bundle) -> Iterator[Fault]:
    for where, phase in bundle.entries("phases"):
        day, most = phase.get("max_submissions_per_day", 5), phase.get("max_submissions", 100)
        if type(day) is int and type(most) is int and day > most:
            yield (
                f"{where}.max_submissions",
                f"{most} is less than max_submissions_per_day ({day}): raise it",
            )


@check("time-limit", WARNING, "No time limit is above what the default queue allows.")
def time_limits_are_kept(bundle: Bundle) -> Iterator[Fault]:
    for where, phase in bundle.entries("phases"):
        limit = phase.get("execution_time_limit")
        cut = type(limit) is int and limit > _DEFAULT_QUEUE_SECONDS
        if cut and not bundle.config.get("queue"):
            yield (
                f"{where}.execution_time_limit",
                f"found {limit}, and the default queue cuts it to {_DEFAULT_QUEUE_SECONDS}: name a "
                "queue of your own, or lower it",
            )


@check("own-time-limit", sentence="The scoring program ends itself before the phase would.")
def programs_end_themselves_in_time(bundle: Bundle) -> Iterator[Fault]:
    for where, phase in bundle.entries("phases"):
        limit = phase.get("execution_time_limit", _DEFAULT_LIMIT)
        for _, task in bundle.tasks_of(phase):
            told = bundle.told(task)
            if told and type(limit) is int and told.limit_seconds >= limit:
                yield (
                    f"{where}.execution_time_limit",
                    f"found {limit}, but the scoring program ends itself after "
                    f"{told.limit_seconds} s only: build the bundle again with this limit",
                )


@check("reference-data", sentence="Each task has the truth as its reference data.")
def tasks_have_truth(bundle: Bundle) -> Iterator[Fault]:
    for where, task in bundle.entries("tasks"):
        if "reference_data" not in task:
            yield where, "has no reference_data: /app/input/ref would not be there, nor any truth"


@check("truth-exposed", sentence="Truth is in nothing that participants can download.")
def truth_is_not_given_away(bundle: Bundle) -> Iterator[Fault]:
    tasks = bundle.entries("tasks")
    truths = {str(task["reference_data"]) for _, task in tasks if "reference_data" in task}
    given = [(f"{where}.input_data", task.get("input_data")) for where, task in tasks]
    for where, phase in bundle.entries("phases"):
        given += [(f"{where}.{key}", phase.get(key)) for key in OF_PHASE]
    given += [(f"{where}.path", one.get("path")) for where, one in bundle.entries("solutions")]
    for where, name in given:
        if name is not None and str(name) in truths:
            yield where, f"{name} holds the truth, and participants get this: leave it out"


@check("programs-available", WARNING, "Scoring programs are not offered for download.")
def programs_stay_with_the_host(bundle: Bundle) -> Iterator[Fault]:
    if bundle.config.get("make_programs_available") is True:
        yield (
            f"{CONFIG_NAME}: make_programs_available",
            "participants can download the scoring program: nothing in it is secret, but it tells "
            "nothing that this repository does not",
        )


@check("detailed-results", WARNING, "The page that the scoring program writes is shown.")
def detailed_results_are_shown(bundle: Bundle) -> Iterator[Fault]:
    if bundle.config.get("enable_detailed_results") is not True:
        yield (
            f"{CONFIG_NAME}: enable_detailed_results",
            "is not true: participants would not see error bars nor scores in hidden columns",
        )


@check("pointer-unreachable", sentence="Truth is there itself: a pointer leads nowhere there.")
def truth_is_no_pointer(bundle: Bundle) -> Iterator[Fault]:
    for name, _, path in bundle.truths():
        if is_pointer(path):
            yield (
                name,
                "is a pointer to private storage, which the scoring program has no credentials "
                "for: build the bundle from the truth, or on a machine that can fetch it",
            )
