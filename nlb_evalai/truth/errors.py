"""What can be wrong with a host's or a modeler's files."""

from __future__ import annotations

from typing import Sequence

from nlb_evalai.errors import ToolError


class SessionError(ToolError):
    """An NWB session cannot be used; the message names file, table and column."""


class AnnotationFileError(ToolError):
    """An annotation file does not hold what it should; lists every problem.

    Parameters
    ----------
    where : str
        The file.
    problems : sequence of str
        One line each, as ``mc_maze/psth: found …, expected …``.
    """

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        lines = [f"{where}: {count} problem{'s' if count != 1 else ''}"]
        lines += [f"  {problem}" for problem in self.problems]
        super().__init__("\n".join(lines))
