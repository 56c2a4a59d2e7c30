"""``nlb-evalai annotations show``: what is inside an annotation file, but no value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Optional

import click
import h5py
import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from evaluation_script.annotation import root_text
from evaluation_script.text import printable
from nlb_evalai.cli._console import WIDTH_OF_PIPES, plain_console
from nlb_evalai.cli._terminal import print_json
from nlb_evalai.errors import NOT_SEEN
from nlb_evalai.truth.errors import AnnotationFileError

_TEXTS, _TABLES = ("phase", "suite", "rules_version"), ("sources", "versions")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
def show(file: Path, as_json: bool) -> None:
    """Tell what is inside FILE: arrays, shapes and origin; never a value."""
    try:
        with h5py.File(file, "r") as handle:
            found = _contents(file, handle)
    except (OSError, RuntimeError) as error:
        problem = f"cannot be read as HDF5: {error}"
        raise AnnotationFileError(f"{file}:", [problem], exit_code=NOT_SEEN) from error
    if as_json:
        print_json(found)
    else:
        _print(found)


def _contents(path: Path, handle: h5py.File) -> Dict[str, Any]:
    found: Dict[str, Any] = {"file": str(path)}
    found.update({name: root_text(handle, name) for name in _TEXTS})
    found.update({name: _json_attribute(handle, name) for name in _TABLES})
    nodes = {name: handle.get(name) for name in handle}
    groups = {name: node for name, node in nodes.items() if isinstance(node, h5py.Group)}
    found["groups"] = {
        name: {key: _described(node.get(key)) for key in node} for name, node in groups.items()
    }
    found["not_groups"] = {
        name: _described(node) for name, node in nodes.items() if name not in groups
    }
    return found


def _json_attribute(handle: h5py.File, name: str) -> Dict[str, Any]:
    try:
        value = json.loads(root_text(handle, name) or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _described(node: object) -> Dict[str, Any]:
    """Type, shape and share of NaN of an array; of anything else what it is."""
    if node is None:
        return _kind("link to nothing")
    if not isinstance(node, h5py.Dataset) or node.shape is None:
        return _kind("not an array")
    if h5py.check_vlen_dtype(node.dtype):
        return _kind("lists of int32", node)
    if node.dtype.kind != "f" or not node.size:
        return _kind(str(node.dtype), node)
    return _kind(str(node.dtype), node, float(np.isnan(node[()]).mean()))


def _kind(
    name: str, node: Optional[h5py.Dataset] = None, nan_share: Optional[float] = None
) -> Dict[str, Any]:
    shape = None if node is None else list(node.shape)
    return {"type": name, "shape": shape, "nan_share": nan_share}


def _print(found: Dict[str, Any]) -> None:
    console = plain_console(width_of_pipes=WIDTH_OF_PIPES)
    console.print(printable(found["file"]), highlight=False)
    for name in _TEXTS:
        if found[name] is not None:
            console.print(f"  {name}: {printable(found[name])}", highlight=False)
    for name in _TABLES:
        for key, told in sorted(found[name].items()):
            details = told.items() if isinstance(told, dict) else [("", told)]
            for detail, text in details:
                line = " ".join(part for part in (key, detail, str(text)) if part)
                console.print(f"  {name}: {printable(line)}", highlight=False, soft_wrap=True)
    table = Table(box=SIMPLE)
    for name in ("group", "array", "type"):
        table.add_column(name, no_wrap=True)
    for name in ("shape", "NaN"):
        table.add_column(name, justify="right", no_wrap=True)
    for group, arrays in found["groups"].items():
        for name, array in arrays.items():
            table.add_row(printable(group), printable(name), *_cells(array))
        table.add_section()
    for name, array in found["not_groups"].items():
        kind, *cells = _cells(array)
        table.add_row(printable(name), "", f"not a group: {kind}", *cells)
    console.print(table)


def _cells(array: Dict[str, Any]) -> tuple:
    shape = " × ".join(map(str, array["shape"] or ()))
    share = "" if array["nan_share"] is None else f"{array['nan_share']:.1%}"
    return array["type"], shape, share
