"""``nlb-evalai annotations build``: ground truth from NWB sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

import click

from evaluation_script.suites import Suite
from nlb_evalai.cli._sessions import print_result, progress_bar, session_options
from nlb_evalai.cli._suite import phase_of
from nlb_evalai.truth.build import build_annotations, parse_sources


@click.command()
@session_options
@click.option("--force", is_flag=True, help="Write the file even if its arrays are at odds.")
def build(
    suite: Suite, phase: str, nwb: Tuple[str, ...], out: Path, seed: int, force: bool
) -> None:
    """Make the annotation file of a phase from NWB sessions.

    The file is verified before it takes its place; after an error nothing is left behind. The
    command exits with 1 if a session lacks what is needed, or the arrays are at odds.
    """
    phase_of(suite, phase)
    sources = parse_sources(nwb, suite)
    with progress_bar() as progress:
        result = build_annotations(
            phase, sources, out, suite, seed=seed, progress=progress, force=force
        )
    print_result(result, out)
