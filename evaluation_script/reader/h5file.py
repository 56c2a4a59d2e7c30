"""What the helper process does with a stranger's HDF5 file: describe it, then read blocks.

Nothing here decides what is acceptable. ``describe`` reports facts about the members that it
was asked for, without following a link or reading data; the scorer judges them and then asks
for blocks of trials. Only numpy, h5py and an inflater are needed.
"""

from __future__ import annotations

import ctypes
import math
import os
from concurrent.futures import ThreadPoolExecutor
from io import RawIOBase
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence

import h5py
import numpy as np
from h5py import h5d, h5g, h5l, h5o, h5s, h5t

from .arrays import ArrayReader, chunk_grid

Facts = Dict[str, Any]

MAX_NAMES_LISTED = 64
_LAYOUTS = {
    h5d.COMPACT: "compact",
    h5d.CONTIGUOUS: "contiguous",
    h5d.CHUNKED: "chunked",
    h5d.VIRTUAL: "virtual",
}
_LINKS = {h5l.TYPE_HARD: "hard", h5l.TYPE_SOFT: "soft", h5l.TYPE_EXTERNAL: "external"}
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: of the superblock's consistency flags: open for writing, and in SWMR mode
_OPEN_FOR_WRITING = 1 | 4
#: more chunks than this are not counted: the scorer refuses the array by its shape
_MAX_COUNTED_CHUNKS = 1 << 20


try:
    # Without it what an array of tall chunks took stays with the process until its end.
    _give_memory_back: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
except AttributeError:  # not glibc

    def _give_memory_back(_: int) -> None:
        pass


class OpenForWriting(Exception):
    """The file says that some program has it open for writing."""


class H5Submission:
    """An HDF5 file, read through an open Python file.

    Parameters
    ----------
    raw : file
        Open for reading and unbuffered; closed by :meth:`close`.
    pool : ThreadPoolExecutor
        Decodes chunks.

    Raises
    ------
    OpenForWriting
        If it was copied while a program wrote it, or that program never closed it.
    """

    def __init__(self, raw: RawIOBase, pool: ThreadPoolExecutor) -> None:
        self._raw = raw
        # Opened by its name it would be refused; through a Python file the library forgets to look.
        if _is_marked_open(raw):
            raise OpenForWriting
        self._file = h5py.File(self._raw, "r")
        self._arrays: Dict[str, ArrayReader] = {}
        self._pool = pool

    def close(self) -> None:
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
            found = _unless_damaged(_group_facts, root, name, wanted[name])
            if found is not None:
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
            reader = ArrayReader(opened, self._pool)
            self._arrays[path] = reader
        shape = (stop - start, *reader.shape[1:])
        count = int(np.prod(shape)) * reader.dtype.itemsize
        target = np.frombuffer(out, dtype=reader.dtype, count=int(np.prod(shape)))
        reader.read(start, stop, target.reshape(shape))
        if stop >= reader.shape[0]:
            del self._arrays[path], reader
            _give_memory_back(0)
        return count


def _is_marked_open(raw: RawIOBase) -> bool:
    """Whether a superblock of version 3 bears the mark of a writer."""
    size, at = raw.seek(0, os.SEEK_END), 0
    while at < size:
        raw.seek(at)
        head = raw.read(12) or b""
        if head[:8] == _SIGNATURE and len(head) == 12:
            version, flags = head[8], head[11]
            return version == 3 and bool(flags & _OPEN_FOR_WRITING)
        at = max(512, 2 * at)
    return False


def _encode(name: str) -> bytes:
    return name.encode("utf-8")


def _unless_damaged(look: Callable[..., Optional[Facts]], *arguments: Any) -> Optional[Facts]:
    """What ``look`` finds; an object that the library cannot open is a fact like others."""
    try:
        return look(*arguments)
    except (KeyError, OSError, RuntimeError, ValueError, TypeError):
        return {"link": "hard", "kind": "damaged object"}


def _group_facts(root: h5g.GroupID, name: str, wanted: Sequence[str]) -> Optional[Facts]:
    found = _look(root, name)
    if found is None:
        return None
    opened = found.pop("object")
    if isinstance(opened, h5g.GroupID):
        arrays = {array: _unless_damaged(_member_facts, opened, array) for array in wanted}
        found["arrays"] = {array: facts for array, facts in arrays.items() if facts is not None}
        found.update(_names(opened, wanted))
    return found


def _member_facts(group: h5g.GroupID, name: str) -> Optional[Facts]:
    facts = _look(group, name)
    if facts is not None:
        opened = facts.pop("object")
        if isinstance(opened, h5d.DatasetID):
            facts.update(_array_facts(opened))
    return facts


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
        "chunks_written": None,
        "filters": [],
        "stored_bytes": int(dataset.get_storage_size()),
    }
    if layout == "chunked":
        facts["chunks"] = [int(n) for n in create.get_chunk()]
        facts["filters"] = [int(create.get_filter(i)[0]) for i in range(create.get_nfilters())]
        if simple and math.prod(chunk_grid(facts["shape"], facts["chunks"])) <= _MAX_COUNTED_CHUNKS:
            facts["chunks_written"] = int(dataset.get_num_chunks())
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
