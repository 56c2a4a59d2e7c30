"""The few exceptions, one for each reader of the message.

A message goes to a participant word for word. It never holds a path, a detail of the ground
truth, or the text of a foreign exception.
"""

from __future__ import annotations

from typing import List, Sequence

from .text import listed

#: what a participant reads; the details go to the host's log
HOST_MUST_MEND = (
    "the ground truth of this phase cannot be used; this is no fault of your file. "
    "The organizers must mend it: please tell them, and submit again later"
)

#: marks a log record whose text is the ``detail`` of the error that is raised next
IN_ERROR = {"in_error": True}

#: More problems than this are counted, not listed.
MAX_PROBLEMS_LISTED = 50


class EvaluationError(Exception):
    """Root of everything this package raises on purpose."""


class SubmissionError(EvaluationError):
    """The participant's file is at fault; lists every problem found.

    Parameters
    ----------
    problems : sequence of str
        One line each, as ``mc_maze/eval_rates_heldout: found …, expected …``.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems: List[str] = list(problems)
        super().__init__(listed("submission rejected,", self.problems, most=MAX_PROBLEMS_LISTED))


class LimitError(EvaluationError):
    """Reading the submission hit a limit of the server (memory, time) or ended the reader."""


class AnnotationError(EvaluationError):
    """The host's ground truth is missing, corrupt, or of another phase.

    ``str(error)`` is for participants and says no more than that; ``detail`` is for hosts: it is
    in the log, and what the tools print. It holds no credentials.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(HOST_MUST_MEND)
        self.detail = detail


class InternalError(EvaluationError):
    """A fault of the scorer itself."""
