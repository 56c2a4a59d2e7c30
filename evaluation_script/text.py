"""Words for people: plurals, lists of problems, near names, and text of strangers made visible."""

from __future__ import annotations

import difflib
from typing import Iterable, Optional, Sequence

#: these join letters in Persian, Indic scripts and emoji, so names need them
_JOINERS = "\u200c\u200d"
_IDEOGRAPHIC_SPACE = "\u3000"


def plural(count: int, one: str, many: Optional[str] = None) -> str:
    """``1 problem``, ``2 problems``; ``many`` where the plural has no plain s."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def listed(head: str, problems: Sequence[str], what: str = "problem", most: int = 0) -> str:
    """``head, 2 problems:`` and a line for each; of more than ``most`` (if given) the rest counted.

    Parameters
    ----------
    head : str
        What is wrong as a whole, with the mark that goes before the count, as ``file.csv:``.
    """
    shown = problems[:most] if most else problems
    lines = [f"{head} {plural(len(problems), what)}:", *(f"  {problem}" for problem in shown)]
    if len(shown) < len(problems):
        lines.append(f"  and {len(problems) - len(shown)} more")
    return "\n".join(lines)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` if a known name is near, whatever its case; else nothing."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.5)
    return f"; did you mean {folded[near[0]]}?" if near else ""


def printable(text: object, most: Optional[int] = None) -> str:
    r"""Text that a stranger wrote, fit to be shown anywhere: what cannot be seen is escaped.

    Control and escape characters, line ends, marks of writing direction, private and unassigned
    characters come as ``\x1b`` or ``\u2028``; letters of every script stay as they are.

    Parameters
    ----------
    text : object
        Its ``str`` is taken.
    most : int, optional
        Cut, with ``...`` at the end, what is longer in characters.
    """
    shown = "".join(
        char
        if char.isprintable() or char in _JOINERS or char == _IDEOGRAPHIC_SPACE
        else char.encode("unicode_escape").decode("ascii")
        for char in str(text)
    )
    return shown if most is None or len(shown) <= most else shown[: most - 3] + "..."
