"""A stranger's YAML as plain values, in bounded time and memory.

Aliases that multiply, lists that hold themselves, deep nesting and endless numbers are found in the
text's events and nodes, before a value is made of them.
"""

from __future__ import annotations

import datetime
from typing import Any, Dict, List, Tuple

import yaml

#: libyaml's parser is ten times as quick, and PyYAML's wheels have it
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: a config of the largest suite here has 13 kB, 1,000 values and a depth of 6
MOST_BYTES = 256 * 1024
_MOST_VALUES = 20_000
_MOST_DEPTH = 32
_MOST_DIGITS = 100
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")
#: what PyYAML raises where a tag does not fit its value, as in ``!!bool maybe``
_TAG_FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_MERGE = "tag:yaml.org,2002:merge"


class YamlProblem(Exception):
    """The text cannot be read; ``line`` counts from 1, or is 0 where the whole text is at fault."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class Moment(str):
    """A date with time that was written without quotes, in ISO's form."""


class Day(str):
    """A date without time that was written without quotes, in ISO's form."""


def read_yaml(content: bytes, most_bytes: int = MOST_BYTES) -> Any:
    """The values of a YAML text as JSON's: keys are strings, dates `Moment` and `Day`.

    Raises
    ------
    YamlProblem
        If it is no UTF-8, no YAML, gives a key twice, or is larger than any text of its kind.
    """
    if len(content) > most_bytes:
        raise YamlProblem(
            f"has {len(content) / 1024:.0f} KiB, expected at most {most_bytes // 1024}: "
            "long texts belong elsewhere"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise YamlProblem("is not UTF-8 text: save it as UTF-8") from None
    try:
        _bound_depth(text)
        loader = _StrictLoader(text)
        try:
            node = loader.get_single_node()
            _bound_nodes(node)
            value = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, *_TAG_FAULTS) as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or error
        line = mark.line + 1 if mark else 0
        raise YamlProblem(f"is not valid YAML ({said}); mend it there", line) from None
    return _plain(value)


def _bound_depth(text: str) -> None:
    """Refuse deep nesting from the events, which need no stack; composing them does."""
    depth = 0
    for event in yaml.parse(text, Loader=_BASE):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MOST_DEPTH:
            message = f"nests lists and mappings more than {_MOST_DEPTH} deep; keep them flat"
            raise YamlProblem(message, _line(event))


def _bound_nodes(root: Any) -> None:
    """Refuse what would grow: aliases of aliases, a list inside itself, numbers without end."""
    counted: Dict[int, int] = {}  # a node -> its values, with those that its aliases stand for
    entered: Dict[int, Any] = {}
    stack: List[Tuple[Any, bool]] = [] if root is None else [(root, False)]
    while stack:
        node, seen_below = stack.pop()
        below = _below(node)
        if seen_below:
            del entered[id(node)]
            counted[id(node)] = 1 + sum(counted[id(child)] for child in below)
            if counted[id(node)] > _MOST_VALUES:
                message = f"holds more than {_MOST_VALUES:,} values, its aliases followed"
                raise YamlProblem(message + ": nobody needs so many", _line(node))
        elif id(node) in entered:
            raise YamlProblem("is a list or mapping that holds itself: remove the alias in it", 0)
        elif id(node) not in counted:
            if node.tag in _NUMBERS and len(node.value) > _MOST_DIGITS:
                raise YamlProblem(f"has a number of {len(node.value)} characters", _line(node))
            entered[id(node)] = node
            stack.append((node, True))
            stack += [(child, False) for child in below]


def _below(node: Any) -> List[Any]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _line(node_or_event: Any) -> int:
    return int(node_or_event.start_mark.line) + 1


class _StrictLoader(_BASE):  # type: ignore[misc]
    """Refuses a key that is given twice; PyYAML would take the last and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (str, int)) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            if isinstance(key, (str, int)):
                seen.add(key)
        found: Dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, datetime.datetime):
        return Moment(value.isoformat(sep=" "))
    if isinstance(value, datetime.date):
        return Day(value.isoformat())
    return value
