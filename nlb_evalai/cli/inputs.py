"""``nlb-evalai inputs``: what models get, from NWB sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

import click

from nlb_evalai.cli._sessions import print_result, progress_bar, session_options
from nlb_evalai.truth.build import build_input_file, parse_sources


@click.group()
def inputs() -> None:
    """Model inputs: spikes of the train trials, held-in spikes of the eval trials."""


@inputs.command()
@session_options
def build(phase: str, nwb: Tuple[str, ...], out: Path, seed: int) -> None:
    """Make the train and eval input arrays of a phase from NWB sessions."""
    sources = parse_sources(nwb)
    with progress_bar() as progress:
        result = build_input_file(phase, sources, out, seed=seed, progress=progress)
    print_result(result, out)
