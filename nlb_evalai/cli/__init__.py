"""The ``nlb-evalai`` command parses, calls and prints, each subcommand in its own module."""

from __future__ import annotations

import logging
import sys
from typing import NoReturn

import click

from nlb_evalai import __version__
from nlb_evalai.beside import namesake
from nlb_evalai.cli._lazy import LazyGroup

_HERE = "nlb_evalai.cli"
#: as `nlb_evalai.errors.NOT_SEEN`, which would import the scorer
_CANNOT_RUN = 2
_WINDOWS = (
    "nlb-evalai runs on Linux and macOS; on Windows, install and run it in WSL, the Windows "
    "Subsystem for Linux"
)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    lazy={
        "annotations": (
            f"{_HERE}.annotations:annotations_group",
            "Annotation files: the ground truth that EvalAI holds, one file a phase.",
        ),
        "award": (
            f"{_HERE}.award:award",
            "Rank, award and explain: award.json, award.md and ranks.csv in a folder.",
        ),
        "baseline": (
            f"{_HERE}.baseline:baseline",
            "Make a submission: Gaussian smoothing, and ridge regression to held-out neurons.",
        ),
        "bundle": (
            f"{_HERE}.bundle:bundle",
            "Build the zip that creates the challenge on its platform.",
        ),
        "check": (
            f"{_HERE}.check:check",
            "Check SUBMISSION as the server would, before it is uploaded.",
        ),
        "compare": (
            f"{_HERE}.compare:compare",
            "Compare SUBMISSIONS, two or more, on the same trials: what differs, and where.",
        ),
        "data": (
            f"{_HERE}.data:data",
            "Published files: list them, fetch them, and tell what a file is.",
        ),
        "dry-run": (
            f"{_HERE}.dry_run:dry_run",
            "Run the challenge here, the way its platform would.",
        ),
        "evaluate": (
            f"{_HERE}.evaluate:evaluate",
            "Score SUBMISSION here, with the scorer that runs on EvalAI.",
        ),
        "inputs": (
            f"{_HERE}.inputs:inputs",
            "Model inputs: spikes of the train trials, held-in spikes of the eval trials.",
        ),
        "receipt": (
            f"{_HERE}.receipt:receipt_group",
            "Receipts: from what, with what, and to which numbers a submission was scored.",
        ),
        "report": (
            f"{_HERE}.report:report",
            "Write the public report, and leaderboard.csv, .json and .md beside it.",
        ),
        "sample": (
            f"{_HERE}.sample:sample",
            "Write simulated ground truth and submissions below OUT_DIR.",
        ),
        "score": (
            f"{_HERE}.score:score",
            "Score SUBMISSIONS into a store: files, folders, s3:// prefixes, or EvalAI's CSV "
            "export.",
        ),
        "site": (
            f"{_HERE}.site:site",
            "Publish the boards as a static site, from a store or from cards.",
        ),
        "submit": (
            f"{_HERE}.submit:submit",
            "Upload FILE to EvalAI, have it scored, and show its scores.",
        ),
        "worker": (f"{_HERE}.worker:worker", "Score submissions of EvalAI on this machine."),
    },
)
@click.version_option(__version__, prog_name="nlb-evalai")
def cli() -> None:
    """Build, check and run the Neural Latents Benchmark on EvalAI.

    Every command exits with 0 if all is well, with 1 if what it looked at is not fit, and with 2 if
    it could not look: a file is missing or unreadable, something does not answer, an option is
    wrong.
    """


def main() -> None:
    """Entry point: an error that is for the user becomes a message and its exit code."""
    unable = _WINDOWS if sys.platform == "win32" else namesake()
    if unable:
        _end(unable, _CANNOT_RUN)
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_is_news)
    try:
        cli()
    except Exception as error:
        # imported here, as listing the commands needs nothing of it
        from nlb_evalai.cli._ending import ending_of

        ending = ending_of(error)
        if ending is None:
            raise
        _end(*ending)


def _end(message: str, exit_code: int) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(exit_code)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether it is more than the detail of an error, which is printed at the end."""
    return not getattr(record, "in_error", False)
