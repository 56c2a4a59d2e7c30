"""The one file of an upload."""

from __future__ import annotations

from pathlib import Path

from evaluation_script.errors import SubmissionError
from evaluation_script.text import printable

_SUFFIXES = (".h5", ".hdf5")
#: the worker's own file, beside what was uploaded
_OF_THE_WORKER = "metadata"
_MOST_NAMED = 5


def the_file(folder: Path) -> Path:
    """The HDF5 file in what an upload's zip held, wherever it lies there.

    Raises
    ------
    SubmissionError
        If there is none, or more than one.
    """
    files = [path for path in sorted(folder.rglob("*")) if _counts(path.relative_to(folder), path)]
    found = [path for path in files if path.suffix.lower() in _SUFFIXES]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(_name(path, folder) for path in found[:_MOST_NAMED])
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise SubmissionError([f"upload: found {names}{more}, expected one HDF5 file in the zip"])
    names = ", ".join(_name(path, folder) for path in files[:_MOST_NAMED]) or "no file"
    raise SubmissionError(
        [
            f"upload: found {names}, expected a zip with one HDF5 file (.h5), and no file called "
            "metadata in it"
        ]
    )


def _counts(relative: Path, path: Path) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in relative.parts)
    own = relative.as_posix() == _OF_THE_WORKER
    return path.is_file() and not path.is_symlink() and not hidden and not own


def _name(path: Path, folder: Path) -> str:
    return printable(path.relative_to(folder).as_posix(), most=100)
