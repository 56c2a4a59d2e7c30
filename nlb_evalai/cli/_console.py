"""The one kind of rich console that commands print on."""

from __future__ import annotations

from rich.console import Console

#: The tables of sessions and annotation files need that much room.
WIDTH_OF_PIPES = 120


def plain_console(*, stderr: bool = False, width_of_pipes: int = 0) -> Console:
    """A console that prints names as they are: it knows no markup and no emoji.

    ``width_of_pipes`` is its width where output is no terminal, so that the rows of a wide table
    are not cut at 80 columns.
    """
    console = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if width_of_pipes and not console.is_terminal:
        console.width = width_of_pipes
    return console
