"""``nlb-evalai inputs build``: what models get, from NWB sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

import click

from evaluation_script.suites import Suite
from nlb_evalai.cli._sessions import print_result, progress_bar, session_options
from nlb_evalai.cli._suite import phase_of
from nlb_evalai.truth.build import build_input_file, parse_sources


@click.command()
@session_options
def build(suite: Suite, phase: str, nwb: Tuple[str, ...], out: Path, seed: int) -> None:
    """Make the train and eval input arrays of a phase from NWB sessions."""
    phase_of(suite, phase)
    sources = parse_sources(nwb, suite)
    with progress_bar() as progress:
        result = build_input_file(phase, sources, out, suite, seed=seed, progress=progress)
    print_result(result, out)
