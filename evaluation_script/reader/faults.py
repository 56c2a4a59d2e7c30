"""What went wrong between scorer and reader, in words for the participant."""

from __future__ import annotations

import logging
import signal
from typing import Any, Mapping, Optional, Sequence

from ..errors import EvaluationError, InternalError, LimitError, SubmissionError
from ..text import printable

logger = logging.getLogger(__name__)

_CRASHES = (
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE),
    *(signal.SIGILL, signal.SIGSYS, signal.SIGTRAP),
)
#: lines of the end of its standard error that the host is shown
_LAST_LINES = 20
#: what HDF5 itself cannot tell from damage
_TOO_NEW = "written with libver='latest' by a newer HDF5 library than the server's"


def not_started(how: str, words: str = "") -> InternalError:
    """There is no reader, and the file was never touched: the server's fault.

    Parameters
    ----------
    how : str
        What happened, for the host.
    words : str
        What the process said on standard error.
    """
    lines = [printable(line, most=300) for line in words.splitlines()[-_LAST_LINES:]]
    logger.error("the reader could not start: %s", "\n  ".join([how, *lines]))
    return InternalError(
        "the server could not start reading the file; this is no fault of the file, "
        "the organizers find the details in their log: please tell them"
    )


def _at(where: Optional[str]) -> str:
    return f" at {where}" if where else " while opening it"


def limit(what: str, where: Optional[str]) -> LimitError:
    """The reader hit a limit; ``where`` is the array that it was reading, None before the first."""
    return LimitError(f"the file could not be read: the reader {what}{_at(where)}")


def misbehaved(where: Optional[str]) -> SubmissionError:
    """The reader answered nonsense."""
    return SubmissionError([f"the file could not be read: the reader went astray{_at(where)}"])


def reported(
    answer: Mapping[str, Any], expected: Sequence[str], where: Optional[str]
) -> EvaluationError:
    """What the reader itself reported.

    Parameters
    ----------
    answer : mapping
        Its ``error`` is ``open``, ``writing``, ``memory`` or ``data``.
    expected : sequence of str
        The arrays that were asked for together; empty while the file is opened.
    where : str, optional
        The first of them.
    """
    if answer["error"] == "open":
        return SubmissionError(
            [f"the file is not an HDF5 file, or is damaged or cut short, or {_TOO_NEW}"]
        )
    if answer["error"] == "writing":
        return SubmissionError(
            [
                "the file is marked as open for writing: it was copied while a program wrote it, "
                "or that program ended without closing it; close it there and submit it again, or "
                "clear the mark with h5clear -s if the file is complete"
            ]
        )
    # Several arrays are read at a time; only a name that was asked for is repeated.
    said = answer.get("where")
    named = next((path for path in expected if path == said), where or "the file")
    if answer["error"] == "memory":
        return limit("ran out of memory", named if expected else None)
    reasons = f"damaged or cut short, or {_TOO_NEW}?"
    return SubmissionError([f"{named}: the data cannot be read; {reasons}"])


def ended(code: int, where: Optional[str]) -> EvaluationError:
    """The reader's process ended with that code before it had answered."""
    logger.warning("the reader of a submission ended with code %s%s", code, _at(where))
    if code < 0:
        if -code == signal.SIGXCPU:
            return limit("used too much CPU time", where)
        if -code in _CRASHES:
            return SubmissionError(
                [f"the file could not be read: it crashed the HDF5 library{_at(where)}"]
            )
        return limit("was killed", where)
    return limit("ended unexpectedly", where)
