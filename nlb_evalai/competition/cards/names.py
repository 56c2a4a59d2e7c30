"""Names of strangers: whether two are the same to a reader, and file names made of them."""

from __future__ import annotations

import re
import unicodedata
from typing import Collection

#: of a name without a suffix; a file system takes 255 bytes, ``.receipt.json`` and a number too
_MOST_CHARACTERS, _MOST_BYTES = 80, 160
#: names that Windows keeps for devices, whatever follows a dot
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.I)
_UNNAMED = "unnamed"


def folded(name: str) -> str:
    """A name as a hurried reader sees it: two that fold alike coincide.

    Letter case, the way accents are composed, and runs of white space make no difference.
    """
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return " ".join(text.split())


def file_name(name: str) -> str:
    """A name of a file or folder, without suffix, that every system takes.

    Letters and digits of all scripts stay, composed (NFC), and so do ``_`` and dots inside; what
    is between them becomes a hyphen. Nothing leads out of the folder, hides, or names a device.
    """
    text = "".join(
        char if unicodedata.category(char)[0] in "LMN" or char in "._" else "-"
        for char in unicodedata.normalize("NFC", name)
    )
    text = re.sub(r"-+", "-", re.sub(r"\.{2,}", ".", text))[:_MOST_CHARACTERS]
    text = text.encode("utf-8")[:_MOST_BYTES].decode("utf-8", "ignore")
    text = text.strip("-._")
    while text and unicodedata.category(text[0])[0] == "M":  # it would combine with the slash
        text = text[1:].lstrip("-._")
    text = text or _UNNAMED
    return f"{text}_" if _RESERVED.fullmatch(text) else text


def free_name(name: str, taken: Collection[str]) -> str:
    """The file name of a name, numbered from 2 where it is taken.

    Parameters
    ----------
    taken : collection of str
        Folded file names.
    """
    base = file_name(name)
    number, found = 1, base
    while folded(found) in taken:
        number += 1
        found = f"{base}-{number}"
    return found
