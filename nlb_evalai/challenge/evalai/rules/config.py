"""Rules about several fields of challenge_config.yaml together; ``shape`` has single ones."""

from __future__ import annotations

import datetime
from typing import Any, Dict, Iterator, List, Optional, Tuple

from evaluation_script.text import did_you_mean, printable
from nlb_evalai.challenge.evalai.config import CONFIG_NAME
from nlb_evalai.challenge.evalai.rules.contents import Bundle, ConfigEntry
from nlb_evalai.challenge.evalai.rules.fields import UNBREAKABLE, fields
from nlb_evalai.challenge.evalai.rules.registry import Fault, check
from nlb_evalai.challenge.rules.finding import WARNING
from nlb_evalai.yamltext import Moment

#: Top-level keys that EvalAI has fields for, though it reads none of them here.
_OPTIONAL_KEYS = {
    *("approved_by_admin", "challenge_type", "has_prize", "has_sponsors", "list_tags", "queue"),
    *(path for path in UNBREAKABLE if "[]" not in path),
}
_KNOWN_KEYS = {field.path for field in fields() if not field.parent} | _OPTIONAL_KEYS
_LONGEST_KEY = 60
#: Read by EvalAI's front end or by nobody; the trap has a rule of its own.
_IGNORED_KEYS = {"worker_memory": "1024 MiB stay 1024 MiB", "worker_cpu_cores": "0.5 vCPU stay"}


@check("unknown-key", WARNING, "EvalAI reads every key at the top of the config.")
def keys_are_known(bundle: Bundle) -> Iterator[Fault]:
    for key in bundle.config:
        if key not in _KNOWN_KEYS and key not in _IGNORED_KEYS:
            shown = printable(key, most=_LONGEST_KEY)
            hint = did_you_mean(shown, sorted(_KNOWN_KEYS))
            yield f"{CONFIG_NAME}: {shown}", f"EvalAI reads no such key: remove it{hint}"


@check("ignored-key", WARNING)
def no_key_is_ignored(bundle: Bundle) -> Iterator[Fault]:
    for key, effect in _IGNORED_KEYS.items():
        if key in bundle.config:
            yield (
                f"{CONFIG_NAME}: {key}",
                f"EvalAI ignores it ({effect}): remove it, and ask EvalAI's staff for more",
            )


def _dated(bundle: Bundle) -> List[ConfigEntry]:
    return [(CONFIG_NAME, bundle.config), *bundle.entries("challenge_phases")]


@check("date-mix")
def dates_are_written_alike(bundle: Bundle) -> Iterator[Fault]:
    for where, entry in _dated(bundle):
        pair = [entry.get(key) for key in ("start_date", "end_date")]
        if all(_date(text) for text in pair) and len({type(text) for text in pair}) > 1:
            yield (
                where,
                "of its dates one is in quotes and one is not, and EvalAI cannot compare the two: "
                "write both without",
            )


@check("date-order")
def dates_are_in_order(bundle: Bundle) -> Iterator[Fault]:
    for where, entry in _dated(bundle):
        start, end = _date(entry.get("start_date")), _date(entry.get("end_date"))
        if start and end and start >= end:
            yield where, f"it ends ({end}) before it starts ({start}): correct the dates"
        elif start and end and _as_texts(entry) and entry["start_date"] > entry["end_date"]:
            yield where, "EvalAI compares dates in quotes letter by letter: write both without"


def _as_texts(entry: Dict[str, Any]) -> bool:
    return not any(isinstance(entry[key], Moment) for key in ("start_date", "end_date"))


@check("phase-outside-challenge", WARNING)
def phases_lie_within_the_challenge(bundle: Bundle) -> Iterator[Fault]:
    start, end = (_date(bundle.config.get(key)) for key in ("start_date", "end_date"))
    for where, phase in bundle.entries("challenge_phases"):
        begins, ends = _date(phase.get("start_date")), _date(phase.get("end_date"))
        if (start and begins and begins < start) or (end and ends and ends > end):
            yield where, "it is open when the challenge is not: correct the dates of one of them"


def _date(text: Any) -> Optional[datetime.datetime]:
    """A date as UTC; None if it is none, which the rule about its form reports."""
    try:
        if not isinstance(text, str) or len(text) <= len("2099-12-31"):
            return None
        date = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=datetime.timezone.utc)


@check("duplicate-id")
def ids_are_unique(bundle: Bundle) -> Iterator[Fault]:
    for key in ("leaderboard", "challenge_phases", "dataset_splits"):
        yield from _repeated(bundle, key, "id")


@check("duplicate-codename")
def codenames_are_unique(bundle: Bundle) -> Iterator[Fault]:
    for key in ("challenge_phases", "dataset_splits"):
        yield from _repeated(bundle, key, "codename")


def _repeated(bundle: Bundle, key: str, field: str) -> Iterator[Fault]:
    seen: Dict[str, str] = {}
    for where, entry in bundle.entries(key):
        value = repr(entry.get(field))
        if value in seen and field in entry:
            yield f"{where}.{field}", f"{value} is also that of {seen[value]}: choose another"
        seen.setdefault(value, where.partition(": ")[2])


@check("quotas", WARNING, "No quota is lower than that of a shorter time.")
def quotas_make_sense(bundle: Bundle) -> Iterator[Fault]:
    names = ("max_submissions_per_day", "max_submissions_per_month", "max_submissions")
    for where, phase in bundle.entries("challenge_phases"):
        given = [(name, phase[name]) for name in names if type(phase.get(name)) is int]
        for (small, low), (large, high) in zip(given, given[1:]):
            if low > high:
                yield f"{where}.{large}", f"{high} is less than {small} ({low}): raise it"


@check("quota-missing", sentence="Each phase has a quota for each month, or one in all.")
def phases_have_a_quota(bundle: Bundle) -> Iterator[Fault]:
    for where, phase in bundle.entries("challenge_phases"):
        if phase.get("max_submissions_per_month") is None and "max_submissions" not in phase:
            yield (
                where,
                "has neither max_submissions_per_month nor max_submissions, which EvalAI takes in "
                "its place: give one of them",
            )


@check("public-restricted")
def phases_are_not_public_and_restricted(bundle: Bundle) -> Iterator[Fault]:
    keys = ("is_submission_public", "is_restricted_to_select_one_submission")
    for where, phase in bundle.entries("challenge_phases"):
        if all(phase.get(key) is True for key in keys):
            yield where, f"{' and '.join(keys)} exclude each other: set one of them to false"


@check("prize-rank", sentence="No two prizes have one rank.")
def prizes_have_ranks_of_their_own(bundle: Bundle) -> Iterator[Fault]:
    yield from _repeated(bundle, "prizes", "rank")


@check(
    "text-characters", sentence="No text holds a NUL or half a character, which nothing can store."
)
def texts_can_be_stored(bundle: Bundle) -> Iterator[Fault]:
    for where, text in _texts(bundle.config, ""):
        odd = next((char for char in text if char == "\0" or "\ud800" <= char <= "\udfff"), None)
        if odd is not None:
            yield (
                f"{CONFIG_NAME}: {where}",
                f"holds the character {odd!r}, which EvalAI cannot store: remove it",
            )


def _texts(value: Any, where: str) -> Iterator[Tuple[str, str]]:
    """(where, text) of every key and text of the config; ``yamltext`` bounds how deep they are."""
    if isinstance(value, dict):
        for key, item in value.items():
            place = f"{where}.{printable(key, most=_LONGEST_KEY)}".lstrip(".")
            yield place, key
            yield from _texts(item, place)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _texts(item, f"{where}[{i}]")
    elif isinstance(value, str):
        yield where, value


@check("submission-types", WARNING, "The website offers .h5 to participants.")
def submissions_may_be_hdf5(bundle: Bundle) -> Iterator[Fault]:
    for where, phase in bundle.entries("challenge_phases"):
        types = phase.get("allowed_submission_file_types")
        if isinstance(types, str) and ".h5" not in types:
            yield (
                f"{where}.allowed_submission_file_types",
                f"found {types!r}: add .h5, which the website offers and participants send",
            )
