"""``nlb-evalai baseline``: the submission of a smoothing model, from NWB sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

import click

# missed before scipy is: the extra that brings it brings that, too
import sklearn  # noqa: F401

from evaluation_script.suites import Suite
from nlb_evalai.cli._sessions import print_result, progress_bar, session_options
from nlb_evalai.cli._suite import phase_of
from nlb_evalai.submission.baseline import build_baseline
from nlb_evalai.truth.build import parse_sources


@click.command()
@session_options
def baseline(suite: Suite, phase: str, nwb: Tuple[str, ...], out: Path, seed: int) -> None:
    """Make a submission: Gaussian smoothing, and ridge regression to held-out neurons."""
    phase_of(suite, phase)
    sources = parse_sources(nwb, suite)
    with progress_bar() as progress:
        result = build_baseline(phase, sources, out, suite, seed=seed, progress=progress)
    print_result(result, out)
