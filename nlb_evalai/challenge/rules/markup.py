"""The tags of a stranger's HTML page, in one pass.

``html.parser`` goes over what is left of a page again for every tag that is never closed.
"""

from __future__ import annotations

import html
import re
from typing import Iterator, List, NamedTuple, Tuple

_NAME = re.compile(r"[a-zA-Z][^\s/>]*")
_KEY = re.compile(r"[^\s/>=]+")
_BETWEEN = re.compile(r"[\s/]*")
_EQUALS = re.compile(r"\s*=\s*")
_BARE_VALUE = re.compile(r"[^\s>]*")
#: what is inside is no HTML
_RAW = {tag: re.compile(f"</{tag}", re.IGNORECASE) for tag in ("script", "style")}


class Tag(NamedTuple):
    """An opening tag: its line, counted from 1; name and keys of attributes in small letters."""

    line: int
    name: str
    attributes: List[Tuple[str, str]]


def tags(page: str) -> Iterator[Tag]:
    """The opening tags of a page; comments and the inside of scripts and styles are passed over."""
    line, counted, at = 1, 0, page.find("<")
    while at >= 0:
        found = _NAME.match(page, at + 1)
        if page.startswith("<!--", at):
            end = page.find("-->", at)
        elif found is None:
            end = at + 1
        else:
            line, counted = line + page.count("\n", counted, at), at
            attributes, end = _attributes(page, found.end())
            name = found.group().lower()
            yield Tag(line, name, attributes)
            if name in _RAW:
                closing = _RAW[name].search(page, end)
                end = closing.start() if closing else -1
        at = page.find("<", max(end, at + 1)) if end >= 0 else -1


def _attributes(page: str, at: int) -> Tuple[List[Tuple[str, str]], int]:
    """The attributes from there on, and where the tag ends."""
    found: List[Tuple[str, str]] = []
    while True:
        at = _end(_BETWEEN, page, at)
        if at >= len(page) or page[at] == ">":
            return found, at
        start, at = at, _end(_KEY, page, at)
        key, value = page[start:at].lower(), ""
        equals = _EQUALS.match(page, at)
        if equals is not None:
            start = at = equals.end()
            if page[at : at + 1] in ('"', "'"):
                close = page.find(page[at], at + 1)
                close = len(page) if close < 0 else close
                start, at = start + 1, close + 1
                value = page[start:close]
            else:
                at = _end(_BARE_VALUE, page, at)
                value = page[start:at]
        found.append((key, html.unescape(value)))


def _end(pattern: re.Pattern, page: str, at: int) -> int:
    match = pattern.match(page, at)
    return match.end() if match else at
