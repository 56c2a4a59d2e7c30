"""Whether a file is the picture that its name says: servers open and verify it with Pillow."""

from __future__ import annotations

import struct
import zlib
from typing import List, Optional

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
#: Pillow refuses larger ones as bombs
_MOST_PIXELS = 178_956_970
#: JPEG's markers: those without a length, start of scan, and starts of a frame
_BARE = {0x01, *range(0xD0, 0xD9)}
_SCAN = 0xDA
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def image_fault(content: bytes, platform: str) -> Optional[str]:
    """Why a platform would refuse a logo; None for a PNG or JPEG that is whole."""
    try:
        if content.startswith(_PNG):
            pixels = _pixels_of_png(content)
        elif content.startswith(_JPEG):
            pixels = _pixels_of_jpeg(content)
        else:
            return "is neither PNG nor JPEG inside: save it as one of them"
    except (struct.error, IndexError, ValueError):
        return f"is a damaged picture, which {platform} refuses: save it again"
    if not 0 < pixels <= _MOST_PIXELS:
        return f"has {pixels:,} pixels, expected at most {_MOST_PIXELS:,}: make it smaller"
    return None


def _pixels_of_png(content: bytes) -> int:
    """Width times height, once every chunk fits its checksum."""
    pixels, at = 0, len(_PNG)
    kinds: List[bytes] = []
    while not kinds or kinds[-1] != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, at)
        (checksum,) = struct.unpack_from(">I", content, at + 8 + length)
        if zlib.crc32(content[at + 4 : at + 8 + length]) != checksum:
            raise ValueError(kind)
        if not kinds:
            width, height = struct.unpack_from(">II", content, at + 8)
            pixels = width * height
        kinds.append(kind)
        at += 12 + length
    if kinds[0] != b"IHDR" or b"IDAT" not in kinds:
        raise ValueError(kinds)
    return pixels


def _pixels_of_jpeg(content: bytes) -> int:
    """Width times height, as the frame before the first scan says."""
    pixels, at = 0, len(_JPEG)
    while True:
        if content[at] != 0xFF:
            raise ValueError(at)
        marker = content[at + 1]
        if marker == _SCAN:
            return pixels
        if marker == 0xFF or marker in _BARE:
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", content, at + 2)
        if length < 2:
            raise ValueError(length)
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            pixels = width * height
        at += 2 + length
