"""The blocks of a submission as they pass: read ahead, cut to size, copied, progress told."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from ..reader.process import ReaderProcess
from .plan import Block

#: called with (bytes read, bytes to read) after each block
Progress = Callable[[int, int], None]
#: a block, or a slice of one, with its held-in and held-out rates (trials, bins, neurons), which
#: are valid until the next is asked for
Piece = Tuple[Block, List[np.ndarray]]

#: metrics turn values into float64, whatever they are stored in: no more than these at a time, so
#: that they stay near the processor
MAX_VALUES = 3 << 16
_ALIGNMENT = 64


def stream(
    reader: ReaderProcess, plan: Sequence[Block], progress: Optional[Progress] = None
) -> Iterator[Tuple[str, Iterator[Piece]]]:
    """The planned blocks, group by group, to the end.

    Parameters
    ----------
    reader : ReaderProcess
    plan : sequence of Block
        The blocks of a group follow each other.
    progress : callable, optional

    Yields
    ------
    str, iterator of Piece
        A group, and its blocks; these must be taken before the next group is asked for.
    """
    yield from groupby(_pieces(reader, plan, progress), lambda piece: piece[0].group)


def _pieces(
    reader: ReaderProcess, plan: Sequence[Block], progress: Optional[Progress]
) -> Iterator[Piece]:
    total = sum(part.n_bytes for block in plan for part in block.read)
    done = 0
    private = _PrivateCopy()
    for block, values in zip(plan, reader.blocks([block.read for block in plan])):
        for piece, shared in _slices(block, values):
            yield piece, private.of(shared)
        done += sum(part.n_bytes for part in block.read)
        if progress is not None:
            progress(done, total)


class _PrivateCopy:
    """Memory that only this process can write to, used again for each piece.

    The reader can write to the buffer whenever it likes: what is looked at there and then scored
    could change in between.
    """

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)

    def of(self, arrays: Sequence[np.ndarray]) -> List[np.ndarray]:
        """Copies of arrays, valid until the next are made."""
        begins = np.cumsum([0, *(-(-array.nbytes // _ALIGNMENT) for array in arrays)]) * _ALIGNMENT
        if begins[-1] > self._memory.size:
            self._memory = np.empty(begins[-1], np.uint8)
        copies = []
        for array, begin in zip(arrays, begins):
            memory = self._memory[begin : begin + array.nbytes]
            copies.append(memory.view(array.dtype).reshape(array.shape))
            copies[-1][...] = array
        return copies


def _slices(block: Block, values: List[np.ndarray]) -> Iterator[Piece]:
    """A block as it is, or in slices of at most ``MAX_VALUES`` (at least a trial)."""
    trials = block.stop - block.start
    step = max(1, MAX_VALUES * trials // max(1, sum(array.size for array in values)))
    for first in range(0, trials, step):
        last = min(first + step, trials)
        piece = replace(
            block,
            start=block.start + first,
            stop=block.start + last,
            read=tuple(
                replace(part, start=part.start + first, stop=part.start + last)
                for part in block.read
            ),
        )
        yield piece, [array[first:last] for array in values]
