"""``nlb-evalai bundle build``: the challenge zip."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click
from rich.console import Console

from evaluation_script.suites import Suite
from evaluation_script.text import plural, printable
from nlb_evalai.challenge.build import BuiltBundle
from nlb_evalai.challenge.names import DEFAULT
from nlb_evalai.challenge.platform import find
from nlb_evalai.cli._console import plain_console
from nlb_evalai.cli._platform import platform_option
from nlb_evalai.cli._suite import suite_option


@click.command()
@platform_option("Where the bundle goes.")
@suite_option()
@click.option(
    "--head",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file with what the suite does not say: title, texts, dates, quotas, logo.  "
    "[default: the suite's own, else a plain one]",
)
@click.option(
    "--annotations",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the ground truth, a file for each phase (val.h5, test.h5), or pointers to it "
    "(val.yaml, ...). With remote_evaluation: true only pointers are taken, and go into the bundle "
    "as they are.  [default: the embedded sample]",
)
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Zip to write."
)
def build(
    platform: Optional[str],
    suite: Suite,
    head: Optional[Path],
    annotations: Optional[Path],
    out: Path,
) -> None:
    """Write the bundle: the same input gives the same bytes."""
    built = find(platform or DEFAULT).build(out, annotations, suite=suite, head=head)
    print_built(built, plain_console())


def print_built(built: BuiltBundle, console: Console) -> None:
    """Say what is in a bundle, and loudly what is wrong with it."""
    size = sum(built.members.values())
    files = plural(len(built.members), "file")
    console.print(f"{printable(built.path)}  {files}, {size / 1e6:.1f} MB")
    console.print(f"sha256 {built.sha256}", soft_wrap=True)
    for name, member_size in built.members.items():
        console.print(f"  {member_size:>12,}  {printable(name)}")
    for warning in built.warnings + built.notes:
        console.print(f"\nWARNING: {printable(warning)}", style="bold red", soft_wrap=True)
