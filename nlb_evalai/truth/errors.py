"""What can be wrong with a host's or a modeler's files."""

from __future__ import annotations

from typing import Optional

from evaluation_script.text import printable
from nlb_evalai.errors import NOT_FIT, ProblemsError, ToolError


class SessionError(ToolError):
    """An NWB session cannot be used; the message names file, table and column, on one line."""

    exit_code = NOT_FIT

    def __init__(self, message: str, *, exit_code: Optional[int] = None) -> None:
        super().__init__(printable(message), exit_code=exit_code)


class AnnotationFileError(ProblemsError):
    """An annotation file does not hold what it should; lists every problem.

    One line each, as ``mc_maze/psth: found …, expected …``.
    """
