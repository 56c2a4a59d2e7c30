"""The blocks of a submission as they pass: read ahead, values checked, progress told."""

from __future__ import annotations

from typing import Callable, Iterator, List, NamedTuple, Optional

import numpy as np

from .audit import ValueAudit
from .reader.client import ReaderProcess
from .submission import Block, Inspection

#: called with (bytes read, bytes to read) after each block
Progress = Callable[[int, int], None]


class CheckedBlock(NamedTuple):
    """A block, its held-in and held-out rates (valid until the next block), and a verdict."""

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
    for block, values in zip(plan, reader.blocks([block.read for block in plan])):
        where: List[Optional[np.ndarray]] = [None] * len(values)
        if audit.nan_where_unscored and any(np.isnan(array.min()) for array in values):
            where = list(required(block))
        fine = [
            audit.check(part, array, used) for part, array, used in zip(block.read, values, where)
        ]
        yield CheckedBlock(block, values, all(fine) and not audit.problems)
        done += sum(part.n_bytes for part in block.read)
        if progress is not None:
            progress(done, total)
