"""A sign of life in a file, for container health checks.

``python -m nlb_evalai.remote.health FILE [SECONDS]`` exits with 0 if every loop of the worker
gave a sign within so many seconds (180 unless told).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List

MAX_AGE_SECONDS = 180.0
_WRITE_EVERY_SECONDS = 1.0


class Health:
    """Writes, at most once a second, when each loop was last seen and what it does.

    A full disk must not end a worker: a sign that cannot be written is left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._loops: Dict[str, Dict[str, Any]] = {}
        self._written = 0.0

    def beat(self, loop: str, doing: str) -> None:
        """A sign of life of one loop."""
        now = time.time()
        with self._lock:
            changed = self._loops.get(loop, {}).get("doing") != doing
            self._loops[loop] = {"seen": now, "doing": doing}
            if not changed and now - self._written < _WRITE_EVERY_SECONDS:
                return
            self._written = now
            text = json.dumps({"pid": os.getpid(), "loops": self._loops})
            temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
            try:
                temporary.write_text(text, encoding="utf-8")
                temporary.replace(self._path)
            except OSError:
                temporary.unlink(missing_ok=True)


def problem(path: Path, max_age_seconds: float = MAX_AGE_SECONDS) -> str:
    """Why a worker is not healthy; empty if it is."""
    try:
        loops = json.loads(path.read_text(encoding="utf-8"))["loops"]
        ages = {name: time.time() - loop["seen"] for name, loop in loops.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path}: no health file"
    late = [f"{name} ({age:.0f} s)" for name, age in ages.items() if age > max_age_seconds]
    return f"no sign of life of {', '.join(late)}" if late else ""


def main(arguments: List[str]) -> int:
    """0 if healthy."""
    max_age_seconds = float(arguments[1]) if len(arguments) > 1 else MAX_AGE_SECONDS
    found = problem(Path(arguments[0]), max_age_seconds)
    if found:
        sys.stderr.write(found + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
