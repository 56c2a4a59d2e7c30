"""A card's text -> its values, and all that is wrong with them, in bounded time."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import jsonschema
import yaml

from evaluation_script.text import did_you_mean, printable
from nlb_evalai.competition.award.export import has_email
from nlb_evalai.competition.site.model import link_of
from nlb_evalai.errors import ToolError
from nlb_evalai.submission.receipts import shortened
from nlb_evalai.yamltext import YamlProblem, read_yaml

SCHEMA = "nlb-evalai/card/1"
MOST_BYTES = 64 * 1024
_MOST_SHOWN = 60
#: of one card
_MOST_FAULTS = 50
#: what `code` says where it is no address
PROMISED, CLOSED = "promised", "closed"
_TYPES = {"string": "text", "object": "a mapping", "array": "a list", "integer": "a whole number"}


def template() -> str:
    """A card to copy and fill in."""
    return Path(__file__).with_name("template.yaml").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _validator() -> Any:
    text = Path(__file__).with_name("card-1.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def parse_card(content: bytes) -> Tuple[Dict[str, Any], List[str], List[str]]:
    """The values of a card's text, its problems, and notes on what is odd.

    The values are fit to be used where there is no problem.
    """
    try:
        found = read_yaml(content, MOST_BYTES)
    except YamlProblem as problem:
        line = f"line {problem.line}: " if problem.line else ""
        return {}, [f"{line}{printable(problem, 4 * _MOST_SHOWN)}"], []
    faults = islice(_validator().iter_errors(found), _MOST_FAULTS + 1)
    problems = [_told(fault) for fault in faults]
    if len(problems) > _MOST_FAULTS:
        problems[_MOST_FAULTS:] = ["and more; mend these first"]
    if not isinstance(found, dict):
        return {}, problems, []
    if not problems:
        problems = list(_faulty_links(found))
    return found, problems, [] if problems else list(_odd_texts(found))


class _Dumper(yaml.SafeDumper):
    """Puts text that cannot be seen in double quotes."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if printable(text) == text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _represent_text)


def dump_card(values: Mapping[str, Any]) -> bytes:
    """The text of a card; what cannot be seen is escaped in it.

    Raises
    ------
    ToolError
        If it would not be read as it is written.
    """
    text = yaml.dump(dict(values), None, _Dumper, allow_unicode=True, sort_keys=False, width=100)
    # what is escaped here stands between double quotes, where YAML knows Python's escapes
    lines = text.split("\n")
    content = "\n".join(printable(line) for line in lines).encode("utf-8")
    found, problems, _ = parse_card(content)
    if problems or found != values:
        raise ToolError(f"cannot be a card: {'; '.join(problems) or 'it is not read as written'}")
    return content


def _told(fault: Any) -> str:
    """Where, what was found, what was expected."""
    where = "/".join(printable(part, _MOST_SHOWN) for part in fault.absolute_path)
    before = f"{where}: " if where else ""
    value, rule = fault.instance, fault.validator_value
    expected = fault.schema.get("description", "")
    if fault.validator == "required":
        return f"{before}{_first_quoted(fault.message)} is missing"
    if fault.validator == "dependentRequired":
        return f"{before}{_first_quoted(fault.message)} is missing: an imported card has it"
    if fault.validator == "additionalProperties":
        known = fault.schema["properties"]
        odd = [name for name in value if name not in known]
        names = ", ".join(
            f"{printable(name, _MOST_SHOWN)}{did_you_mean(name[:_MOST_SHOWN], known)}"
            for name in odd[:20]
        )
        return f"{before}found {names}, expected only {', '.join(known)}"
    if fault.validator == "type":
        kinds = [rule] if isinstance(rule, str) else rule
        expected = expected or " or ".join(_TYPES.get(kind, kind) for kind in kinds)
        quotes = "string" in kinds and isinstance(value, (int, float)) and "; put it in quotes"
        return f"{before or 'the file: '}found {_shown(value)}, expected {expected}{quotes or ''}"
    if fault.validator in ("maxLength", "maxItems", "maxProperties"):
        what = "characters" if fault.validator == "maxLength" else "of them"
        return f"{before}found {len(value):,} {what}, expected at most {rule:,}"
    if fault.validator in ("const", "enum"):
        words = [rule] if fault.validator == "const" else rule
        return f"{before}found {_shown(value)}, expected {' or '.join(map(str, words))}"
    if fault.validator == "pattern" and expected:
        return f"{before}found {_shown(value)}, expected {expected}"
    return f"{before}{shortened(fault)}"


def _first_quoted(message: str) -> str:
    return message.split("'")[1]


def _shown(value: Any) -> str:
    """A value as it stands in a message; a long one is cut before it is turned into text."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None:
        return "nothing"
    return repr(printable(value[:_MOST_SHOWN])) if isinstance(value, str) else str(value)


def _faulty_links(card: Mapping[str, Any]) -> Iterator[str]:
    expected = "expected an address that begins with https:// or http://"
    for name, address in card.get("links", {}).items():
        if not is_link(address):
            yield f"links/{name}: found {_shown(address)}, {expected}"
    code = card.get("code", CLOSED)
    if code not in (PROMISED, CLOSED) and not is_link(code):
        yield f"code: found {_shown(code)}, {expected}, or {PROMISED}, or {CLOSED}"


def is_link(address: str) -> bool:
    """Whether an address may stand in a card: the web's, whole, with nothing invisible in it."""
    is_whole = address.startswith(("https://", "http://")) and not any(map(str.isspace, address))
    return is_whole and link_of(address) == address


def _odd_texts(card: Mapping[str, Any]) -> Iterator[str]:
    texts = [(name, card.get(name, "")) for name in ("team", "method", "description")]
    texts += [(f"authors/{i}", name) for i, name in enumerate(card.get("authors", ()))]
    for where, text in texts:
        if printable(text.replace("\n", " ")) != text.replace("\n", " "):
            yield f"{where}: has characters that cannot be seen; pages show them as \\x1b"
        if has_email(text):
            yield f"{where}: has an e-mail address, which no page shows"
