"""Rates of a submission as its writer gets them: whole, on disk, or block by block."""

from __future__ import annotations

import math
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import numpy as np

from evaluation_script.arrays import Part
from evaluation_script.reader.buffer import TrialRange
from evaluation_script.submission.plan import Block

#: an array (trials, bins, neurons), in memory or on disk, or blocks of it along trials
Rates = Union[np.ndarray, Iterable[np.ndarray]]

#: chunks of about this size keep both of the reader's threads busy, and few in a file
_CHUNK_BYTES = 1 << 20
#: so many of them are written at a time
_CHUNKS_AT_A_TIME = 8


class Source:
    """Rates that come in blocks of trials, and what is known of them so far.

    Parameters
    ----------
    path : str
        ``group/name`` in the file.
    rates : array or iterable of arrays (trials, bins, neurons)
    part : Part
        What they belong to.

    Attributes
    ----------
    shape : tuple of int or None
        Of all trials that are known of; None before the first block of an iterable.
    faults : list of str
        What is wrong with the blocks themselves.
    """

    def __init__(self, path: str, rates: Rates, part: Part) -> None:
        self.path = path
        self.name = path.rpartition("/")[2]
        self.shape: Optional[Tuple[int, ...]] = None
        self.faults: List[str] = []
        self._rates = rates
        self._part = part
        self._type = np.dtype(np.float32)
        if hasattr(rates, "shape"):
            array: Any = rates
            self.shape = tuple(int(n) for n in array.shape)
            self._type = np.asarray(array[:0] if self.shape else array).dtype

    def facts(self) -> Dict[str, Any]:
        """What the reader would say of the array in the file."""
        return {
            "link": "hard",
            "kind": "dataset",
            "layout": "chunked",
            "external": 0,
            "shape": self.shape,
            "dtype": "<f4" if self._is_real else None,
            "type_class": self._type.name,
            "chunks": None,
            "chunks_written": None,
            "filters": [],
            "stored_bytes": 1,
        }

    @property
    def _is_real(self) -> bool:
        return self._type.kind in "fiu"

    def blocks(self, group: str) -> Iterator[Tuple[Block, np.ndarray]]:
        """The rates in float32, a block after the other; what is none becomes a fault."""
        done, row = 0, None
        for number, given in enumerate(self._pieces()):
            values = np.asarray(given)
            self._type = values.dtype
            if not self._is_real:
                return
            row = row or values.shape[1:]
            if values.ndim != 3 or values.shape[1:] != row:
                if not self.faults:
                    expected = f"(trials, {row[0]}, {row[1]})" if len(row) == 2 else ""
                    self.faults.append(
                        f"{self.path}: block {number} (counted from 0) has shape {values.shape}, "
                        f"expected {expected or '(trials, bins, neurons)'}"
                    )
                continue
            with np.errstate(over="ignore"):  # what becomes infinite is refused as such
                values = values.astype(np.float32, copy=False)
            stop = done + len(values)
            read = TrialRange(self.path, done, stop, (row[0], row[1]), values.dtype)
            done = stop
            self._grow(stop, row)
            if values.size:
                yield Block(group, self._part, read.start, stop, (read,)), values

    def _grow(self, trials: int, row: Tuple[int, ...]) -> None:
        if not hasattr(self._rates, "shape"):
            self.shape = (trials, *row)

    def _pieces(self) -> Iterator[Any]:
        if self.shape is None:
            yield from self._rates
        elif len(self.shape) == 3:
            rates: Any = self._rates
            step = _CHUNKS_AT_A_TIME * trials_per_chunk(self.shape)
            for start in range(0, self.shape[0], step):
                yield rates[start : start + step]


def trials_per_chunk(shape: Tuple[int, ...]) -> int:
    """How many trials of an array (trials, bins, neurons) a chunk of it holds."""
    return max(1, _CHUNK_BYTES // max(1, 4 * math.prod(shape[1:])))
