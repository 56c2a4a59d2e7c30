"""Words for people: plurals, and what somebody may have meant."""

from __future__ import annotations

import difflib
from typing import Sequence


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """``; did you mean …?`` if something is near, else nothing."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1)
    return f" (did you mean {folded[near[0]]!r}?)" if near else ""
