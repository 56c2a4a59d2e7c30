"""How large a package and its members may be for them to be read here."""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Dict, List, Optional

MIB = 1024 * 1024
MOST_MEMBERS = 2000
#: programs; each of their modules is parsed
SCRIPT_MIB = 32
_MODULE_KIB, _MODULES_KIB, _LIST_KIB = 128, 1024, 64
#: what is read whole, by suffix
_MOST_BYTES = {
    **dict.fromkeys((".html", ".md", ".yaml", ".yml"), 256 * 1024),
    **dict.fromkeys((".png", ".jpg", ".jpeg"), 10 * MIB),
}
READ_WHOLE_BYTES = SCRIPT_MIB * MIB

_END = b"PK\x05\x06"
_END_BYTES, _LONGEST_COMMENT = 22, 65535


@dataclass(frozen=True)
class Limits:
    """What a platform's packages may have: one member, a zip in it, all members together.

    ``why`` and ``needless`` say of what is larger who takes no more, and what to leave out.
    """

    member_mib: int
    zip_mib: int
    total_mib: int
    why: str
    needless: str


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
    if entries > MOST_MEMBERS or directory_bytes > MOST_MEMBERS * 512:
        return f"has {entries:,} members or more, expected at most {MOST_MEMBERS:,}"
    return None


def too_large(members: List[zipfile.ZipInfo], limits: Limits) -> Dict[str, str]:
    """Member -> why it is not read. A zip never yields more of a member than it declares."""
    found: Dict[str, str] = {}
    total = 0
    most_bytes = {**_MOST_BYTES, ".zip": limits.zip_mib * MIB}
    for member in members:
        size = member.file_size
        total += size
        suffix = PurePosixPath(member.filename).suffix.lower()
        if size > limits.member_mib * MIB:
            found[member.filename] = f"has {size / MIB:,.0f} MiB, and {limits.why}"
        elif total > limits.total_mib * MIB:
            found[member.filename] = (
                f"is {size / MIB:,.0f} MiB of more than {limits.total_mib} MiB in all: "
                f"{limits.needless}"
            )
        elif size > most_bytes.get(suffix, size):
            found[member.filename] = (
                f"has {size / 1024:,.0f} KiB, expected at most {most_bytes[suffix] // 1024:,}: "
                "shorten it"
            )
    return found


def script_fault(members: List[zipfile.ZipInfo]) -> Optional[str]:
    """Why a program is not looked into; None if it is of a size to be."""
    modules = [one for one in members if one.filename.endswith(".py")]
    total = sum(one.file_size for one in members)
    if len(members) > MOST_MEMBERS or total > SCRIPT_MIB * MIB:
        return (
            f"holds {len(members):,} files of {total / MIB:,.0f} MiB, expected at most "
            f"{MOST_MEMBERS:,} of {SCRIPT_MIB} MiB: leave data out"
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
