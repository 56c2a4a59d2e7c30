"""The inverse of each HDF5 filter, and of all that a chunk went through.

Done here and not in the HDF5 library, which hands out memory that nobody wrote where a chunk turns
out too short behind a filter. Whatever the library would refuse is refused.
"""

from __future__ import annotations

import ctypes
import zlib
from typing import Any, Callable, List, Optional, Sequence, Tuple

import numpy as np
from h5py import h5z

try:  # zlib's own checks, and about one and a half times its speed
    from zlib_ng import zlib_ng
except ImportError:
    zlib_ng = None  # type: ignore[assignment]
_inflater: Any = zlib_ng or zlib

_CHECKSUM_BYTES = 4
#: words of 16 bits that are added up at a time: as much memory as a few small chunks
_CHECKSUM_WORDS = 1 << 16


class CorruptData(Exception):
    """A stored chunk is not what the file says it is."""


class Pipeline:
    """What the chunks of one array went through when they were written.

    Parameters
    ----------
    filters : sequence of (int, int)
        HDF5's code and first parameter of each filter, in the order of writing.
    n_bytes : int
        Size of a chunk before them all.
    """

    def __init__(self, filters: Sequence[Tuple[int, int]], n_bytes: int) -> None:
        self.filters = list(filters)
        self._n_bytes = n_bytes
        #: the most bytes that may go into each filter, and come out of the last
        self._most: List[int] = [n_bytes]
        for code, _ in filters:
            most = self._most[-1]
            if code == h5z.FILTER_FLETCHER32:
                most += _CHECKSUM_BYTES
            elif code != h5z.FILTER_SHUFFLE:
                most += most // 8 + 4096
            self._most.append(most)

    @property
    def most_stored_bytes(self) -> int:
        """More than a stored chunk can hold."""
        return self._most[-1]

    def undo(self, filter_mask: int, data: bytes) -> bytes:
        """A chunk as it was before all filters but those that the mask says it was spared.

        Raises
        ------
        CorruptData
            If it cannot be what was written, or is of another size than a chunk.
        """
        for position in reversed(range(len(self.filters))):
            if filter_mask >> position & 1:
                continue
            code, parameter = self.filters[position]
            inverse = _INVERSES.get(code)
            if inverse is None:
                raise CorruptData("a filter that nobody asked about")
            data = inverse(data, parameter, self._most[position])
        if len(data) != self._n_bytes:
            raise CorruptData("a stored chunk has the wrong size")
        return data


def _inflate(data: bytes, _: int, most: int) -> bytes:
    stream = _inflater.decompressobj()
    try:
        # One byte more than there may be: a bomb stops here.
        inflated: bytes = stream.decompress(data, most + 1)
    except (zlib.error, _inflater.error) as error:
        raise CorruptData("a stored chunk does not inflate") from error
    if not stream.eof:
        raise CorruptData("a stored chunk is cut short or too long")
    return inflated


def _unshuffle(data: bytes, width: int, _: int) -> bytes:
    """Undo the shuffle of elements ``width`` bytes wide; what is left over stays at the end."""
    if width < 1:
        raise CorruptData("a shuffle filter without a width")
    count = len(data) // width
    planes = np.frombuffer(data, np.uint8, count * width).reshape(width, count)
    room = bytearray(data)
    elements = np.frombuffer(room, np.uint8, count * width).reshape(count, width)
    # Plane by plane, as there are fewer: numpy's own transpose takes three times as long.
    if width <= count:
        for byte, plane in enumerate(planes):
            elements[:, byte] = plane
    else:
        elements[...] = planes.T
    return room  # type: ignore[return-value] # as good as bytes


def _verified(data: bytes, _: int, __: int) -> bytes:
    """What stands before its checksum, if that is right."""
    body = data[:-_CHECKSUM_BYTES]
    stored = int.from_bytes(data[-_CHECKSUM_BYTES:], "little")
    right = fletcher32(body)
    # Some versions of the library swapped the bytes of both halves; it takes both, and so do we.
    swapped = (right & 0x00FF00FF) << 8 | right >> 8 & 0x00FF00FF
    if len(data) < _CHECKSUM_BYTES or stored not in (right, swapped):
        raise CorruptData("a stored chunk does not match its checksum")
    return body


def fletcher32(data: bytes) -> int:
    """HDF5's Fletcher checksum of 32 bits over big-endian words of 16."""
    words = np.frombuffer(data, ">u2", len(data) // 2)
    sums = [0, 0]
    for first in range(0, len(words), _CHECKSUM_WORDS):
        _add(sums, words[first : first + _CHECKSUM_WORDS].astype(np.uint64))
    if len(data) % 2:
        _add(sums, np.array([data[-1] << 8], np.uint64))
    low, high = (total and (total - 1) % 0xFFFF + 1 for total in sums)
    return high << 16 | low


def _add(sums: List[int], words: np.ndarray) -> None:
    """Add words to the sum, and all sums on the way to the sum of sums."""
    left = np.arange(len(words), 0, -1, dtype=np.uint64)
    sums[1] += len(words) * sums[0] + int(np.dot(left, words))
    sums[0] += int(words.sum())


def _compiled_lzf() -> Optional[Callable[..., int]]:
    """The C function that h5py's own LZF filter calls; None where h5py does not show it."""
    try:
        found = ctypes.CDLL(h5z.__file__).lzf_decompress
    except (AttributeError, OSError):
        return None
    found.argtypes = (ctypes.c_char_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_uint)
    found.restype = ctypes.c_uint
    return found  # type: ignore[no-any-return]


_lzf_decompress = _compiled_lzf()


def _unlzf(data: bytes, _: int, most: int) -> bytes:
    if _lzf_decompress is None:
        return _unlzf_slowly(data, most)
    room = bytearray(most)
    n_bytes = 0
    if data:
        begin = (ctypes.c_char * most).from_buffer(room)
        n_bytes = _lzf_decompress(bytes(data), len(data), begin, most)
        del begin
    if not n_bytes:
        raise CorruptData("a stored chunk is no LZF, or too long")
    del room[n_bytes:]
    return room  # type: ignore[return-value] # as good as bytes


def _unlzf_slowly(data: bytes, most: int) -> bytes:
    """LZF (Marc Lehmann's liblzf): runs of literals, and copies of what came before."""
    out, at = bytearray(), 0
    try:
        while at < len(data):
            control = data[at]
            at += 1
            if control < 32:
                run = data[at : at + control + 1]
                if len(run) <= control:
                    raise IndexError
                out += run
                at += len(run)
            else:
                length = (control >> 5) + 2
                if length == 9:
                    length += data[at]
                    at += 1
                distance = ((control & 31) << 8 | data[at]) + 1
                at += 1
                if distance > len(out):
                    raise IndexError
                again = out[-distance:]
                out += (again * (length // distance + 1))[:length]
            if len(out) > most:
                raise IndexError
    except IndexError:
        raise CorruptData("a stored chunk is no LZF, or too long") from None
    return bytes(out)


_INVERSES = {
    h5z.FILTER_DEFLATE: _inflate,
    h5z.FILTER_SHUFFLE: _unshuffle,
    h5z.FILTER_FLETCHER32: _verified,
    h5z.FILTER_LZF: _unlzf,
}
