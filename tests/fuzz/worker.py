"""Scores files named on standard input, with our scorer or with the reference; a line for each.

Run as a program, so that a death is seen and survived by whoever asked.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import warnings
from pathlib import Path
from typing import Any, Dict, List

REPOSITORY = Path(__file__).parents[2]
REFERENCE_SECONDS = 60


def _flat(result: List[Dict[str, Dict[str, Any]]]) -> Dict[str, float]:
    return {
        f"{split} {label}": float(value)
        for entry in result
        for split, scores in entry.items()
        for label, value in scores.items()
    }


def ours(truth: str, submission: str) -> Dict[str, Any]:
    """Full-precision scores, or how the file was refused."""
    from evaluation_script.errors import EvaluationError, InternalError
    from evaluation_script.main import evaluate

    try:
        sys.stdout, genuine = sys.stderr, sys.stdout
        try:
            return {"scores": _flat(evaluate(truth, submission, "val")["result"])}
        finally:
            sys.stdout = genuine
    except InternalError as error:
        return {"fault": str(error)}
    except EvaluationError as error:
        return {"refused": type(error).__name__, "message": str(error)}
    except BaseException as error:  # noqa: BLE001 - what must never happen is what we look for
        return {"fault": repr(error)}


def reference(truth: str, submission: str) -> Dict[str, Any]:
    """The reference's scores from a process of their own, or how that ended."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        signal.alarm(REFERENCE_SECONDS)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        try:
            from nlb_tools.evaluation import evaluate

            answer: Dict[str, Any] = {"scores": _flat(evaluate(truth, submission))}
        except BaseException as error:  # noqa: BLE001
            answer = {"failed": f"{type(error).__name__}: {error}"[:300]}
        os.write(send, json.dumps(answer).encode())
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as stream:
        data = stream.read()
    _, status = os.waitpid(child, 0)
    if not data:
        return {"failed": f"ended with status {status}"}
    found: Dict[str, Any] = json.loads(data)
    return found


def differences(mine: Dict[str, float], theirs: Dict[str, float]) -> List[str]:
    """Scores that are not the reference's to 1e-9; undefined ones are left out by us."""
    found = []
    for key in sorted(mine.keys() | theirs.keys()):
        expected = theirs.get(key)
        if key not in mine:
            if expected is not None and math.isfinite(expected):
                found.append(f"{key}: left out, the reference has {expected}")
        elif expected is None:
            found.append(f"{key}: {mine[key]}, the reference has none")
        elif not abs(mine[key] - expected) <= 1e-9 * max(1.0, abs(expected)):
            found.append(f"{key}: {mine[key]}, the reference has {expected}")
    return found


def main() -> None:
    kind, truth = sys.argv[1:]
    sys.path.insert(0, str(REPOSITORY))
    warnings.simplefilter("ignore")
    score = ours if kind == "ours" else reference
    if kind == "reference":
        import nlb_tools.evaluation  # noqa: F401 - once, before the forks
    for line in sys.stdin:
        print(json.dumps(score(truth, line.rstrip("\n"))), flush=True)


if __name__ == "__main__":
    main()
