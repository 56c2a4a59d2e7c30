"""What the scoring program of a phase is told, in ``task.json`` beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

TASK_NAME = "task.json"
TRUTH_NAME = "truth.h5"


@dataclass(frozen=True)
class Task:
    """``phase`` is the suite's; of a ``board`` only that one's scores are asked for and given."""

    phase: str
    board: Optional[str]
    limit_seconds: int

    def as_json(self) -> bytes:
        """The file's content."""
        return (json.dumps(asdict(self), indent=1) + "\n").encode("ascii")


def parse_task(text: bytes) -> Task:
    """Read it back.

    Raises
    ------
    ValueError
        If it is not laid out so.
    """
    found = json.loads(text)
    try:
        task = Task(found["phase"], found["board"], found["limit_seconds"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"no task: {error}") from None
    right = isinstance(task.phase, str) and isinstance(task.board, (str, type(None)))
    if not right or type(task.limit_seconds) is not int or task.limit_seconds < 1:
        raise ValueError("no task: found values of other types")
    return task


def read_task(folder: Path) -> Task:
    """The task of a scoring program that lies in a folder."""
    return parse_task((folder / TASK_NAME).read_bytes())
