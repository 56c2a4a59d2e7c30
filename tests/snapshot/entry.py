"""The entry points that the snapshots go through; whoever moves one mends this file alone.

``nlb_evalai`` is imported on use: the scorer's snapshots run where it is not installed.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple
from unittest import mock

from evaluation_script import evaluate

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
GOLDEN = DATA / "golden"
SESSIONS = DATA / "sessions"
OLD = DATA / "old"

#: receipt fields that differ from run to run, or from machine to machine
_PASSING = ("created_at", "seconds", "peak_memory_mib", "reader", "versions")
_WIDTH = "160"


# ---- the scorer -------------------------------------------------------------------------------


def evaluated(truth: Path, submission: Path, phase: str, files: bool = False) -> Dict[str, Any]:
    """All that ``evaluate`` returns and prints, or how it refuses.

    ``files`` keeps the hashes of the two files; only those of committed files are the same
    everywhere.
    """
    stdout = io.StringIO()
    try:
        with redirect_stdout(stdout):
            answer = evaluate(str(truth), str(submission), phase)
    except Exception as error:  # noqa: BLE001 - a refusal is an answer, and so is a bug
        return refusal(error)
    return told(answer, stdout.getvalue(), files)


def refusal(error: Exception) -> Dict[str, Any]:
    """The kind of an error and its words."""
    return {"refused": type(error).__name__, "message": str(error).split("\n")}


def told(answer: Dict[str, Any], stdout: str, files: bool = False) -> Dict[str, Any]:
    """An answer of ``evaluate`` as it is compared; keys that nobody knows stay as they are."""
    found = dict(answer)
    # JSON's keys are sorted, and EvalAI's boards depend on the order: it stands by itself
    for key in ("result", "error"):
        if key in found:
            rows = [(split, labels) for row in found[key] for split, labels in row.items()]
            found[key] = {split: dict(labels) for split, labels in rows}
            found[f"{key}_order"] = [f"{split}: {', '.join(labels)}" for split, labels in rows]
    if "submission_metadata" in found:
        found["submission_metadata"] = lasting(found["submission_metadata"], files)
    return {**found, "stdout": stdout.splitlines()}


def lasting(receipt: Dict[str, Any], files: bool = False) -> Dict[str, Any]:
    """A receipt without what passes: versions, times, memory, and hashes unless ``files``."""
    dropped = _PASSING if files else (*_PASSING, "files")
    kept = {key: value for key, value in receipt.items() if key not in dropped}
    kept["groups"] = {
        name: {key: value for key, value in group.items() if key not in _PASSING}
        for name, group in receipt.get("groups", {}).items()
    }
    return kept


# ---- the tools --------------------------------------------------------------------------------


class Ran(NamedTuple):
    """A finished command."""

    code: int
    out: str
    err: str


def command(*arguments: object) -> Ran:
    """Run ``nlb-evalai`` with these arguments in this process, as its entry point does."""
    from nlb_evalai.cli import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    with _as_in_a_pipe(), redirect_stdout(out), redirect_stderr(err):
        sys.argv = ["nlb-evalai", *map(str, arguments)]
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Ran(code, out.getvalue(), err.getvalue())


def succeeded(*arguments: object) -> Ran:
    """:func:`command`, which must end well."""
    ran = command(*arguments)
    assert ran.code == 0, f"{arguments}: exit {ran.code}\n{ran.out}\n{ran.err}"
    return ran


@contextmanager
def _as_in_a_pipe() -> Iterator[None]:
    """One width for all output, and no handlers of pytest's between a log and stderr."""
    logger, plain = logging.getLogger(), {**os.environ, "COLUMNS": _WIDTH}
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "NO_COLOR", "LINES"):
        plain.pop(name, None)
    with (
        mock.patch.object(sys, "argv", []),
        mock.patch.object(logger, "handlers", []),
        mock.patch.dict(os.environ, plain, clear=True),
    ):
        yield


def said(ran: Ran, folder: Path) -> Dict[str, Any]:
    """Exit code and output of a command, without the paths of this machine."""
    return {
        "exit": ran.code,
        "stdout": plain_lines(ran.out, folder),
        "stderr": plain_lines(ran.err, folder),
    }


def plain_lines(text: str, folder: Path) -> List[str]:
    """Lines without the folder's and the checkout's paths, hashes, and trailing blanks."""
    replaced: List[Tuple[str, str]] = [(str(folder), "FOLDER"), (str(ROOT), "ROOT")]
    for path, name in replaced:
        text = text.replace(path, name)
    text = re.sub(r"\b[0-9a-f]{64}\b", "SHA256", text)
    return [line.rstrip() for line in text.splitlines()]
