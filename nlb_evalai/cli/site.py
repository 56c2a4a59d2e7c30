"""``nlb-evalai site``: the boards as a static site, and the cards that it can be made of."""

from __future__ import annotations

import click

from nlb_evalai.cli._lazy import LazyGroup

_HERE = "nlb_evalai.cli"


@click.group(
    cls=LazyGroup,
    lazy={
        "build": (
            f"{_HERE}.site_build:build",
            "Write the boards as a static site, which needs no server and asks nobody.",
        ),
        "check": (
            f"{_HERE}.site_check:check",
            "Check every card of the folder CARDS, with its receipt.",
        ),
        "import": (
            f"{_HERE}.site_import:import_boards",
            "Read EvalAI's public boards into cards.",
        ),
    },
)
def site() -> None:
    """Publish the boards as a static site, from a store or from cards."""
