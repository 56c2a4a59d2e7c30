"""Git LFS pointers: a few lines of text that stand for a large file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

_FORM = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:[a-z0-9.-]+ [^\n]*\n)*?"
    rb"oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,18})\n?"
)
#: the specification's limit
_MOST_BYTES = 1024


@dataclass(frozen=True)
class LfsPointer:
    """What a pointer stands for: a file of ``n_bytes`` with that hash."""

    sha256: str
    n_bytes: int

    def __str__(self) -> str:
        return (
            f"a Git LFS pointer, not the file: {self.n_bytes / 1e6:.1f} MB are behind it (sha256 "
            f"{self.sha256}); fetch the file itself, as with git lfs pull"
        )


def read_lfs_pointer(path: Path) -> Optional[LfsPointer]:
    """The pointer that a file is; None if it is anything else.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        found = _FORM.fullmatch(file.read(_MOST_BYTES + 1))
    return LfsPointer(found.group(1).decode(), int(found.group(2))) if found else None
