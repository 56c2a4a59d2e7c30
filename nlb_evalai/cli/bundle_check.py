"""``nlb-evalai bundle check``: what its platform would refuse in a bundle, or trip over later."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from evaluation_script.suites import Suite
from evaluation_script.text import plural, printable
from nlb_evalai.challenge.names import DEFAULT
from nlb_evalai.challenge.platform import Platform, find, platform_of
from nlb_evalai.challenge.rules.finding import ERROR, Finding, errors_of
from nlb_evalai.cli._console import plain_console
from nlb_evalai.cli._platform import platform_option
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.cli._terminal import print_json
from nlb_evalai.errors import NOT_FIT

_ZIP = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", metavar="ZIP", type=_ZIP, required=False)
@suite_option("the bundle")
@click.option("--diff", "old", type=_ZIP, help="The live challenge's bundle, which ZIP updates.")
@click.option("--list", "as_list", is_flag=True, help="List all rules instead; no ZIP is needed.")
@platform_option("Whose rules --list lists; ZIP itself says for which platform it is.")
@click.option("--json", "as_json", is_flag=True, help="Print as one JSON object.")
def check(
    file: Optional[Path],
    suite: Optional[Suite],
    old: Optional[Path],
    as_list: bool,
    platform: Optional[str],
    as_json: bool,
) -> None:
    """Tell everything that its platform would refuse in ZIP, or take and then trip over.

    The command exits with 1 if there is an error; warnings alone do not fail. With --diff, also
    what an update of a live challenge may not change. Nothing that is in ZIP runs: where its suite
    is not one that is known here, --suite names the file of it that you trust.
    """
    if as_list:
        print_rules(find(platform or DEFAULT), as_json)
        return
    if platform is not None:
        raise click.UsageError("ZIP says for which platform it is: --platform is for --list")
    if file is None:
        raise click.UsageError("Missing argument 'ZIP'.")
    findings = platform_of(file).check(file, old, suite)
    if as_json:
        report = {
            "bundle": str(file),
            "fit": not errors_of(findings),
            "findings": [finding.as_json() for finding in findings],
        }
        print_json(report)
    else:
        print_findings(file, findings, plain_console())
    if errors_of(findings):
        raise SystemExit(NOT_FIT)


def print_rules(platform: Platform, as_json: bool) -> None:
    """Every rule of a platform: its code, whether it is an error or a warning, and its sentence."""
    if as_json:
        print_json({"rules": [rule.as_json() for rule in platform.rules.rules()]})
        return
    for rule in platform.rules.rules():
        click.echo(f"{rule.code:27} {rule.severity:8} {rule.sentence}")


def print_findings(file: Path, findings: List[Finding], console: Console) -> None:
    """Each finding with its place and what to do, errors first; then a verdict."""
    for finding in findings:
        color = "bold red" if finding.severity == ERROR else "yellow"
        head = Text.assemble((finding.severity, color), " ", (f"[{finding.code}]", "dim"), " ")
        console.print(head.append(finding.location), soft_wrap=True)
        console.print(Padding(Text(finding.message), (0, 0, 0, 4)))
    errors = len(errors_of(findings))
    warnings = len(findings) - errors
    verdict = f"{printable(file)}: {plural(errors, 'error')}, {plural(warnings, 'warning')}"
    if errors:
        console.print(Text(f"✗ {verdict}", style="bold red"), soft_wrap=True)
    else:
        console.print(Text(f"✓ {verdict}", style="bold green"), soft_wrap=True)
