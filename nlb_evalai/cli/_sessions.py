"""What the commands that read NWB sessions share: their options, progress and summary."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Optional, TypeVar

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from nlb_evalai.cli._console import WIDTH_OF_PIPES, plain_console
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.cli._terminal import echo
from nlb_evalai.truth.build import Result, StepProgress

Command = TypeVar("Command", bound=Callable[..., None])


def session_options(command: Command) -> Command:
    """``--suite``, ``--phase``, ``--nwb``, ``--out`` and ``--seed``."""
    options = [
        suite_option(),
        click.option("--phase", required=True, help="Codename of the phase, as in the suite."),
        click.option(
            "--nwb",
            "nwb",
            multiple=True,
            required=True,
            metavar="NAME=PATH",
            help="A dataset's session: an .nwb file, a folder with the session's files, or a "
            "quoted pattern. Repeat it for each dataset of the suite that is wanted.",
        ),
        click.option(
            "--out",
            type=click.Path(dir_okay=False, path_type=Path),
            required=True,
            help="HDF5 file to write; replaced if it exists.",
        ),
        click.option(
            "--seed",
            type=int,
            default=0,
            show_default=True,
            help="Seed of the random shift of trials, in datasets that have one; published numbers "
            "use 0.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


class _BarProgress(StepProgress):
    """One line for each step, the current one moving."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: Optional[TaskID] = None

    def step(self, what: str, total: Optional[int] = None) -> None:
        self.finish()
        self._task = self._bars.add_task(what, total=total)

    def advance(self) -> None:
        if self._task is not None:
            self._bars.advance(self._task)

    def finish(self) -> None:
        if self._task is not None:
            done = self._bars.tasks[self._task].total or 1
            self._bars.update(self._task, total=done, completed=done)


@contextmanager
def progress_bar() -> Iterator[StepProgress]:
    """Progress on the terminal's standard error; silent where that is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, disable=not console.is_terminal) as bars:
        progress = _BarProgress(bars)
        yield progress
        progress.finish()


def print_result(result: Result, out: Path) -> None:
    """The groups as a table on standard output, notes on standard error."""
    for note in result.notes:
        echo(f"note: {note}", err=True)
    echo(f"wrote {out}")
    with_conditions = any(group.conditions for group in result.groups)
    table = Table(box=SIMPLE)
    table.add_column("group", no_wrap=True)
    for name in ("train", "eval", "bins", "held-in", "held-out"):
        table.add_column(name, justify="right", no_wrap=True)
    if with_conditions:
        table.add_column("conditions", justify="right", no_wrap=True)
    table.add_column("NaN", justify="right", no_wrap=True)
    for group in result.groups:
        sizes = [group.train_trials, group.eval_trials, group.bins, group.heldin, group.heldout]
        if with_conditions:
            sizes.append(group.conditions)
        cells = [str(size) if size else "–" for size in sizes]
        table.add_row(group.group, *cells, f"{group.nan_share:.1%}")
    plain_console(width_of_pipes=WIDTH_OF_PIPES).print(table)
