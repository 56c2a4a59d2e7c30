"""``nlb-evalai check``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Optional

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.table import Table

from evaluation_script.suite import NLB21
from nlb_evalai.submission.check import CheckReport, check_submission


@click.command()
@click.argument("submission", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--phase",
    required=True,
    type=click.Choice([phase.codename for phase in NLB21.phases]),
    help="The phase it is meant for.",
)
@click.option(
    "--annotations",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Expect the shapes of this truth file instead of the official ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def check(submission: Path, phase: str, annotations: Optional[Path], as_json: bool) -> None:
    """Check SUBMISSION as the server would, before it is uploaded.

    Structure and every value are checked; nothing is scored, and no ground truth is needed. Exit
    code 1 means that the server would reject the file.
    """
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
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        _show(report)
    sys.exit(0 if report.accepted else 1)


def _show(report: CheckReport) -> None:
    console = Console(highlight=False, soft_wrap=True)
    name = Path(report.submission).name
    if not report.accepted:
        count = len(report.problems)
        console.print(
            f"[red]✗[/] {name} would be rejected in phase {report.phase}, "
            f"{count} problem{'s' * (count != 1)}:"
        )
        for problem in report.problems:
            console.print(f"  {problem}", markup=False)
    else:
        console.print(f"[green]✓[/] {name} would be scored in phase {report.phase}:")
        console.print(_table(report))
    if report.notes:
        console.print("notes:")
        for note in report.notes:
            console.print(f"  {note}", markup=False)
    console.print(f"checked against {report.checked_against}", style="dim")


def _table(report: CheckReport) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("group")
    table.add_column("scores")
    table.add_column("left out")
    for group, keys in report.would_score.items():
        reasons = report.left_out.get(group, {})
        table.add_row(
            group, ", ".join(keys), "; ".join(f"{key}: {why}" for key, why in reasons.items())
        )
    return table
