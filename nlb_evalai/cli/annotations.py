"""``nlb-evalai annotations``: make ground truth from NWB sessions, look at it, check it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Optional, Tuple

import click
import h5py
import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from evaluation_script.annotation import root_text
from evaluation_script.text import printable
from nlb_evalai.cli._console import plain_console
from nlb_evalai.cli._sessions import (
    PHASES,
    WIDTH_OF_PIPES,
    print_result,
    progress_bar,
    session_options,
)
from nlb_evalai.cli._terminal import echo
from nlb_evalai.cli.annotations_publish import publish
from nlb_evalai.truth.build import build_annotations, parse_sources
from nlb_evalai.truth.errors import AnnotationFileError
from nlb_evalai.truth.verify import check_path

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group("annotations")
def annotations_group() -> None:
    """Annotation files: the ground truth that EvalAI holds, one file a phase."""


annotations_group.add_command(publish)


@annotations_group.command()
@session_options
@click.option("--force", is_flag=True, help="Write the file even if its arrays are at odds.")
def build(phase: str, nwb: Tuple[str, ...], out: Path, seed: int, force: bool) -> None:
    """Make the annotation file of a phase from NWB sessions.

    The file is verified before it takes its place; after an error nothing is left behind.
    """
    sources = parse_sources(nwb)
    with progress_bar() as progress:
        result = build_annotations(phase, sources, out, seed=seed, progress=progress, force=force)
    print_result(result, out)


@annotations_group.command()
@_FILE
def show(file: Path) -> None:
    """Tell what is inside: arrays, shapes and origin; never a value."""
    try:
        with h5py.File(file, "r") as handle:
            _print_contents(file, handle)
    except (OSError, RuntimeError) as error:
        raise AnnotationFileError(f"{file}:", [f"cannot be read as HDF5: {error}"]) from error


@annotations_group.command()
@_FILE
@click.option(
    "--shapes",
    type=click.Choice(["official", "any"]),
    default="official",
    show_default=True,
    help="official: the shapes of the published datasets; any: those that fit together.",
)
@click.option("--phase", type=PHASES, help="Where the file does not say it.")
def verify(file: Path, shapes: str, phase: Optional[str]) -> None:
    """Check an annotation file against the suite and against itself."""
    report = check_path(file, official=shapes == "official", phase=phase)
    for note in report.notes:
        echo(f"note: {note}", err=True)
    if report.problems:
        raise AnnotationFileError(f"{file}:", report.problems)
    echo(f"{file}: good ({shapes} shapes)")


def _print_contents(path: Path, handle: h5py.File) -> None:
    console = plain_console(width_of_pipes=WIDTH_OF_PIPES)
    console.print(printable(path), highlight=False)
    for name in ("phase", "suite", "rules_version"):
        value = root_text(handle, name)
        if value is not None:
            console.print(f"  {name}: {printable(value)}", highlight=False)
    for name in ("sources", "versions"):
        for key, told in sorted(_json_attribute(handle, name).items()):
            details = told.items() if isinstance(told, dict) else [("", told)]
            for detail, text in details:
                line = " ".join(part for part in (key, detail, str(text)) if part)
                console.print(f"  {name}: {printable(line)}", highlight=False, soft_wrap=True)
    table = Table(box=SIMPLE)
    for name in ("group", "array", "type"):
        table.add_column(name, no_wrap=True)
    for name in ("shape", "NaN"):
        table.add_column(name, justify="right", no_wrap=True)
    for group_name in handle:
        group = handle.get(group_name)
        if isinstance(group, h5py.Group):
            for name in group:
                cells = _describe(group.get(name))
                table.add_row(printable(group_name), printable(name), *cells)
        else:
            kind, shape, share = _describe(group)
            table.add_row(printable(group_name), "", f"not a group: {kind}", shape, share)
        table.add_section()
    console.print(table)


def _json_attribute(handle: h5py.File, name: str) -> dict:
    try:
        value = json.loads(root_text(handle, name) or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _describe(node: object) -> Tuple[str, str, str]:
    """Type, shape and share of NaN of an array; of anything else what it is."""
    if node is None:
        return "link to nothing", "", ""
    if not isinstance(node, h5py.Dataset) or node.shape is None:
        return "not an array", "", ""
    shape = " × ".join(map(str, node.shape))
    if h5py.check_vlen_dtype(node.dtype):
        return "lists of int32", shape, ""
    if node.dtype.kind != "f" or not node.size:
        return str(node.dtype), shape, ""
    return str(node.dtype), shape, f"{np.isnan(node[()]).mean():.1%}"
