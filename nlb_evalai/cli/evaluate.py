"""``nlb-evalai evaluate``: one submission, scored here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from evaluation_script.scorecard import Scorecard
from evaluation_script.suites import Suite
from evaluation_script.text import printable
from nlb_evalai.cli._console import WIDTH_OF_PIPES, plain_console
from nlb_evalai.cli._diagnostics import assumptions, told
from nlb_evalai.cli._terminal import print_json
from nlb_evalai.cli._truth import chosen_truth, truth_options
from nlb_evalai.diagnostics.base import plain
from nlb_evalai.diagnostics.evaluation import Evaluation
from nlb_evalai.diagnostics.evaluation import evaluate as evaluate_in_python
from nlb_evalai.submission.evaluate import as_json, write_receipt


@click.command()
@click.argument("submission", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@truth_options
@click.option(
    "--receipt",
    "receipt_out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the receipt here: hashes, versions, and every number at full precision.",
)
@click.option(
    "--diagnostics",
    is_flag=True,
    help="Say why it scores what it scores: by neuron, against ceilings, and more.",
)
@click.option(
    "--inputs",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Model inputs, as `inputs build` writes them: few-shot co-smoothing needs them.",
)
@click.option(
    "--json",
    "json_wanted",
    is_flag=True,
    help="Print receipt and notes, and diagnostics if wanted, as JSON.",
)
def evaluate(
    submission: Path,
    annotations: Optional[Path],
    truth: Optional[str],
    phase: Optional[str],
    suite: Optional[Suite],
    receipt_out: Optional[Path],
    diagnostics: bool,
    inputs: Optional[Path],
    json_wanted: bool,
) -> None:
    """Score SUBMISSION here, with the scorer that runs on EvalAI.

    Scores are at full precision; the table shows them with their error bars. The command exits
    with 1 if the submission would be rejected. Diagnostics do not change a score.
    """
    if inputs is not None and not diagnostics:
        raise click.UsageError("--inputs is for --diagnostics: name both")
    path, phase, suite = chosen_truth(annotations, truth, phase, suite)
    with scoring_bar(json_wanted) as bar:
        task = bar.add_task("scoring", total=None)
        found = evaluate_in_python(
            submission,
            path,
            phase=phase,
            suite=suite,
            diagnostics=diagnostics,
            inputs=inputs,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            tick=lambda group: bar.update(task, description=f"few-shot: {group}"),
        )
    if receipt_out is not None:
        write_receipt(found.card, receipt_out)
    if json_wanted:
        of_groups = {name: plain(group.diagnostics) for name, group in found.groups.items()}
        print_json({**as_json(found.card), **({"diagnostics": of_groups} if diagnostics else {})})
    else:
        _show(found.card, suite, submission)
        _show_diagnostics(found)


def _show_diagnostics(found: Evaluation) -> None:
    console = plain_console(width_of_pipes=WIDTH_OF_PIPES)
    for name, group in found.groups.items():
        if group.diagnostics is not None:
            console.print(Text(f"\n{name}", "bold"))
            for word, line in told(group.diagnostics):
                console.print(
                    Text.assemble((f"  {word:<12}", "dim"), printable(line)), soft_wrap=True
                )
    every = [one.diagnostics for one in found.groups.values() if one.diagnostics]
    for line in assumptions(every):
        console.print(f"note: {line}", soft_wrap=True)


def scoring_bar(silent: bool) -> Progress:
    """A progress bar on standard error, where that is a terminal."""
    return Progress(
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=plain_console(stderr=True),
        transient=True,
        disable=silent or not sys.stderr.isatty(),
    )


def _show(card: Scorecard, suite: Suite, submission: Path) -> None:
    console = plain_console(width_of_pipes=WIDTH_OF_PIPES)
    truth = card.receipt["truth"]
    kind = "public truth" if truth["is_public"] else "hidden truth"
    known = f" ({truth['published_as']})" if truth["published_as"] else ""
    console.print(
        f"{printable(submission.name)}: {suite.title}, phase {card.phase.codename}, {kind}{known}, "
        f"rules {card.receipt['rules_version']}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("group", no_wrap=True)
    keys = [metric.key for metric in suite.metrics()]
    # In a narrow terminal an error bar stands below its score.
    between = " " if console.width >= 22 + 18 * len(keys) else "\n"
    for key in keys:
        table.add_column(key, justify="right", no_wrap=True)
    for name, group in card.groups.items():
        cells = []
        for key in keys:
            score = group.scores.get(key)
            if score is None:
                cells.append(Text("–", style="dim"))
                continue
            bar = "" if score.standard_error is None else f"{between}± {score.standard_error:.4f}"
            cells.append(Text(f"{score.value + 0.0:.4f}{bar}"))
        table.add_row(name, *cells)
    console.print(table)
    remarks = [
        f"{name}: {key} left out: {reason}"
        for name, group in card.groups.items()
        for key, reason in group.left_out.items()
    ]
    for remark in [*remarks, *card.notes]:
        console.print(f"note: {printable(remark)}", soft_wrap=True)
