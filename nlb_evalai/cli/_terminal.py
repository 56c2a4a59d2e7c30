"""How commands print text that may hold what strangers wrote."""

from __future__ import annotations

import json
from typing import Any

import click

from evaluation_script.text import printable


def printable_lines(text: str) -> str:
    """A text of several lines, in which all but the line ends is made visible."""
    return "\n".join(printable(line) for line in text.splitlines())


def echo(line: str, err: bool = False) -> None:
    """Print one line, whatever it holds."""
    click.echo(printable(line), err=err)


def print_json(value: Any) -> None:
    """Print one JSON object, in ASCII: what is no letter of it comes escaped."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))
