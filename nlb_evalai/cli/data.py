"""``nlb-evalai data``: the benchmark's published files, and what a file is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import List, Optional, Tuple

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from nlb_evalai.cli._console import plain_console
from nlb_evalai.cli._terminal import echo, print_json
from nlb_evalai.errors import ProblemsError, ToolError
from nlb_evalai.truth.known import Copy, KnownFile, known_files, named, obtain

#: the longest file name fits on a line
_WIDTH_OF_PIPES = 140


@click.group()
def data() -> None:
    """Published files: list them, fetch them, and tell what a file is."""


@data.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print all that is known of each file.")
def list_files(as_json: bool) -> None:
    """List the recordings and the published truth, and the files that they replaced."""
    if as_json:
        print_json([one.as_json() for one in known_files()])
        return
    table = Table(box=SIMPLE)
    for name in ("name", "MB", "sha256", "version"):
        table.add_column(name, no_wrap=True, justify="right" if name == "MB" else "left")
    table.add_column("file", overflow="fold")
    current = [one for one in known_files() if not one.replaced]
    for one in current:
        table.add_row(*_cells(one))
    console = plain_console(width_of_pipes=_WIDTH_OF_PIPES)
    console.print(table)
    for one in known_files():
        if one.replaced:
            name, size, _, version, file = _cells(one)
            echo(f"superseded: {name} ({file}, {size} MB, {version}): {one.replaced}")
    echo("unseen: nobody saw that hash; such a file is fetched, and marked unverified")
    for licence in dict.fromkeys(one.licence for one in current):
        names = [one.name for one in current if one.licence == licence]
        shown = ", ".join(names) if len(names) < 4 else "the other recordings"
        echo(f"licence of {shown}: {licence}")


def _cells(one: KnownFile) -> List[str]:
    digest = one.sha256[:12] + "…" if one.sha256 else "unseen"
    return [one.name, f"{one.n_bytes / 1e6:.1f}", digest, one.version, one.file]


@data.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to put them in, recordings in a folder for each dataset (default: the cache).",
)
def fetch(names: Tuple[str, ...], to: Optional[Path]) -> None:
    """Fetch the files NAME..., or all files of a dataset by its name.

    A file comes under its name only when its size and its hash are right. A download that
    was cut off goes on where it was when the command runs again. Exit code 1 means that a file is
    not there.

    NLB_EVALAI_DANDI and NLB_EVALAI_NLB_TOOLS, if they are set, are the addresses of mirrors.
    """
    failed: List[str] = []
    files = named(names)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
        for one in files:
            task = bars.add_task(one.name, total=one.n_bytes)
            try:
                copy = obtain(one, to, lambda done, task=task: bars.update(task, completed=done))  # type: ignore[misc]
            except ToolError as error:
                failed.append(str(error))
                bars.remove_task(task)
            else:
                bars.update(task, completed=one.n_bytes)
                _report(copy)
    if failed:
        raise ProblemsError("not fetched:", failed) if len(failed) > 1 else ToolError(failed[0])


def _report(copy: Copy) -> None:
    was = "fetched" if copy.fresh else "is there"
    checked = "verified" if copy.verified else "UNVERIFIED, its size alone is known"
    echo(f"{copy.known.name}: {was}, {checked}: {copy.path}")
    if not copy.verified:
        echo(f"  sha256 {copy.sha256}")
    if copy.known.replaced:
        echo(f"  {copy.known.replaced}")


@data.command()
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def identify(files: Tuple[Path, ...], as_json: bool) -> None:
    """Tell what each of FILE... is: a published one by its hash, or what its structure says."""
    from nlb_evalai.truth.identify import what_is

    reports = []
    for path in files:
        found = what_is(path)
        if as_json:
            reports.append(
                {
                    "file": str(path),
                    "kind": found.kind.value,
                    "is": found.words,
                    "notes": list(found.notes),
                    "known": found.known and found.known.name,
                    "superseded": bool(found.known and found.known.replaced),
                    "sha256": found.sha256,
                    "suite": found.suite or None,
                    "phases": list(found.phases),
                    "datasets": list(found.datasets),
                }
            )
            continue
        echo(f"{path}: {found.words}")
        for note in found.notes:
            echo(f"  {note}")
        if found.sha256:
            echo(f"  sha256 {found.sha256}")
    if as_json:
        print_json(reports)
