"""What the helper process does with a stranger's HDF5 file: describe it, then read blocks.

Nothing here decides what is acceptable. ``describe`` reports facts about the members that it
was asked for, without following a link or reading data; the scorer judges them and then asks
for blocks of trials. Only numpy, h5py and zlib are needed.

Chunks compressed with gzip (with or without shuffle) are read by their address in the file and
inflated here, each once and on two threads, since zlib lets go of Python's global lock. All else
(contiguous arrays, other filters, unusual number formats) goes through the HDF5 library.
"""

from __future__ import annotations

import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import h5py
import numpy as np
from h5py import h5d, h5g, h5l, h5o, h5s, h5t, h5z

_inflater: Any
try:  # the same format, inflated about twice as fast
    from isal import isal_zlib as _inflater
except ImportError:
    _inflater = zlib

MAX_NAMES_LISTED = 64
_LAYOUTS = {
    h5d.COMPACT: "compact",
    h5d.CONTIGUOUS: "contiguous",
    h5d.CHUNKED: "chunked",
    h5d.VIRTUAL: "virtual",
}
_LINKS = {h5l.TYPE_HARD: "hard", h5l.TYPE_SOFT: "soft", h5l.TYPE_EXTERNAL: "external"}
_STANDARD_TYPES = tuple(
    getattr(h5t, name)
    for name in (
        *("IEEE_F16LE", "IEEE_F32LE", "IEEE_F64LE", "IEEE_F16BE", "IEEE_F32BE", "IEEE_F64BE"),
        *(f"STD_{sign}{bits}{order}" for sign in "IU" for bits in (8, 16, 32, 64)
          for order in ("LE", "BE")),
    )
)  # fmt: skip
#: a chunk at least this large is inflated alone, so that two of them are never in memory
_LARGE_CHUNK_BYTES = 8 << 20


class CorruptData(Exception):
    """A stored chunk is not what the file says it is."""


class H5Submission:
    """An open HDF5 file, read through a file descriptor.

    Parameters
    ----------
    descriptor : int
        Open for reading; closed by :meth:`close`.
    """

    def __init__(self, descriptor: int) -> None:
        self._raw = open(descriptor, "rb", buffering=0)  # noqa: SIM115 - closed below
        try:
            self._file = h5py.File(self._raw, "r")
        except BaseException:
            self._raw.close()
            raise
        create = self._file.id.get_create_plist()
        # Addresses of chunks are relative to a user block; leave such files to the library.
        self._has_user_block = create.get_userblock() != 0
        self._arrays: Dict[str, ArrayReader] = {}
        self._pool = ThreadPoolExecutor(2)

    def close(self) -> None:
        self._pool.shutdown()
        self._arrays.clear()
        self._file.close()
        self._raw.close()

    def describe(self, wanted: Mapping[str, Sequence[str]]) -> Dict[str, Any]:
        """Facts about the wanted groups and arrays, and the names of a few others.

        Returns
        -------
        dict
            ``members`` (how many at the root), ``other`` (names not asked for, at most
            ``MAX_NAMES_LISTED``) and ``groups``: for each wanted group that is there, ``link``,
            ``kind`` and, for a real group, the same fields with ``arrays`` for ``groups``.
        """
        root = self._file.id
        groups = {}
        for name in wanted:
            found = _look(root, name)
            if found is None:
                continue
            opened = found.pop("object")
            if isinstance(opened, h5g.GroupID):
                found.update(_names(opened, wanted[name]))
                found["arrays"] = {}
                for array in wanted[name]:
                    facts = _look(opened, array)
                    if facts is not None:
                        dataset = facts.pop("object")
                        if isinstance(dataset, h5d.DatasetID):
                            facts.update(_array_facts(dataset))
                        found["arrays"][array] = facts
            groups[name] = found
        return {**_names(root, wanted), "groups": groups}

    def read(self, path: str, start: int, stop: int, out: memoryview) -> int:
        """Write trials ``start:stop`` of an array into ``out``, in its own dtype.

        Returns
        -------
        int
            Bytes written.

        Raises
        ------
        CorruptData
            If a chunk cannot be decoded.
        OSError
            If the HDF5 library cannot read the array.
        """
        reader = self._arrays.get(path)
        if reader is None:
            group, _, name = path.partition("/")
            opened = h5o.open(h5o.open(self._file.id, _encode(group)), _encode(name))
            # Whoever reads the last trial of an array has no further use for its chunk index.
            reader = ArrayReader(opened, self._raw.fileno(), self._pool, not self._has_user_block)
            self._arrays[path] = reader
        shape = (stop - start, *reader.shape[1:])
        count = int(np.prod(shape)) * reader.dtype.itemsize
        target = np.frombuffer(out, dtype=reader.dtype, count=int(np.prod(shape)))
        reader.read(start, stop, target.reshape(shape))
        if stop >= reader.shape[0]:
            del self._arrays[path]
        return count


def _encode(name: str) -> bytes:
    return name.encode("utf-8")


def _names(group: h5g.GroupID, wanted: Iterable[str]) -> Dict[str, Any]:
    """How many members a group has, and the first names among them that nobody asked for."""
    asked = {_encode(name) for name in wanted}
    other: List[str] = []

    def visit(name: bytes) -> Optional[bool]:
        if name not in asked:
            other.append(name[:200].decode("utf-8", "backslashreplace"))
        return True if len(other) >= MAX_NAMES_LISTED else None

    members = int(group.get_num_objs())
    group.links.iterate(visit)
    return {"members": members, "other": other}


def _look(group: h5g.GroupID, name: str) -> Optional[Dict[str, Any]]:
    """Kind of link and of object behind a name, opened only where it is a hard link."""
    key = _encode(name)
    if not group.links.exists(key):
        return None
    link = _LINKS.get(group.links.get_info(key).type, "user-defined")
    if link != "hard":
        return {"link": link, "kind": None, "object": None}
    opened = h5o.open(group, key)
    if isinstance(opened, h5g.GroupID):
        kind = "group"
    elif isinstance(opened, h5d.DatasetID):
        kind = "dataset"
    else:
        kind = "datatype"
    return {"link": link, "kind": kind, "object": opened}


def _array_facts(dataset: h5d.DatasetID) -> Dict[str, Any]:
    """Shape, number type, storage and filters of a dataset; no data is read."""
    create = dataset.get_create_plist()
    layout = _LAYOUTS.get(create.get_layout(), "unknown")
    space = dataset.get_space()
    simple = space.get_simple_extent_type() == h5s.SIMPLE
    element = dataset.get_type()
    facts: Dict[str, Any] = {
        "layout": layout,
        "external": create.get_external_count(),
        "shape": [int(n) for n in space.get_simple_extent_dims()] if simple else None,
        "dtype": _number_type(element),
        "type_class": _type_class(element),
        "chunks": None,
        "filters": [],
        "stored_bytes": int(dataset.get_storage_size()),
    }
    if layout == "chunked":
        facts["chunks"] = [int(n) for n in create.get_chunk()]
        facts["filters"] = [int(create.get_filter(i)[0]) for i in range(create.get_nfilters())]
    return facts


def _number_type(element: h5t.TypeID) -> Optional[str]:
    """Numpy's name of a real number type, None for all other types."""
    if element.get_class() not in (h5t.FLOAT, h5t.INTEGER):
        return None
    try:
        name: str = element.dtype.str
    except (TypeError, ValueError):  # a width that numpy has no number for
        return None
    return name


def _type_class(element: h5t.TypeID) -> str:
    names = {
        h5t.INTEGER: "integer",
        h5t.FLOAT: "float",
        h5t.STRING: "string",
        h5t.BITFIELD: "bit field",
        h5t.OPAQUE: "opaque",
        h5t.COMPOUND: "compound (complex numbers are stored so)",
        h5t.REFERENCE: "reference",
        h5t.ENUM: "enumeration (booleans are stored so)",
        h5t.VLEN: "variable-length",
        h5t.ARRAY: "array",
    }
    return names.get(element.get_class(), "unknown")


class _Chunk(NamedTuple):
    offset: Tuple[int, ...]
    filter_mask: int
    address: int
    size: int


class ArrayReader:
    """Reads blocks of trials of one array (trials, bins, neurons), in order, each chunk once.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
    descriptor : int
        Of the file that holds it, for reading chunks by address.
    pool : ThreadPoolExecutor
        Inflates chunks.
    addresses_hold : bool
        Whether addresses of chunks count from the start of the file.
    """

    def __init__(
        self,
        dataset: h5d.DatasetID,
        descriptor: int,
        pool: ThreadPoolExecutor,
        addresses_hold: bool,
    ) -> None:
        self._dataset = dataset
        self._descriptor = descriptor
        self._pool = pool
        self.shape: Tuple[int, ...] = tuple(int(n) for n in dataset.shape)
        element = dataset.get_type()
        self.dtype: np.dtype = np.dtype(element.dtype.str)
        create = dataset.get_create_plist()
        filters = [create.get_filter(i)[0] for i in range(create.get_nfilters())]
        self._filters = filters
        self._by_address = (
            addresses_hold
            and create.get_layout() == h5d.CHUNKED
            and all(code in (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE) for code in filters)
            and any(element.equal(standard) for standard in _STANDARD_TYPES)
        )
        if self._by_address:
            self._chunk_shape = tuple(int(n) for n in create.get_chunk())
            self._chunk_bytes = int(np.prod(self._chunk_shape)) * self.dtype.itemsize
            self._fill = np.zeros(1, self.dtype)
            create.get_fill_value(self._fill)
            self._rows = self._index()
            self._slab: Optional[np.ndarray] = None
            self._slab_row = -1

    def _index(self) -> Dict[int, List[_Chunk]]:
        """Chunks by their position along the trials."""
        rows: Dict[int, List[_Chunk]] = {}
        tall = self._chunk_shape[0]

        def note(info: Any) -> None:
            offset = tuple(int(n) for n in info.chunk_offset)
            chunk = _Chunk(offset, int(info.filter_mask), int(info.byte_offset), int(info.size))
            rows.setdefault(offset[0] // tall, []).append(chunk)

        self._dataset.chunk_iter(note)
        return rows

    def read(self, start: int, stop: int, out: np.ndarray) -> None:
        """Fill ``out`` (stop - start, bins, neurons) with those trials."""
        if not self._by_address:
            space = self._dataset.get_space()
            space.select_hyperslab((start, 0, 0), out.shape)
            memory = h5s.create_simple(out.shape)
            self._dataset.read(memory, space, out, h5t.py_create(self.dtype))
            return
        tall = self._chunk_shape[0]
        for row in range(start // tall, -(-stop // tall)):
            first, last = row * tall, min((row + 1) * tall, self.shape[0])
            begin, end = max(first, start), min(last, stop)
            target = out[begin - start : end - start]
            if (begin, end) == (first, last) or self._chunk_bytes >= _LARGE_CHUNK_BYTES:
                self._inflate_row(row, begin, target)
            else:
                # A block ends inside this row of chunks: keep it for the next block.
                if self._slab_row != row:
                    shape = (last - first, *self.shape[1:])
                    self._slab = np.empty(shape, self.dtype)
                    self._inflate_row(row, first, self._slab)
                    self._slab_row = row
                assert self._slab is not None
                target[...] = self._slab[begin - first : end - first]
                if end == last:
                    self._slab, self._slab_row = None, -1

    def _inflate_row(self, row: int, begin: int, target: np.ndarray) -> None:
        """Inflate the chunks of a row into ``target``, whose first trial is ``begin``."""
        chunks = self._rows.get(row, [])
        per_row = 1
        for extent, size in zip(self.shape[1:], self._chunk_shape[1:]):
            per_row *= -(-extent // size)
        if len(chunks) != per_row:
            target[...] = self._fill
        if self._chunk_bytes >= _LARGE_CHUNK_BYTES or len(chunks) < 2:
            self._inflate(chunks, begin, target)
            return
        halves = (chunks[::2], chunks[1::2])
        for done in [self._pool.submit(self._inflate, half, begin, target) for half in halves]:
            done.result()

    def _inflate(self, chunks: Sequence[_Chunk], begin: int, target: np.ndarray) -> None:
        for chunk in chunks:
            block = self._decode(chunk)
            trial, bin_, unit = chunk.offset
            first = max(trial, begin)
            last = min(trial + self._chunk_shape[0], begin + target.shape[0])
            bins = min(self._chunk_shape[1], self.shape[1] - bin_)
            units = min(self._chunk_shape[2], self.shape[2] - unit)
            target[first - begin : last - begin, bin_ : bin_ + bins, unit : unit + units] = block[
                first - trial : last - trial, :bins, :units
            ]

    def _decode(self, chunk: _Chunk) -> np.ndarray:
        """One chunk as an array of the chunk's shape."""
        if chunk.size > 2 * self._chunk_bytes + 4096:
            raise CorruptData("a stored chunk is larger than its contents could be")
        data = os.pread(self._descriptor, chunk.size, chunk.address)
        if len(data) != chunk.size:
            raise CorruptData("a stored chunk lies beyond the end of the file")
        for position in reversed(range(len(self._filters))):
            if chunk.filter_mask >> position & 1:
                continue
            if self._filters[position] == h5z.FILTER_DEFLATE:
                data = self._gunzip(data)
            else:
                data = self._unshuffle(data)
        if len(data) != self._chunk_bytes:
            raise CorruptData("a stored chunk has the wrong size")
        return np.frombuffer(data, self.dtype).reshape(self._chunk_shape)

    def _gunzip(self, data: bytes) -> bytes:
        stream = _inflater.decompressobj()
        try:
            # One byte more than there may be: a bomb stops here.
            inflated: bytes = stream.decompress(data, self._chunk_bytes + 1)
        except (zlib.error, _inflater.error) as error:
            raise CorruptData("a stored chunk does not inflate") from error
        if not stream.eof:
            raise CorruptData("a stored chunk is cut short or too long")
        return inflated

    def _unshuffle(self, data: bytes) -> bytes:
        width = self.dtype.itemsize
        count = len(data) // width
        body = np.frombuffer(data, np.uint8, count * width).reshape(width, count)
        return body.T.tobytes() + data[count * width :]
