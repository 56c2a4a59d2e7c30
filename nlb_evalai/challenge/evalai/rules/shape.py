"""Rules about the shape of challenge_config.yaml, made from the table of its fields."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Iterator, List, Optional, Tuple
from urllib.parse import urlsplit

from evaluation_script.text import printable
from nlb_evalai.challenge.evalai.config import CONFIG_NAME
from nlb_evalai.challenge.evalai.rules.contents import Bundle
from nlb_evalai.challenge.evalai.rules.fields import Field, fields
from nlb_evalai.challenge.evalai.rules.registry import Fault, check
from nlb_evalai.challenge.rules.places import Place, places
from nlb_evalai.yamltext import Day, Moment

_DATE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|[+-]\d\d:?\d\d))?")
_SLUG = re.compile(r"[-a-zA-Z0-9_]+")
#: this machine, an address, or a name with a dot in letters of any script
_HOST = re.compile(r"localhost|(\d{1,3}\.){3}\d{1,3}|([^\W_]([^\W_]|-)*\.)+[^\W\d_]([^\W_]|-)+")

#: fault -> code, where the field has none of its own
_CODES = {
    "missing": "config-shape",
    "type": "config-shape",
    "blank": "config-shape",
    "format": "config-shape",
    "json": "config-json",
    "length": "text-length",
    "range": "number-range",
    "choice": "choice",
}
_SENTENCES = {
    "config-shape": "The config has every key that is needed, each of its type.",
    "config-json": "What EvalAI stores as JSON is JSON: no dates, bytes, NaN or infinity.",
    "text-length": "Texts are no longer than EvalAI stores.",
    "number-range": "Numbers are in the range that EvalAI stores.",
    "choice": "Where EvalAI offers a choice, one of its words is taken.",
    "title-length": "The title has at most 100 characters.",
    "page-type": "Pages are .html files.",
    "date-format": "Dates are given with their time.",
    "image-type": "The logo is a .jpg, .jpeg or .png file.",
    "script-zip": "The evaluation script is a .zip.",
    "worker-python": "The worker's Python is 3.7, 3.8 or 3.9.",
    "worker-image": "The worker's image is one of EvalAI's own.",
    "phase-split-keys": "Every phase split has its six keys.",
    "visibility": "A board's visibility is 1, 2 or 3.",
    "prize-amount": "A prize's amount is a number and a currency of three letters.",
    "sort-ascending": "Each label with metadata has sort_ascending.",
    "phase-truth": "Each phase names its ground truth.",
    "meta-attribute": "Each submission attribute has a name, a description and a known type.",
    "meta-options": "Submission attributes to choose from have options.",
    "tags": "There are at most 4 tags.",
    "domain": "The domain is one that EvalAI knows, or left out.",
}

#: what a value of each type is, in words
_TYPES = {
    "CharField": "text",
    "Text": "text",
    "FileField": "a path",
    "ImageField": "a path",
    "SlugField": "text",
    "URLField": "text",
    "BooleanField": "true or false, without quotes",
    "IntegerField": "a whole number, without quotes",
    "DateTimeField": "a date with time",
    "ListField": "a list",
    "List": "a list",
    "Mapping": "keys and values",
}
_FORMATS = {
    "SlugField": "letters, digits, hyphens and underscores",
    "URLField": "a full address, as https://neurallatents.github.io",
}


def fault_of(field: Field, value: Any) -> Optional[Tuple[str, str]]:
    """(fault, what was expected) of a value, or None where EvalAI takes it."""
    if value is None and (field.null or field.type != "ChoiceField"):
        return None if field.null else ("type", f"expected {_TYPES.get(field.type, 'a value')}")
    if field.type == "ChoiceField":
        known = any(type(value) is type(one) and value == one for one in field.choices)
        if known or (value == "" and field.blank):
            return None
        return "choice", "expected one of " + ", ".join(map(str, field.choices))
    if field.json and not _is_json(value):
        return "json", "EvalAI stores it as JSON: put dates in quotes, and no NaN or infinity"
    if not _is_of(field.type, value):
        return "type", f"expected {_TYPES[field.type]}"
    if isinstance(value, str):
        return _fault_of_text(field, value)
    if isinstance(value, list):
        if field.max_length and len(value) > field.max_length:
            return "length", f"expected at most {field.max_length}"
        return ("blank", "it must not be empty") if field.type == "List" and not value else None
    if field.type == "IntegerField" and not field.min_value <= value <= field.max_value:
        return "range", f"expected {field.min_value} to {field.max_value}"
    return None


def _is_of(kind: str, value: Any) -> bool:
    dated = isinstance(value, (Moment, Day))
    if kind == "DateTimeField":
        return isinstance(value, str) and not isinstance(value, Day)
    if kind == "BooleanField":
        return isinstance(value, bool)
    if kind == "IntegerField":
        return type(value) is int
    if kind in ("List", "ListField"):
        return isinstance(value, list)
    if kind == "Mapping":
        return isinstance(value, dict)
    if kind in ("CharField", "SlugField", "URLField") and type(value) in (int, float):
        return True  # EvalAI writes it as text
    return isinstance(value, str) and not dated


def _fault_of_text(field: Field, value: str) -> Optional[Tuple[str, str]]:
    text = value.strip()
    if not text:
        return None if field.blank else ("blank", "it must not be empty")
    if field.max_length and len(text) > field.max_length:
        return "length", f"shorten it to at most {field.max_length} characters"
    formed = {
        "DateTimeField": lambda: _DATE.fullmatch(text),
        "SlugField": lambda: _SLUG.fullmatch(text),
        "URLField": lambda: _is_url(text),
    }.get(field.type, lambda: re.fullmatch(field.pattern or ".*", text, re.DOTALL))
    if not formed():
        return "format", f"expected {_FORMATS.get(field.type, field.pattern)}"
    return None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return False
    known = parts.scheme in ("http", "https", "ftp", "ftps")
    return known and _HOST.fullmatch(host) is not None and not re.search(r"\s", text)


def _is_json(value: Any) -> bool:
    """Whether EvalAI's database takes it; a text with a NUL is found by ``text-characters``."""
    if isinstance(value, (Moment, Day)):
        return False
    if isinstance(value, dict):
        return all(_is_json(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, int))


def answer(field: Field, fault: str, expected: str) -> Tuple[str, str]:
    """(code, advice) for a fault of a field, as ``fault_of`` names it."""
    own = field.own.get(fault) or field.own.get("")
    return own or (_CODES[fault], expected)


def _shape_faults(bundle: Bundle) -> List[Tuple[str, str, str]]:
    """(code, where, message) of everything that is not as the table says."""
    found = []
    for field in fields():
        for place in places(bundle.config, field.path):
            fault = fault_of(field, place.value) if place.there else None
            if not place.there and _is_needed(field, place):
                code, advice = answer(field, "missing", "it is required")
                holder = place.holder.where if place.holder else ""
                found.append((code, _in_file(holder), f"{field.key} is missing; {advice}"))
            elif fault is not None:
                code, advice = answer(field, *fault)
                shown = printable(json.dumps(place.value, default=str), most=60)
                found.append((code, _in_file(place.where), f"found {shown}; {advice}"))
    return found


def _is_needed(field: Field, place: Place) -> bool:
    given = place.holder.value if place.holder else {}
    key, values = field.required_where
    return field.required or (key in given and given[key] in values)


def _in_file(where: str) -> str:
    return f"{CONFIG_NAME}: {where}" if where else CONFIG_NAME


def _register(code: str, sentence: str) -> None:
    @check(code, sentence=sentence)
    def shape(bundle: Bundle) -> Iterator[Fault]:
        for found, where, message in bundle.once(_shape_faults):
            if found == code:
                yield where, message


for _code, _sentence in _SENTENCES.items():
    _register(_code, _sentence)
