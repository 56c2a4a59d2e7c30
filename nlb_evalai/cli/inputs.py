"""``nlb-evalai inputs``: what models get."""

from __future__ import annotations

import click

from nlb_evalai.cli._lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "build": (
            "nlb_evalai.cli.inputs_build:build",
            "Make the train and eval input arrays of a phase from NWB sessions.",
        )
    },
)
def inputs() -> None:
    """Model inputs: spikes of the train trials, held-in spikes of the eval trials."""
