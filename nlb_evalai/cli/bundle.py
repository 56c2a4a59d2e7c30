"""``nlb-evalai bundle``: the challenge zip, from its build to its platform."""

from __future__ import annotations

import click

from nlb_evalai.cli._lazy import LazyGroup

_HERE = "nlb_evalai.cli"


@click.group(
    cls=LazyGroup,
    lazy={
        "build": (
            f"{_HERE}.bundle_build:build",
            "Write the bundle: the same input gives the same bytes.",
        ),
        "check": (
            f"{_HERE}.bundle_check:check",
            "Tell everything that its platform would refuse in ZIP, or take and then trip over.",
        ),
        "push": (
            f"{_HERE}.bundle_push:push",
            "Check ZIP here, have EvalAI validate it, then create the challenge or update it.",
        ),
    },
)
def bundle() -> None:
    """Build the zip that creates the challenge on its platform."""
