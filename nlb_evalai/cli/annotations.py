"""``nlb-evalai annotations``: a host's ground truth."""

from __future__ import annotations

import click

from nlb_evalai.cli.annotations_publish import publish


@click.group()
def annotations() -> None:
    """Ground truth of the phases."""


annotations.add_command(publish)
