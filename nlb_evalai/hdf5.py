"""HDF5 files that are written whole or not at all, and arrays written a block at a time."""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterable, Iterator, List, Optional, Tuple

import h5py
import numpy as np

from nlb_evalai.errors import ToolError
from nlb_evalai.outputs import spare_inputs


class _Sink(io.FileIO):
    """Keeps its first error for the end: HDF5 crashes where one of its own writes fails."""

    error: Optional[OSError] = None

    def write(self, data: Any, /) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and not self.error:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return size


@contextmanager
def written_whole(path: Path, inputs: Iterable[Path] = ()) -> Iterator[h5py.File]:
    """A new HDF5 file that takes the place of ``path`` only if the block ends without error.

    Until then it lives beside it under a temporary name, and is gone after an error.

    Raises
    ------
    ToolError
        If ``path`` is one of ``inputs``, its folder cannot be written to, or the disk is full.
    """
    spare_inputs([path], inputs)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise ToolError(f"{path}: cannot be written: {error.strerror}") from error
    os.close(handle)
    part = Path(name)
    try:
        with _Sink(part, "w+b") as sink:
            try:
                with h5py.File(sink, "w") as file:
                    yield file
            finally:
                if sink.error:
                    raise ToolError(f"{path}: cannot be written: {sink.error.strerror}") from None
        # mkstemp's files are private; a finished one gets the permissions of any new file
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class TrialWriter:
    """Writes an array (trials, ...) as blocks of trials come, in whole chunks of the file.

    Writing a part of a chunk would inflate and deflate it again each time.

    Parameters
    ----------
    group : h5py.Group
    name : str
    shape : tuple of int
        Of the whole array; it grows where more trials come and ``storage`` has a ``maxshape``.
    **storage
        What else ``create_dataset`` takes. By default the chunks are the ones h5py picks, as in
        files of the reference.
    """

    def __init__(
        self, group: h5py.Group, name: str, shape: Tuple[int, ...], **storage: Any
    ) -> None:
        self._dataset = group.create_dataset(
            name, shape=shape, dtype="float32", compression="gzip", **{"chunks": True, **storage}
        )
        self._written = 0
        self._waiting: List[np.ndarray] = []

    def append(self, values: np.ndarray) -> None:
        """Take the next trials, in order."""
        self._waiting.append(values.astype(np.float32))
        waiting = sum(len(part) for part in self._waiting)
        step = self._dataset.chunks[0]
        if waiting >= step:
            values = np.concatenate(self._waiting)
            whole = waiting // step * step
            self._write(values[:whole])
            self._waiting = [values[whole:]]

    def flush(self) -> None:
        """Write what is left of the last chunk."""
        if self._waiting:
            self._write(np.concatenate(self._waiting))
            self._waiting = []

    def _write(self, values: np.ndarray) -> None:
        end = self._written + len(values)
        if end > len(self._dataset) and self._dataset.maxshape[0] is None:
            self._dataset.resize(end, axis=0)
        self._dataset[self._written : end] = values
        self._written = end
