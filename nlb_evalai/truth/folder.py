"""Which file of a folder is a phase's ground truth: one rule for the bundle and the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Optional

HDF5_SUFFIXES = (".h5", ".hdf5")
POINTER_SUFFIXES = (".yaml", ".yml")


def find_truth(folder: Path, name: str, *, pointer: bool = False) -> Optional[Path]:
    """The file of that name without its suffix; None if there is none.

    The HDF5 goes before a pointer beside it (``annotations publish`` leaves both), unless a
    ``pointer`` is wanted.
    """
    suffixes = (*HDF5_SUFFIXES, *POINTER_SUFFIXES)
    if pointer:
        suffixes = (*POINTER_SUFFIXES, *HDF5_SUFFIXES)
    for suffix in suffixes:
        path = folder / (name + suffix)
        if path.is_file():
            return path
    return None


def truths_in(folder: Path) -> Dict[str, Path]:
    """Name -> file, as :func:`find_truth` has it, of all truth in a folder."""
    suffixes = (*HDF5_SUFFIXES, *POINTER_SUFFIXES)
    names = sorted({path.stem for path in folder.iterdir() if path.suffix in suffixes})
    found = {name: find_truth(folder, name) for name in names}
    return {name: path for name, path in found.items() if path is not None}
