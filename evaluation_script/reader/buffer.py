"""The memory that scorer and reader share: where each block lies in it, and how it is made."""

from __future__ import annotations

import fcntl
import os
import tempfile
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import numpy as np

_SEALS = sum(getattr(fcntl, f"F_SEAL_{what}", 0) for what in ("SHRINK", "GROW", "SEAL"))

_ALIGNMENT = 64
#: the most that one read may hold; pages of the buffer that stay unused cost no memory
MAX_READ_BYTES = 16 << 20
BUFFER_BYTES = 3 * MAX_READ_BYTES


@dataclass(frozen=True)
class TrialRange:
    """Trials ``start:stop`` of one array, as ``group/name``."""

    path: str
    start: int
    stop: int
    shape: Tuple[int, int]
    dtype: np.dtype

    @property
    def n_bytes(self) -> int:
        """Size of the block."""
        return (self.stop - self.start) * self.shape[0] * self.shape[1] * self.dtype.itemsize


#: reads that come back together, in one slot of the buffer
Read = Sequence[TrialRange]


def slot_bytes(read: Read) -> int:
    """Size of a slot that holds a read."""
    return sum(-(-part.n_bytes // _ALIGNMENT) * _ALIGNMENT for part in read)


def offsets(read: Read, offset: int) -> List[int]:
    """Where each part of a read goes in the buffer."""
    begins = []
    for part in read:
        begins.append(offset)
        offset += -(-part.n_bytes // _ALIGNMENT) * _ALIGNMENT
    return begins


def anonymous_file(n_bytes: int) -> int:
    """A file without a name and of fixed size, to be mapped by both processes.

    Raises
    ------
    OSError
        If there is no room for it.
    """
    descriptor = _memory_file()
    try:
        if descriptor is not None:
            os.ftruncate(descriptor, n_bytes)
            # Were the reader able to cut it, the scorer would die of SIGBUS at its next look.
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            return descriptor
        with tempfile.TemporaryFile() as stream:
            descriptor = os.dup(stream.fileno())
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, n_bytes)  # a full disk shows here, not midway
        else:
            os.ftruncate(descriptor, n_bytes)
        return descriptor
    except BaseException:
        if descriptor is not None:
            os.close(descriptor)
        raise


def _memory_file() -> Optional[int]:
    """A file in memory that can be sealed; None where the system has none."""
    try:
        return os.memfd_create("nlb-blocks", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except (AttributeError, OSError):
        return None
