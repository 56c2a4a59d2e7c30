"""``nlb-evalai sample``: write the embedded sample benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

import click

from evaluation_script.suites import Suite
from nlb_evalai.cli._suite import phase_of, suite_option
from nlb_evalai.sample.files import MODELS, SCALES, write_sample


@click.command()
@click.argument("out_dir", type=click.Path(file_okay=False, path_type=Path))
@suite_option()
@click.option(
    "--scale",
    type=click.Choice(SCALES),
    default="small",
    show_default=True,
    help="Write few trials and units, or the official shapes.",
)
@click.option(
    "--phase",
    "phases",
    multiple=True,
    help="Write only this phase; may be given again.  [default: all]",
)
@click.option(
    "--model",
    "models",
    type=click.Choice(MODELS),
    multiple=True,
    help="Write only this submission; may be given again.  [default: all]",
)
def sample(
    out_dir: Path, suite: Suite, scale: str, phases: Tuple[str, ...], models: Tuple[str, ...]
) -> None:
    """Write simulated ground truth and submissions below OUT_DIR.

    The full scale has the official shapes, which may take a gigabyte for each submission. An
    earlier sample is replaced; ground truth that is no sample never is.
    """
    for phase in phases:
        phase_of(suite, phase)
    write_sample(
        out_dir,
        suite,
        scale=scale,
        phases=phases or None,
        models=models or None,
        report=lambda name: click.echo(f"writing {out_dir / name}"),
    )
