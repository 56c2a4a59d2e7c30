"""Which trials of a submission are read in which order: blocks that suit both processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, Sequence, Tuple

import numpy as np

from ..arrays import Part
from ..reader.arrays import keeps_rows
from ..reader.buffer import MAX_READ_BYTES, TrialRange

#: a read of about this size keeps both processes busy and fits their caches
_TARGET_READ_BYTES = 6 << 20


@dataclass(frozen=True)
class Block:
    """Which trials of which part of a dataset come next, and how they are read."""

    group: str
    part: Part
    start: int
    stop: int
    read: Tuple[TrialRange, ...]


def blocks_of(
    group: str, parts: Sequence[Part], arrays: Mapping[str, Mapping[str, Any]]
) -> List[Block]:
    """Blocks of trials of one group in reading order.

    Parameters
    ----------
    group : str
    parts : sequence of Part
        What the submission brings.
    arrays : mapping of str to mapping
        The reader's facts about each array of these parts.
    """
    blocks: List[Block] = []
    for part in parts:
        described = {array.name: arrays[array.name] for array in part.arrays}
        for read in trial_ranges(group, described):
            blocks.append(Block(group, part, read[0].start, read[0].stop, read))
    return blocks


def trial_ranges(
    group: str, arrays: Mapping[str, Mapping[str, Any]]
) -> List[Tuple[TrialRange, ...]]:
    """Reads of all trials of some arrays of a group, which are read together.

    Parameters
    ----------
    group : str
    arrays : mapping of str to mapping
        The reader's facts about each array; all have as many trials.
    """
    trials = int(next(iter(arrays.values()))["shape"][0])
    step = _trials_per_read(list(arrays.values()))
    return [
        tuple(
            TrialRange(
                f"{group}/{name}",
                start,
                min(start + step, trials),
                (facts["shape"][1], facts["shape"][2]),
                np.dtype(facts["dtype"]),
            )
            for name, facts in arrays.items()
        )
        for start in range(0, trials, step)
    ]


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
