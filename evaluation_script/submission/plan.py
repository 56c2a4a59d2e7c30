"""Which trials of a submission are read in which order: blocks that suit both processes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, List, Mapping, Sequence, Tuple

import numpy as np

from ..reader.arrays import keeps_rows
from ..reader.buffer import MAX_READ_BYTES, Part
from .layout import PARTS

#: a read of about this size keeps both processes busy and fits their caches
_TARGET_READ_BYTES = 6 << 20


@dataclass(frozen=True)
class Block:
    """Which trials of which part of a dataset come next."""

    group: str
    part: str
    start: int
    stop: int
    read: Tuple[Part, ...]
    is_last_of_group: bool = False


def blocks_of(
    group: str, parts: Sequence[str], arrays: Mapping[str, Mapping[str, Any]]
) -> List[Block]:
    """Blocks of trials of one group in reading order: train, eval, forward.

    Parameters
    ----------
    group : str
    parts : sequence of str
        What the submission brings.
    arrays : mapping of str to mapping
        The reader's facts about each array of these parts.
    """
    blocks: List[Block] = []
    for part in parts:
        described = [(name, arrays[name]) for name in PARTS[part]]
        trials = int(described[0][1]["shape"][0])
        step = _trials_per_read([facts for _, facts in described])
        for start in range(0, trials, step):
            stop = min(start + step, trials)
            read = tuple(
                Part(
                    f"{group}/{name}",
                    start,
                    stop,
                    (facts["shape"][1], facts["shape"][2]),
                    np.dtype(facts["dtype"]),
                )
                for name, facts in described
            )
            blocks.append(Block(group, part, start, stop, read))
    blocks[-1] = replace(blocks[-1], is_last_of_group=True)
    return blocks


def _trials_per_read(arrays: Sequence[Mapping[str, Any]]) -> int:
    """Trials to read at a time, of all arrays together, in step with their chunks."""
    dtypes = [np.dtype(facts["dtype"]) for facts in arrays]
    bytes_per_trial = sum(
        facts["shape"][1] * facts["shape"][2] * dtype.itemsize
        for facts, dtype in zip(arrays, dtypes)
    )
    target = max(1, _TARGET_READ_BYTES // max(bytes_per_trial, 1))
    chunked = [(facts, dtype) for facts, dtype in zip(arrays, dtypes) if facts["chunks"]]
    tall: int = max((facts["chunks"][0] for facts, _ in chunked), default=1)
    if tall <= target:
        return tall * (target // tall)
    if all(keeps_rows(facts["shape"], facts["chunks"], dtype) for facts, dtype in chunked):
        return -(-tall // -(-tall // target))  # equal parts
    # Each chunk is read once for every block that touches it: as few blocks as there may be.
    return max(1, min(tall, (MAX_READ_BYTES - 4096) // max(bytes_per_trial, 1)))
