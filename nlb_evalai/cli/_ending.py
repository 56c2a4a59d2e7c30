"""What a command says at the end of an error, and how it exits."""

from __future__ import annotations

from typing import Optional, Tuple

from evaluation_script.errors import EvaluationError
from nlb_evalai.cli._terminal import printable_lines
from nlb_evalai.errors import NOT_SEEN, ToolError
from nlb_evalai.extras import what_is_missing


def ending_of(error: Exception) -> Optional[Tuple[str, int]]:
    """Message and exit code of an error that is for the user; None of any other.

    Such are those made on purpose, those of files, and a missing module that an extra brings. What
    is wrong with a host's truth or storage is not for participants, but it is for tools.
    """
    if isinstance(error, ToolError):
        return printable_lines(str(error)), error.exit_code
    if isinstance(error, EvaluationError):
        return printable_lines(str(getattr(error, "detail", None) or error)), NOT_SEEN
    if isinstance(error, ModuleNotFoundError):
        missing = what_is_missing(error)
        return (missing, NOT_SEEN) if missing else None
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return printable_lines(f"{where}{error.strerror or error}"), NOT_SEEN
    return None
