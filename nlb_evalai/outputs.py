"""What a command writes is never a file that it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable

from nlb_evalai.errors import ToolError


def spare_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over what the same command reads.

    A file is the same under another name too: another spelling of its path, a symbolic link, a
    hard link.

    Parameters
    ----------
    outputs : iterable of Path
        What is about to be written; nothing need be there yet.
    inputs : iterable of Path
        Files that are read.

    Raises
    ------
    ToolError
        Naming each output that is an input.
    """
    read = list(inputs)
    lost = [(out, path) for out in outputs for path in read if _is_same(out, path)]
    if lost:
        raise ToolError(
            "\n".join(
                f"{out}: would replace {path}, which this command reads; expected another name "
                "for the output"
                for out, path in dict(lost).items()
            )
        )


def _is_same(out: Path, path: Path) -> bool:
    try:
        return out.samefile(path)
    except OSError:  # one of them is not there
        return False
