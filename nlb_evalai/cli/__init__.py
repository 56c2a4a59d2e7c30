"""The ``nlb-evalai`` command parses, calls and prints, each subcommand in its own module."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Dict, List, NoReturn, Optional

import click

from evaluation_script.errors import EvaluationError
from nlb_evalai import __version__
from nlb_evalai.cli._terminal import printable_lines
from nlb_evalai.errors import ToolError

#: command -> "module:attribute", imported only when the command runs
COMMANDS: Dict[str, str] = {
    "annotations": "nlb_evalai.cli.annotations:annotations_group",
    "award": "nlb_evalai.cli.award:award",
    "baseline": "nlb_evalai.cli.baseline:baseline",
    "bundle": "nlb_evalai.cli.bundle:bundle",
    "check": "nlb_evalai.cli.check:check",
    "dry-run": "nlb_evalai.cli.dry_run:dry_run",
    "inputs": "nlb_evalai.cli.inputs:inputs",
    "report": "nlb_evalai.cli.report:report",
    "sample": "nlb_evalai.cli.sample:sample",
    "score": "nlb_evalai.cli.score:score",
    "submit": "nlb_evalai.cli.submit:submit",
    "worker": "nlb_evalai.cli.worker:worker",
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use, so that ``--help`` stays quick."""

    def list_commands(self, ctx: click.Context) -> List[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nlb-evalai")
def cli() -> None:
    """Build, check and run the Neural Latents Benchmark on EvalAI."""


def main() -> None:
    """Entry point: errors made on purpose, and those of files, become one message and exit 1."""
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_is_news)
    try:
        cli()
    except (ToolError, EvaluationError) as error:
        # what is wrong with a host's truth or storage is not for participants, but it is for tools
        _end(str(getattr(error, "detail", None) or error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _end(f"{where}{error.strerror or error}")


def _end(message: str) -> NoReturn:
    click.echo(f"error: {printable_lines(message)}", err=True)
    sys.exit(1)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether it is more than the detail of an error, which is printed at the end."""
    return not getattr(record, "in_error", False)
