"""``nlb-evalai site build``: a folder of pages that anyone can put anywhere."""

from __future__ import annotations

import click


@click.command()
def build() -> None:
    """Write the boards as a static site, which needs no server and asks nobody."""
