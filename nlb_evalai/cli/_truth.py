"""The truth that a command scores on: an annotation file, or the published one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Optional, Tuple, TypeVar

import click

from evaluation_script.suites import DEFAULT_SUITE, Suite
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.errors import ToolError
from nlb_evalai.truth.known import obtain, published_truth
from nlb_evalai.truth.phase import suite_of_truth

Command = TypeVar("Command", bound=Callable[..., Any])


def truth_options(command: Command) -> Command:
    """``--annotations FILE`` or ``--truth published``, ``--phase`` and ``--suite``."""
    for option in (
        suite_option("the truth"),
        click.option("--phase", help="Codename of the phase, where the truth does not say it."),
        click.option(
            "--truth",
            type=click.Choice(["published"]),
            help="Score on the published truth instead, as `data fetch` left it.",
        ),
        click.option(
            "--annotations",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="The truth to score on: an annotation file, or a pointer to one.",
        ),
    ):
        command = option(command)
    return command


def chosen_truth(
    annotations: Optional[Path], truth: Optional[str], phase: Optional[str], suite: Optional[Suite]
) -> Tuple[Path, Optional[str], Suite]:
    """The truth's file, its phase as far as it was named, and its suite."""
    if (annotations is None) == (truth is None):
        raise click.UsageError("name the truth: either --annotations FILE or --truth published")
    if annotations is None:
        suite = suite or DEFAULT_SUITE
        annotations, phase = _published(suite, phase)
    return annotations, phase, suite_of_truth(annotations, suite)


def _published(suite: Suite, phase: Optional[str]) -> Tuple[Path, str]:
    """The published truth on this machine, fetched if it is not there, and its phase."""
    codenames = [phase] if phase else [one.codename for one in suite.phases]
    for codename in codenames:
        known = published_truth(suite.name, codename)
        if known is not None:
            return obtain(known).path, codename
    raise ToolError(
        f"no truth of {suite.title}, phase {' or '.join(codenames)}, is known to be published: "
        "name the file with --annotations"
    )
