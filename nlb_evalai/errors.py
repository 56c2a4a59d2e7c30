"""The root of the errors that the command line shows without a traceback."""

from __future__ import annotations

from typing import Sequence

from evaluation_script.text import listed, printable


class ToolError(Exception):
    """Something the user can mend; the message says where, what was found and expected."""


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
    """

    def __init__(self, head: str, problems: Sequence[str], what: str = "problem") -> None:
        self.problems = [printable(problem) for problem in problems]
        super().__init__(listed(printable(head), self.problems, what))
