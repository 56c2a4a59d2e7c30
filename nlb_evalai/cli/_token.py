"""The token of a user of EvalAI, from the environment or a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from nlb_evalai.errors import ToolError


def take_token(variable: str, path: Optional[Path]) -> str:
    """The token; taken out of the environment, which every process started here would see.

    The block that this process itself was started with cannot be changed, so a token from the
    variable stays readable in ``/proc/PID/environ``, to this user and to root: ``--token-file`` is
    for machines where that is too much.

    Parameters
    ----------
    variable : str
        The environment variable that may hold it.
    path : Path or None
        A file that holds it instead.

    Raises
    ------
    ToolError
        If there is none, it cannot be read, or it is not one word.
    """
    found = os.environ.pop(variable, "")
    if path is not None:
        try:
            found = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ToolError(f"{path}: the token cannot be read") from None
    found = found.strip()
    if not found:
        raise ToolError(
            f"no token: put the one from your EvalAI profile into {variable}, or into a file that "
            "--token-file names"
        )
    if not found.isascii() or not found.isprintable() or " " in found:
        raise ToolError("the token: found spaces or odd characters, expected one word")
    return found
