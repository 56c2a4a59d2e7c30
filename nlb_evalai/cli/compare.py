"""``nlb-evalai compare``: submissions on the same trials, pair by pair."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Tuple

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluation_script.suites import Suite
from evaluation_script.text import printable
from nlb_evalai.cli._console import WIDTH_OF_PIPES, plain_console
from nlb_evalai.cli._diagnostics import measured
from nlb_evalai.cli._terminal import print_json
from nlb_evalai.cli._truth import chosen_truth, truth_options
from nlb_evalai.cli.evaluate import scoring_bar
from nlb_evalai.diagnostics.comparison import (
    LEVEL,
    Comparison,
    PlaceOfDifference,
    ScoreDifference,
    WhereTheyDiffer,
)
from nlb_evalai.diagnostics.comparison import compare as compare_in_python

#: as many neurons and conditions are named
_MOST_PLACES = 5


@click.command()
@click.argument(
    "submissions",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@truth_options
@click.option("--json", "json_wanted", is_flag=True, help="Print everything as one JSON object.")
def compare(
    submissions: Tuple[Path, ...],
    annotations: Optional[Path],
    truth: Optional[str],
    phase: Optional[str],
    suite: Optional[Suite],
    json_wanted: bool,
) -> None:
    """Compare SUBMISSIONS, two or more, on the same trials: what differs, and where.

    Every metric's difference comes with a paired error bar, a p-value that is corrected for all
    that is compared (Holm), and the number of trials that it would take to tell.
    """
    if len(submissions) < 2:
        raise click.UsageError("name two submissions or more")
    path, phase, suite = chosen_truth(annotations, truth, phase, suite)
    with scoring_bar(json_wanted) as bar:
        task = bar.add_task("scoring", total=None)
        found = compare_in_python(
            submissions,
            path,
            phase=phase,
            suite=suite,
            progress=lambda name, done, total: bar.update(
                task, description=f"scoring {printable(name)}", completed=done, total=total
            ),
        )
    if json_wanted:
        print_json(found.to_dict())
    else:
        _show(found)


def _show(found: Comparison) -> None:
    console = plain_console(width_of_pipes=WIDTH_OF_PIPES)
    where = {(one.group, one.first, one.second): one for one in found.where}
    for first, second in dict.fromkeys((row.first, row.second) for row in found.scores):
        console.print(Text(f"{printable(first)} less {printable(second)}", "bold"), soft_wrap=True)
        rows = [row for row in found.scores if (row.first, row.second) == (first, second)]
        console.print(_table(rows))
        for group in dict.fromkeys(row.group for row in rows):
            _show_where(console, where.get((group, first, second)))
        console.print()
    console.print(
        f"p is corrected for all {found.n_tests} differences (Holm); * marks what is below "
        f"{LEVEL:g}. "
        "Trials: so many like these tell such a difference four times out of five.",
        soft_wrap=True,
    )
    for remark in found.left_out:
        console.print(f"note: {printable(remark)}", soft_wrap=True)


def _table(rows: List[ScoreDifference]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("group", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    for name in ("first", "second", "difference", "p", "trials", "it would take"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.group,
            row.metric,
            measured(row.first_score),
            measured(row.second_score),
            measured(row.difference, row.standard_error),
            _p(row.p_holm),
            str(row.n_trials or "–"),
            "–" if row.trials_needed is None else str(row.trials_needed),
        )
    return table


def _p(value: Optional[float]) -> str:
    if value is None:
        return "–"
    mark = "*" if value < LEVEL else " "
    return f"{'<0.0001' if value < 1e-4 else f'{value:.4f}'}{mark}"


def _show_where(console: Console, where: Optional[WhereTheyDiffer]) -> None:
    """The clear differences of a group, by neuron and condition."""
    if where is None:
        return
    for what, places in (("neurons", where.neurons), ("conditions", where.conditions)):
        clear = [one for one in places if one.p_holm is not None and one.p_holm < LEVEL]
        if not places:
            continue
        named = "; ".join(_place(one) for one in clear[:_MOST_PLACES]) or "none"
        more = f"; and {len(clear) - _MOST_PLACES} more" if len(clear) > _MOST_PLACES else ""
        console.print(
            f"  {where.group}: {what} that differ clearly ({len(clear)} of {len(places)}): "
            f"{named}{more}",
            soft_wrap=True,
        )


def _place(one: PlaceOfDifference) -> str:
    number = "trials of no condition" if one.number < 0 else f"number {one.number}"
    return f"{number}, {measured(one.difference, one.standard_error)}"
