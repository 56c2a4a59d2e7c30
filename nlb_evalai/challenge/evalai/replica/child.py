"""The process that plays EvalAI's submission worker. Run by file path; standard library only.

It reads one request a line (JSON) on standard input and answers each with one line. The challenge
is imported once and kept; only ``Exception`` is caught around ``evaluate``: what else is raised
ends the worker there, and so it does here.
"""

from __future__ import annotations

import importlib
import json
import logging
import logging.config
import logging.handlers
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Dict, List, TextIO


class MultiOut:
    """What EvalAI puts in place of ``sys.stdout``: it can write, and no more."""

    def __init__(self, *handles: TextIO) -> None:
        self.handles = handles

    def write(self, text: str) -> None:
        """Write to every handle."""
        for handle in self.handles:
            handle.write(text)


def describe(value: Any) -> Any:
    """A value with its exact types, as JSON: ``["float", "0.5"]``, ``["dict", [[k, v], …]]``."""
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    if kind is dict:
        return [name, [[describe(key), describe(item)] for key, item in value.items()]]
    if kind in (list, tuple):
        return [name, [describe(item) for item in value]]
    if value is None or kind in (bool, str):
        return [name, value]
    if isinstance(value, (int, float)):
        return [name, repr(float(value)) if isinstance(value, float) else str(int(value))]
    return [name, repr(value)[:200]]


def load(request: Dict[str, Any]) -> Dict[str, Any]:
    """Import the challenge as a package, the way the worker does."""
    sys.path.insert(0, request["folder"])
    # Relatives of the checkout must not lend the bundle what it does not hold.
    leaks = [name for name in request["forbidden"] if _importable(name)]
    if leaks:
        return {"failed": f"the replica is no fresh environment: {', '.join(leaks)} importable"}
    try:
        module = importlib.import_module(request["package"])
    except Exception:  # noqa: BLE001 - EvalAI catches as much
        return {"failed": traceback.format_exc()}
    if not callable(getattr(module, "evaluate", None)):
        return {
            "late": "the package has no evaluate: __init__.py at the root of evaluation_script.zip "
            "must expose it. EvalAI loads this, and then fails every submission"
        }
    return {}


def _importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def evaluate(request: Dict[str, Any]) -> Dict[str, Any]:
    """Call ``evaluate`` with redirected output, and tell everything that came of it."""
    module = sys.modules[request["package"]]
    started = time.perf_counter()
    answer: Dict[str, Any] = {}
    with Path(request["stdout"]).open("a") as out, Path(request["stderr"]).open("a") as err:
        real = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = MultiOut(out), MultiOut(err)  # type: ignore[assignment]
        try:
            output = module.evaluate(
                request["annotation"],
                request["submission"],
                request["phase_codename"],
                submission_metadata=request["metadata"],
            )
            answer["output"] = describe(output)
        except Exception:  # noqa: BLE001 - and no more: SystemExit ends its worker
            err.write(traceback.format_exc())
            answer["failed"] = True
        finally:
            sys.stdout, sys.stderr = real
    answer["seconds"] = time.perf_counter() - started
    answer["open_files"] = _open_files([request["annotation"], request["submission"]])
    answer["peak_mib"] = _peak_mib()
    return answer


def suite(request: Dict[str, Any]) -> Dict[str, Any]:
    """What the suite of that name scores; of no name, the one with these splits, or the default.

    Nothing where the script knows no suites.
    """
    try:
        suites = importlib.import_module(request["package"] + ".suites")
    except ImportError:
        return {}
    try:
        shown = [n for n in suites.names() if {*request["splits"]} & {*suites.find(n).splits()}]
        name = request["suite"] or [*shown, suites.DEFAULT][0]
        return {"scored": told_of(suites.find(name))}
    except Exception as error:  # noqa: BLE001 - a stranger's code
        return {"failed": f"{type(error).__name__}: {error}"}


def told_of(suite: Any) -> Dict[str, Any]:
    """The phases of a suite, and the labels of each split, as plain text."""
    return {
        "suite": str(suite.name),
        "phases": [str(phase.codename) for phase in suite.phases],
        "splits": {
            str(suite.split(board, width)): [str(label) for label in suite.labels(board)]
            for board in suite.boards()
            for width in suite.board_widths(board)
        },
    }


def rates(request: Dict[str, Any]) -> Dict[str, Any]:
    """The arrays of a submission that fits a truth, as :func:`constant_rates` tells them."""
    annotation = importlib.import_module(request["package"] + ".annotation")
    try:
        with annotation.Annotation(request["annotation"], request["phase_codename"]) as truth:
            return {"rates": constant_rates(truth)}
    except Exception as error:  # noqa: BLE001 - a stranger's code
        return {"failed": str(getattr(error, "detail", None) or error)}


def constant_rates(truth: Any) -> List[List[Any]]:
    """What a submission of constant rates needs to know of a truth (an open ``Annotation``).

    Returns
    -------
    list of [group, array, shape, name]
        ``name`` is the truth's array of spike counts with the same axes, from which mean rates can
        be taken; None where there is none.
    """
    found = []
    for group, layout in truth.layouts.items():
        known = dict.fromkeys(array for metric in layout.metrics for array in metric.truth)
        for part in layout.required() + layout.optional():
            for rates in part.arrays:
                same = [a.name for a in known if a.kind.name == "COUNTS" and a.axes == rates.axes]
                shape = [length or 1 for length in layout.shape(rates)]
                found.append([group, rates.name, shape, same[0] if same else None])
    return found


def _open_files(paths: List[str]) -> List[str]:
    """Which of these the process still holds open (Linux only)."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return []
    held = {os.path.realpath(entry) for entry in folder.iterdir()}
    return [path for path in paths if os.path.realpath(path) in held]


def _peak_mib() -> float:
    """Most memory that this process ever held, MiB; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if status.is_file():
        # not ru_maxrss, which on Linux starts with what the parent held
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _logging(path: str) -> Dict[str, Any]:
    """EvalAI's settings in production: the console is for development alone, and the file lies in
    the container, where no host can look."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"require_debug_true": {"()": _RequireDebugTrue}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "filters": ["require_debug_true"]},
            "logfile": {
                "class": "logging.handlers.RotatingFileHandler",
                "filename": path,
                "maxBytes": 50_000,
                "backupCount": 10,
            },
        },
        "root": {"level": "INFO", "handlers": ["console", "logfile"]},
    }


class _RequireDebugTrue(logging.Filter):
    """Django's filter of that name, where DEBUG is off."""

    def filter(self, record: logging.LogRecord) -> bool:
        return False


def main() -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints must not break the protocol
    logging.config.dictConfig(_logging(sys.argv[1]))
    actions = {"load": load, "evaluate": evaluate, "suite": suite, "rates": rates}
    for line in sys.stdin:
        request = json.loads(line)
        answers.write(json.dumps(actions[request["action"]](request)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
