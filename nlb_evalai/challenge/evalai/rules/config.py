"""Rules about challenge_config.yaml: its shape (a JSON schema), dates, names and quotas."""

from __future__ import annotations

import datetime
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import jsonschema

from evaluation_script.text import did_you_mean, printable
from nlb_evalai.challenge.evalai.config import CONFIG_NAME
from nlb_evalai.challenge.evalai.rules.contents import Bundle
from nlb_evalai.challenge.evalai.rules.finding import WARNING
from nlb_evalai.challenge.evalai.rules.registry import Fault, check

CONFIG_SCHEMA = Path(__file__).with_name("challenge_config.json")

#: Top-level keys that EvalAI reads, beside those of the schema.
_OPTIONAL_KEYS = {
    "allowed_email_domains", "approved_by_admin", "blocked_email_domains", "banned_email_ids",
    "challenge_type", "cli_version", "ephemeral_storage", "evaluation_module_error",
    "forum_url", "has_prize", "has_sponsors", "is_static_dataset_code_upload", "list_tags",
    "max_docker_image_size", "min_worker_instance", "prizes", "sponsors", "queue",
}  # fmt: skip
#: Read by EvalAI's front end or by nobody; the trap has a rule of its own.
_IGNORED_KEYS = {"worker_memory": "1024 MiB stay 1024 MiB", "worker_cpu_cores": "0.5 vCPU stay"}


@lru_cache(maxsize=1)
def _validator() -> Any:
    schema = json.loads(CONFIG_SCHEMA.read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


@lru_cache(maxsize=1)
def _shape_codes() -> Tuple[str, ...]:
    found = {"config-shape"}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "x-code" in node:
                found.add(node["x-code"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(_validator().schema)
    return tuple(sorted(found))


def _shape_errors(bundle: Bundle) -> List[Tuple[str, str, str]]:
    """(code, where, message) of everything that is not of the schema's form."""
    found = []
    for error in _validator().iter_errors(bundle.config):
        schema = error.schema if isinstance(error.schema, dict) else {}
        where = _where(list(error.absolute_path))
        if error.validator == "required":
            missing = next(key for key in error.validator_value if repr(key) in error.message)
            told = dict(schema.get("properties", {}).get(missing, {}))
            if "$ref" in told:
                told = {"x-do": "it is required"}
            code = schema.get("x-code") or told.get("x-code") or "config-shape"
            advice = schema.get("x-do") or told.get("x-do") or "it is required"
            found.append((code, where, f"{missing} is missing; {advice}"))
        else:
            advice = schema.get("x-do") or _expected(error)
            shown = printable(json.dumps(error.instance, default=str), most=60)
            found.append((schema.get("x-code", "config-shape"), where, f"found {shown}; {advice}"))
    return found


def _expected(error: jsonschema.ValidationError) -> str:
    words = {
        "type": "expected type {}",
        "minimum": "expected at least {}",
        "enum": "expected one of {}",
    }
    words.update(minLength="it must not be empty", minItems="it must not be empty")
    return words.get(str(error.validator), "expected {}").format(error.validator_value)


def _where(path: List[Any]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return f"{CONFIG_NAME}: {text.lstrip('.')}" if text else CONFIG_NAME


def _register_shape(code: str) -> None:
    @check(code)
    def shape(bundle: Bundle) -> Iterator[Fault]:
        for found, where, message in bundle.once(_shape_errors):
            if found == code:
                yield where, message


for _code in _shape_codes():
    _register_shape(_code)


@check("unknown-key", WARNING)
def keys_are_known(bundle: Bundle) -> Iterator[Fault]:
    known = {*_validator().schema["properties"], *_OPTIONAL_KEYS}
    for key in bundle.config:
        if key not in known and key not in _IGNORED_KEYS:
            hint = did_you_mean(key, sorted(known))
            yield f"{CONFIG_NAME}: {key}", f"EvalAI reads no such key: remove it{hint}"


@check("ignored-key", WARNING)
def no_key_is_ignored(bundle: Bundle) -> Iterator[Fault]:
    for key, effect in _IGNORED_KEYS.items():
        if key in bundle.config:
            yield (
                f"{CONFIG_NAME}: {key}",
                f"EvalAI ignores it ({effect}): remove it, and ask EvalAI's staff for more",
            )


@check("date-order")
def dates_are_in_order(bundle: Bundle) -> Iterator[Fault]:
    places = [(CONFIG_NAME, bundle.config), *bundle.entries("challenge_phases")]
    for where, entry in places:
        start, end = _date(entry.get("start_date")), _date(entry.get("end_date"))
        if start and end and start >= end:
            yield where, f"it ends ({end}) before it starts ({start}): correct the dates"


@check("phase-outside-challenge", WARNING)
def phases_lie_within_the_challenge(bundle: Bundle) -> Iterator[Fault]:
    start, end = (_date(bundle.config.get(key)) for key in ("start_date", "end_date"))
    for where, phase in bundle.entries("challenge_phases"):
        begins, ends = _date(phase.get("start_date")), _date(phase.get("end_date"))
        if (start and begins and begins < start) or (end and ends and ends > end):
            yield where, "it is open when the challenge is not: correct the dates of one of them"


def _date(text: Any) -> Optional[datetime.datetime]:
    """A date as UTC; None if it is none, which the schema's check reports."""
    try:
        if len(str(text)) <= len("2099-12-31"):
            return None
        date = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
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


@check("quotas", WARNING)
def quotas_make_sense(bundle: Bundle) -> Iterator[Fault]:
    names = ("max_submissions_per_day", "max_submissions_per_month", "max_submissions")
    for where, phase in bundle.entries("challenge_phases"):
        given = [(name, phase[name]) for name in names if type(phase.get(name)) is int]
        for (small, low), (large, high) in zip(given, given[1:]):
            if low > high:
                yield f"{where}.{large}", f"{high} is less than {small} ({low}): raise it"


@check("submission-types", WARNING)
def submissions_may_be_hdf5(bundle: Bundle) -> Iterator[Fault]:
    for where, phase in bundle.entries("challenge_phases"):
        types = phase.get("allowed_submission_file_types")
        if isinstance(types, str) and ".h5" not in types:
            yield (
                f"{where}.allowed_submission_file_types",
                f"found {types!r}: add .h5, which the website offers and participants send",
            )
