"""The blocks of a submission as they pass: read ahead, values checked, progress told."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from ..reader.process import ReaderProcess
from .audit import ValueAudit
from .plan import Block
from .structure import Inspection

#: called with (bytes read, bytes to read) after each block
Progress = Callable[[int, int], None]


#: metrics turn values into float64, whatever they are stored in: no more than these at a time
MAX_VALUES = 3 << 18


class CheckedBlock(NamedTuple):
    """A block or a slice of one, its held-in and held-out rates (valid until the next), a verdict.

    ``fit`` says whether it may be scored.
    """

    block: Block
    values: List[np.ndarray]
    fit: bool


def checked_blocks(
    reader: ReaderProcess,
    inspection: Inspection,
    audit: ValueAudit,
    required: Callable[[Block], List[np.ndarray]],
    progress: Optional[Progress] = None,
) -> Iterator[CheckedBlock]:
    """Stream the planned blocks past the audit, to the end, whatever it finds.

    Parameters
    ----------
    reader : ReaderProcess
    inspection : Inspection
        Its plan is followed.
    audit : ValueAudit
        Gathers what is wrong or odd.
    required : callable
        Where metrics use a block's held-in and held-out rates (boolean arrays that broadcast
        against them); asked only where NaN may stand in unscored bins and a block has some.
    progress : callable, optional

    Yields
    ------
    CheckedBlock
        ``fit`` is False from the first bad value on: the rest is only looked at.
    """
    plan = inspection.plan
    total = sum(part.n_bytes for block in plan for part in block.read)
    done = 0
    for block, whole in zip(plan, reader.blocks([block.read for block in plan])):
        for piece, values in _slices(block, whole):
            where: List[Optional[np.ndarray]] = [None] * len(values)
            if audit.nan_where_unscored and any(np.isnan(array.min()) for array in values):
                where = list(required(piece))
            fine = [
                audit.check(part, array, used)
                for part, array, used in zip(piece.read, values, where)
            ]
            yield CheckedBlock(piece, values, all(fine) and not audit.problems)
        done += sum(part.n_bytes for part in block.read)
        if progress is not None:
            progress(done, total)


def _slices(block: Block, values: List[np.ndarray]) -> Iterator[Tuple[Block, List[np.ndarray]]]:
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
            is_last_of_group=block.is_last_of_group and last == trials,
        )
        yield piece, [array[first:last] for array in values]
