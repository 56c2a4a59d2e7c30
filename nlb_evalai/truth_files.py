"""Which file of a folder is a phase's ground truth: one rule for the bundle and the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

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
