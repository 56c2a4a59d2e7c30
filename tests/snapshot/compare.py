"""Snapshots on disk, and what differs from them: numbers to 1e-12, everything else exactly."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Callable, Iterator

from .entry import DATA

SNAPSHOTS = DATA / "snapshot"
#: relative and absolute, whichever allows more
TOLERANCE = 1e-12
#: snapshots of what the scorer is not about, with the tolerance that other machines need
LOOSER = {"baseline": 1e-5}
_MOST_BYTES = 500_000
_MOST_LINES = 40


def record(name: str, found: Any) -> Path:
    """Write a snapshot: sorted keys, a line for each value."""
    path = SNAPSHOTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_encoded(found), encoding="utf-8")
    assert path.stat().st_size < _MOST_BYTES, f"{path}: too large to be read in a diff"
    return path


def assert_unchanged(name: str, collect: Callable[[Path], Any], folder: Path) -> None:
    """Collect anew, and fail with every value that differs."""
    expected = json.loads((SNAPSHOTS / f"{name}.json").read_text(encoding="utf-8"))
    found = json.loads(_encoded(collect(folder)))
    lines = list(differences(found, expected, tolerance=LOOSER.get(name, TOLERANCE)))
    more = [f"... and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    assert not lines, "\n".join(
        [
            f"{len(lines)} values of {name} changed; if they should have: "
            f"python -m tests.snapshot --record {name}",
            *lines[:_MOST_LINES],
            *more,
        ]
    )


def differences(
    found: Any, expected: Any, where: str = "", tolerance: float = TOLERANCE
) -> Iterator[str]:
    """One line for each value that is not what it was."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted({*found, *expected}):
            place = f"{where}/{key}"
            if key not in expected:
                yield f"{place}: is new: {found[key]!r:.200}"
            elif key not in found:
                yield f"{place}: is gone; was {expected[key]!r:.200}"
            else:
                yield from differences(found[key], expected[key], place, tolerance)
    elif isinstance(found, list) and isinstance(expected, list):
        for i, (one, other) in enumerate(zip(found, expected)):
            parted = list(differences(one, other, f"{where}[{i}]", tolerance))
            yield from parted
            if parted and len(found) != len(expected):
                break  # what follows is shifted
        if len(found) != len(expected):
            yield f"{where}: found {len(found)} items, expected {len(expected)}"
    elif not _same(found, expected, tolerance):
        yield f"{where}: found {found!r:.400}, expected {expected!r:.400}"


def _same(found: Any, expected: Any, tolerance: float) -> bool:
    if type(found) is float and type(expected) is float:
        if math.isnan(found) or math.isnan(expected):
            return math.isnan(found) and math.isnan(expected)
        return math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)
    return type(found) is type(expected) and bool(found == expected)


def _encoded(found: Any) -> str:
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
