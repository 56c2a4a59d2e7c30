"""``nlb-evalai sample``: write the embedded sample benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

import click

from evaluation_script.suite import NLB21
from nlb_evalai.sample.files import MODELS, SCALES, write_sample


@click.command()
@click.argument("out_dir", type=click.Path(file_okay=False, path_type=Path))
@click.option("--scale", type=click.Choice(SCALES), default="small", show_default=True)
@click.option(
    "--phase",
    "phases",
    type=click.Choice([phase.codename for phase in NLB21.phases]),
    multiple=True,
    help="Only this phase; may be given again.  [default: both]",
)
@click.option(
    "--model",
    "models",
    type=click.Choice(MODELS),
    multiple=True,
    help="Only this submission; may be given again.  [default: all]",
)
def sample(out_dir: Path, scale: str, phases: Tuple[str, ...], models: Tuple[str, ...]) -> None:
    """Write simulated ground truth and submissions below OUT_DIR.

    The full scale has the official shapes: about 0.7 GB for each submission. An earlier sample is
    replaced; ground truth that is no sample never is.
    """
    write_sample(
        out_dir,
        scale=scale,
        phases=phases or None,
        models=models or None,
        report=lambda name: click.echo(f"writing {out_dir / name}"),
    )
