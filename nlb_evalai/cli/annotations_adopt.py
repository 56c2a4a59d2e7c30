"""``nlb-evalai annotations adopt``: truth of the reference gets attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from evaluation_script.suites import Suite
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.cli._terminal import echo
from nlb_evalai.truth.adopt import adopt as write_adopted
from nlb_evalai.truth.phase import phase_of_truth, suite_of_truth


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--phase", help="Codename of the phase, where neither file nor shapes tell it.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The copy to write.",
)
@suite_option("the file")
def adopt(file: Path, phase: Optional[str], out: Path, suite: Optional[Suite]) -> None:
    """Write a copy of FILE that says its phase and suite, and of which file it is a copy.

    Truth of the reference, and the published file, say nothing of themselves.
    """
    suite = suite_of_truth(file, suite)
    codename = phase_of_truth(file, suite, phase)
    write_adopted(file, out, suite, codename)
    echo(f"wrote {out}: suite {suite.name}, phase {codename}")
