"""``nlb-evalai annotations verify``: an annotation file against the suite and against itself."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click
import h5py

from evaluation_script.suites import Suite
from nlb_evalai.cli._suite import phase_of, suite_option
from nlb_evalai.cli._terminal import echo, print_json
from nlb_evalai.errors import NOT_FIT
from nlb_evalai.truth.complete import missing_datasets
from nlb_evalai.truth.errors import AnnotationFileError
from nlb_evalai.truth.verify import check_path


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--shapes",
    type=click.Choice(["official", "any"]),
    default="official",
    show_default=True,
    help="Hold the arrays to the official shapes of the published datasets, or take any that fit "
    "together.",
)
@click.option("--phase", help="Codename of the phase, needed where the file does not say it.")
@click.option("--partial", is_flag=True, help="Datasets of the suite may be missing.")
@suite_option("the file")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON object.")
def verify(
    file: Path,
    shapes: str,
    phase: Optional[str],
    partial: bool,
    suite: Optional[Suite],
    as_json: bool,
) -> None:
    """Check the annotation file FILE against the suite and against itself.

    The command exits with 1 if something is wrong with the file, and with 2 if it cannot be read.
    """
    report = check_path(file, suite, official=shapes == "official", phase=phase)
    if phase is not None and report.suite is not None:
        phase_of(report.suite, phase)
    lacking = _lacking(file, report.suite)
    if lacking:
        (report.notes if partial else report.problems).append(lacking)
    if as_json:
        print_json(
            {
                "file": str(file),
                "suite": report.suite and report.suite.name,
                "shapes": shapes,
                "fit": not report.problems,
                "problems": report.problems,
                "notes": report.notes,
            }
        )
        if report.problems:
            raise SystemExit(NOT_FIT)
        return
    for note in report.notes:
        echo(f"note: {note}", err=True)
    if report.problems:
        raise AnnotationFileError(f"{file}:", report.problems)
    echo(f"{file}: good ({shapes} shapes)")


def _lacking(file: Path, suite: Optional[Suite]) -> Optional[str]:
    if suite is None:
        return None
    with h5py.File(file, "r") as truth:
        # a file with nothing of the suite is told so already
        known = any(group in truth for group in suite.groups())
        return missing_datasets(truth, suite) if known else None
