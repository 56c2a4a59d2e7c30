"""Blocks of trials of one array of an HDF5 file.

Chunks are fetched as they are stored and taken out of their filters here, each once and on two
threads, since zlib lets go of Python's global lock. HDF5's own search finds each of them, so that
a damaged index of chunks cannot mean one thing here and another to a plain read. Contiguous arrays
and unusual number formats go through the HDF5 library.
"""

from __future__ import annotations

import ctypes
import math
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
from h5py import h5d, h5p, h5s, h5t

from .filters import CorruptData, Pipeline

_STANDARD_TYPES = tuple(
    getattr(h5t, name)
    for name in (
        *("IEEE_F16LE", "IEEE_F32LE", "IEEE_F64LE", "IEEE_F16BE", "IEEE_F32BE", "IEEE_F64BE"),
        *(f"STD_{sign}{bits}{order}" for sign in "IU" for bits in (8, 16, 32, 64)
          for order in ("LE", "BE")),
    )
)  # fmt: skip
#: so much is fetched before it is decoded; a chunk at least this large is decoded alone, so that
#: two of them are never in memory
_LARGE_CHUNK_BYTES = 8 << 20
#: rows of chunks up to this size are kept until the next block has taken its trials from them
_MAX_SLAB_BYTES = 24 << 20
#: stands for the stored size of a chunk that was never written
_NEVER_WRITTEN = -1
#: a chunk: its first element, which filters it was spared, its bytes
_Stored = Tuple[Tuple[int, ...], int, bytes]


try:
    _get_chunk_options = ctypes.CDLL(h5p.__file__).H5Pget_chunk_opts
    _get_chunk_options.argtypes = (ctypes.c_int64, ctypes.POINTER(ctypes.c_uint))
except AttributeError:  # an HDF5 library that does not know any
    _get_chunk_options = None  # type: ignore[assignment]
_DO_NOT_FILTER_PARTIAL_CHUNKS = 2


def chunk_grid(shape: Sequence[int], chunks: Sequence[int]) -> Tuple[int, ...]:
    """How many chunks lie along each axis."""
    return tuple(-(-extent // size) for extent, size in zip(shape, chunks))


def keeps_rows(shape: Sequence[int], chunks: Sequence[int], dtype: np.dtype) -> bool:
    """Whether a row of chunks is read once however many blocks end inside it."""
    row_bytes = min(chunks[0], shape[0]) * math.prod(shape[1:]) * dtype.itemsize
    chunk_bytes = math.prod(chunks) * dtype.itemsize
    return chunk_bytes < _LARGE_CHUNK_BYTES and row_bytes <= _MAX_SLAB_BYTES


class ArrayReader:
    """Reads blocks of trials of one array (trials, bins, neurons), in order.

    Each chunk is decoded once, unless its row is too large to keep (see :func:`keeps_rows`).

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
    pool : ThreadPoolExecutor
        Decodes chunks.
    """

    def __init__(self, dataset: h5d.DatasetID, pool: ThreadPoolExecutor) -> None:
        self._dataset = dataset
        self._pool = pool
        self.shape: Tuple[int, ...] = tuple(int(n) for n in dataset.shape)
        element = dataset.get_type()
        self.dtype: np.dtype = np.dtype(element.dtype.str)
        create = dataset.get_create_plist()
        self._fill = np.zeros(1, self.dtype)
        # What is never filled h5py reads as zeros, and so as what the reference scores.
        if (
            create.fill_value_defined() != h5d.FILL_VALUE_UNDEFINED
            and create.get_fill_time() != h5d.FILL_TIME_NEVER
        ):
            create.get_fill_value(self._fill)
        self._chunk_shape: Tuple[int, ...] = ()  # for an array that is not in chunks
        self._is_standard = any(element.equal(standard) for standard in _STANDARD_TYPES)
        if create.get_layout() == h5d.CHUNKED:
            self._chunk_shape = tuple(int(n) for n in create.get_chunk())
            self._chunk_bytes = math.prod(self._chunk_shape) * element.get_size()
            filters = [create.get_filter(i) for i in range(create.get_nfilters())]
            self._pipeline = Pipeline(
                [(int(code), int((*values, 0)[0])) for code, _, values, _ in filters],
                self._chunk_bytes,
            )
            self._partial_unfiltered = _leaves_partial_chunks_unfiltered(create)
            self._stored_bytes = self._find_chunks()
        self._slab: Optional[np.ndarray] = None
        self._slab_row = -1

    def _find_chunks(self) -> np.ndarray:
        """Stored size of each chunk, in the order of the array's axes."""
        grid = chunk_grid(self.shape, self._chunk_shape)
        corners = np.empty((math.prod(grid), len(grid)), np.int64)
        sizes = np.empty(len(corners), np.int64)
        n_found = 0

        def note(info: Any) -> Optional[bool]:
            nonlocal n_found
            if n_found < len(corners):
                corners[n_found], sizes[n_found] = info.chunk_offset, info.size
            n_found += 1
            return True if n_found > len(corners) else None  # True ends the walk

        self._dataset.chunk_iter(note)
        places, beside = np.divmod(corners[:n_found], self._chunk_shape)
        stored_bytes = np.full(grid, _NEVER_WRITTEN, np.int64)
        if not beside.any() and (places < grid).all():
            stored_bytes[tuple(places.T)] = sizes[:n_found]
        if np.count_nonzero(stored_bytes != _NEVER_WRITTEN) != n_found:  # outside, or one twice
            raise CorruptData("the index of chunks contradicts the array's shape")
        return stored_bytes

    def read(self, start: int, stop: int, out: np.ndarray) -> None:
        """Fill ``out`` (stop - start, bins, neurons) with those trials."""
        if not self._chunk_shape:
            self._read_plain(start, out)
            return
        tall = self._chunk_shape[0]
        keep = keeps_rows(self.shape, self._chunk_shape, self.dtype)
        for row in range(start // tall, -(-stop // tall)):
            first, last = row * tall, min((row + 1) * tall, self.shape[0])
            begin, end = max(first, start), min(last, stop)
            target = out[begin - start : end - start]
            if (begin, end) == (first, last) or not keep:
                self._read_row(row, begin, target)
            else:
                # A block ends inside this row of chunks: keep it for the next block.
                if self._slab_row != row:
                    self._slab = None  # before there are two
                    self._slab = np.empty((last - first, *self.shape[1:]), self.dtype)
                    self._read_row(row, first, self._slab)
                    self._slab_row = row
                assert self._slab is not None
                target[...] = self._slab[begin - first : end - first]
                if end == last:
                    self._slab, self._slab_row = None, -1

    def _read_plain(self, begin: int, target: np.ndarray) -> None:
        """Fill ``target``, whose first trial is ``begin``, through the HDF5 library."""
        target[...] = self._fill  # the library leaves what was never written as it is
        space = self._dataset.get_space()
        space.select_hyperslab((begin, 0, 0), target.shape)
        memory = h5s.create_simple(target.shape)
        self._dataset.read(memory, space, target, h5t.py_create(self.dtype))

    def _read_row(self, row: int, begin: int, target: np.ndarray) -> None:
        """Fill ``target``, whose first trial is ``begin``, from a row of chunks."""
        if self._is_standard:
            self._decode_row(row, begin, target)
        else:
            # The library knows the format, but not how long a chunk turns out.
            for corner, n_bytes in self._written(row):
                _, filter_mask, data = self._fetch(corner, n_bytes)
                self._pipeline.undo(filter_mask, data)
            self._read_plain(begin, target)

    def _written(self, row: int) -> List[Tuple[Tuple[int, ...], int]]:
        """First element and stored size of each chunk of a row that was ever written."""
        stored_bytes = self._stored_bytes[row]
        there = stored_bytes != _NEVER_WRITTEN
        corners = np.argwhere(there) * self._chunk_shape[1:]
        first = row * self._chunk_shape[0]
        return [
            ((first, *rest), n) for rest, n in zip(corners.tolist(), stored_bytes[there].tolist())
        ]

    def _decode_row(self, row: int, begin: int, target: np.ndarray) -> None:
        """Decode the chunks of a row into ``target``, whose first trial is ``begin``."""
        chunks = self._written(row)
        if len(chunks) < self._stored_bytes[row].size:
            target[...] = self._fill
        together = max(1, _LARGE_CHUNK_BYTES // self._chunk_bytes)
        running: List[Future] = []
        for first in range(0, len(chunks), together):
            # Only this thread ever calls the HDF5 library.
            fetched = [self._fetch(*chunk) for chunk in chunks[first : first + together]]
            for done in running:
                done.result()
            running = [
                self._pool.submit(self._decode, half, begin, target)
                for half in (fetched[::2], fetched[1::2])
                if half
            ]
        for done in running:
            done.result()

    def _fetch(self, corner: Tuple[int, ...], n_bytes: int) -> _Stored:
        """The chunk that starts there, as it is stored."""
        if n_bytes > self._pipeline.most_stored_bytes:
            raise CorruptData("a stored chunk is larger than its contents could be")
        # An error where the search does not find what the walk over all chunks met.
        filter_mask, data = self._dataset.read_direct_chunk(corner)
        if len(data) != n_bytes:
            raise CorruptData("a stored chunk is not as long as the index says")
        if self._partial_unfiltered and any(
            at + size > extent for at, size, extent in zip(corner, self._chunk_shape, self.shape)
        ):
            filter_mask = -1  # spared all filters
        return corner, filter_mask, data

    def _decode(self, chunks: Sequence[_Stored], begin: int, target: np.ndarray) -> None:
        """Put chunks into ``target``, whose first trial is ``begin``."""
        for (trial, bin_, unit), filter_mask, data in chunks:
            decoded = self._pipeline.undo(filter_mask, data)
            block = np.frombuffer(decoded, self.dtype).reshape(self._chunk_shape)
            first = max(trial, begin)
            last = min(trial + self._chunk_shape[0], begin + target.shape[0])
            bins = min(self._chunk_shape[1], self.shape[1] - bin_)
            units = min(self._chunk_shape[2], self.shape[2] - unit)
            target[first - begin : last - begin, bin_ : bin_ + bins, unit : unit + units] = block[
                first - trial : last - trial, :bins, :units
            ]
            del block, decoded  # before the next one is decoded


def _leaves_partial_chunks_unfiltered(create: h5p.PropDCID) -> bool:
    """Whether chunks that reach past the array's end are stored as they are."""
    if _get_chunk_options is None:
        return False
    options = ctypes.c_uint()
    if _get_chunk_options(create.id, ctypes.byref(options)) < 0:
        raise CorruptData("the storage of chunks cannot be told")
    return bool(options.value & _DO_NOT_FILTER_PARTIAL_CHUNKS)
