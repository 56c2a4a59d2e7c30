"""``nlb-evalai bundle push``: create the challenge on EvalAI, or update it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List, Optional

import click
from rich.console import Console
from rich.text import Text

from evaluation_script.suites import Suite
from nlb_evalai.cli._console import plain_console
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.cli._terminal import print_json
from nlb_evalai.errors import NOT_FIT, ToolError

_ZIP = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", metavar="ZIP", type=_ZIP)
@click.option("--api", default="https://eval.ai", show_default=True, help="EvalAI's address.")
@click.option("--host-team", required=True, type=int, metavar="PK", help="The host team's number.")
@click.option("--repository", required=True, metavar="OWNER/NAME", help="Names the challenge.")
@click.option("--validate-only", is_flag=True, help="Have EvalAI check it; change nothing.")
@click.option("--diff", "live", type=_ZIP, help="The live challenge's bundle, which ZIP updates.")
@suite_option("the bundle")
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as one JSON object.")
def push(
    file: Path,
    api: str,
    host_team: int,
    repository: str,
    validate_only: bool,
    live: Optional[Path],
    suite: Optional[Suite],
    as_json: bool,
) -> None:
    """Check ZIP here, have EvalAI validate it, then create the challenge or update it.

    The token of a host is taken from the environment variable AUTH_TOKEN. EvalAI finds the
    challenge again by --repository: the same one updates it. Nothing is sent if a check
    fails. The command exits with 1 if ZIP is not fit, by the checks here or by EvalAI's, and with 2
    if it did not come so far.
    """
    from nlb_evalai.challenge.evalai.answers import TOKEN_VARIABLE
    from nlb_evalai.challenge.evalai.push import PushError
    from nlb_evalai.challenge.evalai.push import push as run
    from nlb_evalai.challenge.evalai.rules.run import BundleCheckError
    from nlb_evalai.challenge.names import DEFAULT as EVALAI
    from nlb_evalai.challenge.platform import platform_of

    whose = platform_of(file)
    if whose.name != EVALAI:
        raise ToolError(
            f"{file}: is a bundle for {whose.title}, which is uploaded on its website "
            "(docs/platforms.md), and this command goes to EvalAI",
            exit_code=NOT_FIT,
        )
    console = plain_console(stderr=as_json)
    told: Dict[str, Any] = {"bundle": str(file), "api": api, "repository": repository}
    try:
        pushed = run(
            file,
            api=api,
            host_team=host_team,
            repository=repository,
            token=os.environ.get(TOKEN_VARIABLE, "").strip(),
            validate_only=validate_only,
            live=live,
            suite=suite,
            progress=lambda step: console.print(f"… {step}", style="dim"),
        )
    except (BundleCheckError, PushError) as error:
        if not as_json or error.exit_code != NOT_FIT:
            raise
        problems = getattr(error, "problems", [str(error)])
        nothing: Dict[str, Any] = {"warnings": [], "validated": [], "created": None}
        print_json({**told, "fit": False, "problems": problems, **nothing})
        raise SystemExit(NOT_FIT) from None
    if as_json:
        warnings = [finding.as_json() for finding in pushed.warnings]
        answers = {"validated": pushed.validated, "created": pushed.created}
        print_json({**told, "fit": True, "problems": [], "warnings": warnings, **answers})
        return
    for warning in pushed.warnings:
        console.print(str(warning), style="yellow", soft_wrap=True)
    _say(console, "EvalAI finds the bundle valid", pushed.validated)
    if pushed.created is None:
        console.print("Nothing was created or changed (--validate-only).")
    else:
        _say(console, "EvalAI took the bundle", pushed.created)
    if pushed.place is not None:
        for line in pushed.place.told():
            console.print(line, soft_wrap=True)


def _say(console: Console, what: str, lines: List[str]) -> None:
    console.print(Text(f"✓ {what}", style="bold green"))
    for line in lines:
        console.print(f"    {line}", soft_wrap=True)
