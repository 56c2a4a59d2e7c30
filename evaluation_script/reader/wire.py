"""Messages between scorer and helper: four bytes of length, then JSON."""

from __future__ import annotations

import json
import os
import struct
from typing import Any, Callable, Dict, Optional

_HEADER = struct.Struct("<I")
MAX_MESSAGE_BYTES = 4 << 20


def pack(message: Dict[str, Any]) -> bytes:
    """A message as bytes on the wire."""
    body = json.dumps(message).encode("ascii")
    return _HEADER.pack(len(body)) + body


def unpack(read: Callable[[int], Optional[bytes]]) -> Optional[Dict[str, Any]]:
    """The next message; None at the end of the stream.

    Parameters
    ----------
    read : callable
        ``read(n)`` gives n bytes, or None at the end of the stream.

    Raises
    ------
    ValueError
        If what comes is no message.
    """
    header = read(_HEADER.size)
    if header is None:
        return None
    (length,) = _HEADER.unpack(header)
    if length > MAX_MESSAGE_BYTES:
        raise ValueError("message too long")
    body = read(length)
    if body is None:
        return None
    message = json.loads(body.decode("ascii"))
    if not isinstance(message, dict):
        raise ValueError("not a message")
    return message


def reader_of(descriptor: int) -> Callable[[int], Optional[bytes]]:
    """A ``read(n)`` that waits for n bytes from a file descriptor."""

    def read(count: int) -> Optional[bytes]:
        pieces = []
        while count:
            piece = os.read(descriptor, count)
            if not piece:
                return None
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    return read
