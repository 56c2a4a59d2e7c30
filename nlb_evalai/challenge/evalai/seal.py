"""The seal: hashes of generated files, at the top of the config, that tell of edits by hand."""

from __future__ import annotations

import hashlib
import re
from typing import Callable, List, Mapping, Optional

from evaluation_script.text import printable
from nlb_evalai.challenge.evalai.config import CONFIG_NAME

_SEALED = re.compile(r"^#   ([0-9a-f]{32})  (.+)$", re.MULTILINE)
_TOP = re.compile(r"(?:#.*(?:\n|$))*")


def seal(files: Mapping[str, bytes]) -> List[str]:
    """A comment line for each file; the config's own content is what follows its first lines."""
    return [f"#   {_digest(content)}  {printable(name)}" for name, content in files.items()]


def edited(config: str, read: Callable[[str], Optional[bytes]]) -> List[str]:
    """The names of the sealed files that are not as they were generated.

    Parameters
    ----------
    config : str
        The text of the config; one that has no seal was not generated, and nothing is edited.
    read : callable
        Gives the content of another file; None for one that cannot be read, which is not judged.
    """
    text = config.replace("\r\n", "\n")
    top = _TOP.match(text)
    assert top is not None
    found = []
    for digest, name in _SEALED.findall(top[0]):
        content = text[top.end() :].encode("utf-8") if name == CONFIG_NAME else read(name)
        if content is not None and _digest(content) != digest:
            found.append(name)
    return found


def _digest(content: bytes) -> str:
    """A hash that does not change where Git turns line ends round."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()[:32]
