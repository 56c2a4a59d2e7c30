"""``nlb-evalai check``: a submission as the server would see it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from evaluation_script.suites import DEFAULT, Suite, find
from evaluation_script.text import listed, printable
from nlb_evalai.cli._console import plain_console
from nlb_evalai.cli._suite import phase_of, suite_of_truth, suite_option
from nlb_evalai.cli._terminal import print_json
from nlb_evalai.errors import NOT_FIT
from nlb_evalai.submission.check import CheckReport, check_submission


@click.command()
@click.argument("submission", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--phase", required=True, help="Codename of the phase it is meant for.")
@click.option(
    "--annotations",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Expect the shapes of this truth file instead of the published ones.",
)
@suite_option(f"the truth file, or without one {DEFAULT}")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def check(
    submission: Path,
    phase: str,
    annotations: Optional[Path],
    suite: Optional[Suite],
    as_json: bool,
) -> None:
    """Check SUBMISSION as the server would, before it is uploaded.

    Structure and every value are checked; nothing is scored, and no ground truth is needed. A
    likely cause stands first, with the line that mends it. What values look like is advice: the
    command exits with 1 only if the server would reject the file, and with 2 if it cannot be
    looked at.
    """
    if annotations is not None:
        suite = suite_of_truth(annotations, phase, suite)
    suite = suite or find(DEFAULT)
    phase_of(suite, phase)
    with Progress(
        "checking",
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=as_json or not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task("", total=None)
        report = check_submission(
            submission,
            phase,
            annotations,
            suite=suite,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        print_json(report.as_json())
    else:
        _show(report)
    sys.exit(0 if report.accepted else NOT_FIT)


def _show(report: CheckReport) -> None:
    console = plain_console()
    for line in report.causes_told():
        console.print(Text(line, "" if line.startswith(" ") else "bold"), soft_wrap=True)
    name = printable(Path(report.submission).name)
    if not report.accepted:
        said = listed(
            f" {name} would be rejected in phase {report.phase},",
            [printable(problem) for problem in report.problems],
        )
        console.print(Text.assemble(("✗", "red"), said), soft_wrap=True)
    else:
        said = f" {name} would be scored in phase {report.phase}:"
        console.print(Text.assemble(("✓", "green"), said), soft_wrap=True)
        console.print(_table(report), soft_wrap=True)
    if report.notes:
        notes = [f"  {printable(note)}" for note in report.notes]
        console.print("\n".join(["notes:", *notes]), soft_wrap=True)
    against = printable(report.checked_against)
    console.print(f"checked against {against}", style="dim", soft_wrap=True)


def _table(report: CheckReport) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("group")
    table.add_column("scores")
    table.add_column("left out")
    table.add_column("consistency", justify="right")
    for group, keys in report.would_score.items():
        reasons = report.left_out.get(group, {})
        consistency = report.consistency[group]
        table.add_row(
            group,
            ", ".join(keys),
            "; ".join(f"{key}: {why}" for key, why in reasons.items()),
            "–" if isinstance(consistency, str) else f"{consistency.shared:.3f}",
        )
    return table
