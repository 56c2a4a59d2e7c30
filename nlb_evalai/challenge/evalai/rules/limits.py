"""How large a bundle and its members may be: what is read here, and what EvalAI's proxy takes."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path, PurePosixPath
from typing import Dict, List, Optional

MIB = 1024 * 1024
#: the body of a request, as EvalAI's proxy is set up
UPLOAD_MIB = 200
#: all members together, as they are once they are extracted
_TOTAL_MIB = 220
_MOST_MEMBERS = 2000
#: the evaluation script; each of its modules is parsed
_SCRIPT_MIB = 32
_MODULE_KIB, _MODULES_KIB, _LIST_KIB = 128, 1024, 64
#: what is read whole, by suffix
_MOST_BYTES = {
    **dict.fromkeys((".html", ".yaml", ".yml"), 256 * 1024),
    **dict.fromkeys((".png", ".jpg", ".jpeg"), 10 * MIB),
    ".zip": _SCRIPT_MIB * MIB,
}
READ_WHOLE_BYTES = max(_MOST_BYTES.values())

_END = b"PK\x05\x06"
_END_BYTES, _LONGEST_COMMENT = 22, 65535


def crowded(path: Path) -> Optional[str]:
    """Why a zip's directory is too long to be read; None if it is not, or if there is none.

    ``zipfile`` makes an object of each entry before anyone can ask how many there are.
    """
    with path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(max(0, length - _END_BYTES - _LONGEST_COMMENT))
        tail = file.read()
    start = tail.rfind(_END)
    if start < 0 or len(tail) - start < _END_BYTES:
        return None
    _, entries, directory_bytes = struct.unpack("<8xHHL", tail[start : start + 16])
    if entries > _MOST_MEMBERS or directory_bytes > _MOST_MEMBERS * 512:
        return f"has {entries:,} members or more, expected at most {_MOST_MEMBERS:,}"
    return None


def too_large(members: List[zipfile.ZipInfo]) -> Dict[str, str]:
    """Member -> why it is not read. A zip never yields more of a member than it declares."""
    found: Dict[str, str] = {}
    total = 0
    for member in members:
        size = member.file_size
        total += size
        if size > UPLOAD_MIB * MIB:
            found[member.filename] = (
                f"has {size / MIB:,.0f} MiB, and EvalAI takes bundles of {UPLOAD_MIB} MB at most: "
                "leave it out, or publish the truth and set remote_evaluation: true"
            )
        elif total > _TOTAL_MIB * MIB:
            found[member.filename] = (
                f"is {size / MIB:,.0f} MiB of more than {_TOTAL_MIB} MiB in all: "
                "leave out what EvalAI does not need"
            )
        elif size > _MOST_BYTES.get(PurePosixPath(member.filename).suffix.lower(), size):
            most = _MOST_BYTES[PurePosixPath(member.filename).suffix.lower()]
            found[member.filename] = (
                f"has {size / 1024:,.0f} KiB, expected at most {most // 1024:,}: shorten it"
            )
    return found


def script_fault(members: List[zipfile.ZipInfo]) -> Optional[str]:
    """Why an evaluation script is not looked into; None if it is of a size to be."""
    modules = [one for one in members if one.filename.endswith(".py")]
    total = sum(one.file_size for one in members)
    if len(members) > _MOST_MEMBERS or total > _SCRIPT_MIB * MIB:
        return (
            f"holds {len(members):,} files of {total / MIB:,.0f} MiB, expected at most "
            f"{_MOST_MEMBERS:,} of {_SCRIPT_MIB} MiB: leave data out"
        )
    largest = max(modules, key=lambda one: one.file_size, default=None)
    if largest is not None and largest.file_size > _MODULE_KIB * 1024:
        return (
            f"{largest.filename} has {largest.file_size / 1024:,.0f} KiB, expected a module of at "
            f"most {_MODULE_KIB}: move what is data into data files"
        )
    for one in members:
        if (
            PurePosixPath(one.filename).name == "requirements.txt"
            and one.file_size > _LIST_KIB * 1024
        ):
            return (
                f"{one.filename} has {one.file_size / 1024:,.0f} KiB, expected at most {_LIST_KIB}"
            )
    total = sum(one.file_size for one in modules)
    if total > _MODULES_KIB * 1024:
        return f"holds {total / 1024:,.0f} KiB of modules, expected at most {_MODULES_KIB}"
    return None
