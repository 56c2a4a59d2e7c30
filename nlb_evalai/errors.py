"""The root of the errors that the command line shows without a traceback, and its exit codes."""

from __future__ import annotations

from typing import Optional, Sequence

from evaluation_script.text import listed, printable

#: exit codes: what was looked at is not fit; it could not be looked at, or a command not be run
NOT_FIT, NOT_SEEN = 1, 2


class ToolError(Exception):
    """Something the user can mend; the message says where, what was found and expected.

    ``exit_code`` is how a command ends: :data:`NOT_SEEN`, unless it is given.
    """

    exit_code = NOT_SEEN

    def __init__(self, message: str = "", *, exit_code: Optional[int] = None) -> None:
        if exit_code is not None:
            self.exit_code = exit_code
        super().__init__(message)


class ProblemsError(ToolError):
    """Several things are wrong with one thing; the message counts and lists them all.

    Parameters
    ----------
    head : str
        What is wrong as a whole, with the mark that goes before the count, as ``file.csv:``.
    problems : sequence of str
        They come one on a line each, with the text of strangers made visible.
    what : str
        What one of them is called.
    exit_code : int, optional
        :data:`NOT_FIT`, unless the thing could not even be looked at.
    """

    exit_code = NOT_FIT

    def __init__(
        self,
        head: str,
        problems: Sequence[str],
        what: str = "problem",
        *,
        exit_code: Optional[int] = None,
    ) -> None:
        self.problems = [printable(problem) for problem in problems]
        super().__init__(listed(printable(head), self.problems, what), exit_code=exit_code)
