"""A file of model inputs, as ``nlb-evalai inputs build`` and the reference write it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Optional, Tuple, Type

import h5py
import numpy as np

from nlb_evalai.diagnostics.base import NotHadError
from nlb_evalai.errors import ToolError

TRAIN_HELDOUT = "train_spikes_heldout"
EVAL_HELDIN = "eval_spikes_heldin"


class InputsFile:
    """Model inputs, open.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ToolError
        If it is no HDF5 file that can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise ToolError(f"{path}: cannot be read as HDF5: {error}") from None

    def __enter__(self) -> InputsFile:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._file.close()

    def spikes(self, group: str, name: str, shape: Tuple[Optional[int], ...]) -> np.ndarray:
        """Spikes per bin (trials, bins, neurons), float32.

        Parameters
        ----------
        group, name : str
        shape : tuple of int or None
            What is expected; None for any length.

        Raises
        ------
        NotHadError
            If they are not there, not of that shape, or no numbers.
        """
        where = f"{self.path.name}, {group}/{name}"
        try:
            found = self._file[group][name]
            if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiub":
                raise NotHadError(f"{where}: found no array of numbers")
            if len(found.shape) != 3 or any(
                want not in (None, got) for got, want in zip(found.shape, shape)
            ):
                expected = ", ".join("any" if n is None else str(n) for n in shape)
                raise NotHadError(f"{where}: found shape {found.shape}, expected ({expected})")
            return np.asarray(found[()], np.float32)
        except KeyError:
            raise NotHadError(f"{where} is missing") from None
        except (OSError, RuntimeError) as error:
            raise NotHadError(f"{where} cannot be read: {error}") from None
