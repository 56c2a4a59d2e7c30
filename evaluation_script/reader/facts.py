"""What the helper process says about a file, checked before the scorer believes a word of it.

The helper handles hostile bytes, so its answers are input like any other: of the right form and
within bounds, or no answer at all.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any, Collection, Dict, FrozenSet, Mapping, Sequence

import numpy as np

_LINKS = frozenset({"hard", "soft", "external", "user-defined"})
_KINDS = frozenset({"group", "dataset", "datatype", "damaged object"})
_LAYOUTS = frozenset({"compact", "contiguous", "chunked", "virtual", "unknown"})
_NUMBER_TYPE = re.compile(r"[<>|][fiu][0-9]{1,2}")
_WORDS = re.compile(r"[a-z ,()-]{1,60}")
_MOST = 1 << 64
_MAX_AXES = 32
_MAX_NAMES = 64
_MAX_NAME_LENGTH = 1000


def checked_walls(walls: Any, known: Collection[str]) -> Dict[str, bool]:
    """Which walls stand around the helper, as it says before it touches the file.

    Raises
    ------
    ValueError
        If that is no answer.
    """
    _need(isinstance(walls, dict) and walls.keys() <= set(known))
    _need(all(type(stands) is bool for stands in walls.values()))
    return {name: bool(walls.get(name)) for name in known}


def checked(facts: Any, wanted: Mapping[str, Sequence[str]]) -> Dict[str, Any]:
    """The facts, if they are an answer to what was asked.

    Parameters
    ----------
    facts : object
        Whatever came as JSON.
    wanted : mapping of str to sequence of str
        Names of groups, and of arrays in them, that were asked for.

    Returns
    -------
    dict
        Of a member that is not what it should be, only what it is: ``link`` and ``kind``.

    Raises
    ------
    ValueError
        If a field is missing, of the wrong type or out of bounds.
    """
    _need(isinstance(facts, dict))
    _check_names(facts)
    groups = facts.get("groups")
    _need(isinstance(groups, dict) and groups.keys() <= wanted.keys())
    return {**facts, "groups": {k: _checked_group(v, wanted[k]) for k, v in groups.items()}}


def _checked_group(group: Any, wanted: Sequence[str]) -> Dict[str, Any]:
    if not _is_hard(group, "group"):
        return _only_kind(group)
    _check_names(group)
    arrays = group.get("arrays")
    _need(isinstance(arrays, dict) and arrays.keys() <= set(wanted))
    return {**group, "arrays": {name: _checked_array(array) for name, array in arrays.items()}}


def _only_kind(member: Mapping[str, Any]) -> Dict[str, Any]:
    kind = member["kind"] if member["link"] == "hard" else None
    return {"link": member["link"], "kind": kind}


def _need(condition: bool) -> None:
    if not condition:
        raise ValueError("the reader answered nonsense")


def _check_names(facts: Mapping[str, Any]) -> None:
    other = facts.get("other")
    _need(_is_count(facts.get("members")))
    _need(isinstance(other, list) and len(other) <= _MAX_NAMES)
    for name in other or ():
        _need(isinstance(name, str) and len(name) <= _MAX_NAME_LENGTH)


def _is_hard(facts: Any, kind: str) -> bool:
    """Whether a member is a real object of that kind, after checking that it is any at all."""
    _need(isinstance(facts, dict) and _is_one_of(facts.get("link"), _LINKS))
    if facts["link"] != "hard":
        return False
    _need(_is_one_of(facts.get("kind"), _KINDS))
    return bool(facts["kind"] == kind)


def _checked_array(facts: Any) -> Dict[str, Any]:
    if not _is_hard(facts, "dataset"):
        return _only_kind(facts)
    _need(_is_one_of(facts.get("layout"), _LAYOUTS))
    _need(_is_count(facts.get("external")) and _is_count(facts.get("stored_bytes")))
    shape, chunks, dtype = facts.get("shape"), facts.get("chunks"), facts.get("dtype")
    _need(shape is None or _are_counts(shape))
    if chunks is not None:
        _need(_are_counts(chunks) and all(size > 0 for size in chunks))
        _need(shape is not None and len(chunks) == len(shape))
    written = facts.get("chunks_written")
    _need(written is None or (_is_count(written) and chunks is not None))
    _need(_are_counts(facts.get("filters")))
    _need(dtype is None or _is_number_type(dtype))
    words = facts.get("type_class")
    _need(isinstance(words, str) and _WORDS.fullmatch(words) is not None)
    return dict(facts)


def _is_number_type(name: object) -> bool:
    """Whether numpy knows a real number type by that name."""
    if not isinstance(name, str) or _NUMBER_TYPE.fullmatch(name) is None:
        return False
    with contextlib.suppress(TypeError):
        return bool(np.dtype(name).str == name)
    return False


def _is_one_of(value: object, words: FrozenSet[str]) -> bool:
    return isinstance(value, str) and value in words


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _are_counts(values: object) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= _MAX_AXES
        and all(_is_count(value) for value in values)
    )
