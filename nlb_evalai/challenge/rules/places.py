"""Every place of a config that a path means: ``[]`` is each entry of a list, ``{}`` each value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional

from evaluation_script.text import printable

_LONGEST_KEY = 60


@dataclass(frozen=True)
class Place:
    """A value of the config and where it is; not ``there`` if what holds it has no such key."""

    where: str
    value: Any
    there: bool = True
    holder: Optional[Place] = None


def places(config: Dict[str, Any], path: str) -> Iterator[Place]:
    """Every place of a path, where what holds it is of the right form."""
    if not path:
        yield Place("", config)
        return
    above, _, last = path.rpartition(".")
    key = re.sub(r"(\[\]|\{\})*$", "", last)
    for holder in places(config, above):
        if isinstance(holder.value, dict):
            where = f"{holder.where}.{key}" if holder.where else key
            found = [Place(where, holder.value.get(key), key in holder.value, holder)]
            for step in re.findall(r"\[\]|\{\}", last[len(key) :]):
                found = [inner for outer in found for inner in _inside(outer, step)]
            yield from found


def _inside(place: Place, step: str) -> List[Place]:
    if step == "[]" and isinstance(place.value, list):
        return [Place(f"{place.where}[{i}]", value) for i, value in enumerate(place.value)]
    if step == "{}" and isinstance(place.value, dict):
        return [
            Place(f"{place.where}.{printable(key, most=_LONGEST_KEY)}", value)
            for key, value in place.value.items()
        ]
    return []
