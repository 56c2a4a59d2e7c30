"""``nlb-evalai site check``: whether cards, and the receipts beside them, hold."""

from __future__ import annotations

from pathlib import Path
from typing import List, Tuple

import click

from evaluation_script.submission.stream import Progress
from evaluation_script.suites import Suite
from evaluation_script.text import plural
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.cli._terminal import echo, print_json
from nlb_evalai.cli.evaluate import scoring_bar
from nlb_evalai.competition.cards.folder import read_cards
from nlb_evalai.competition.cards.judge import judge
from nlb_evalai.competition.cards.layout import template
from nlb_evalai.competition.cards.recheck import recheck
from nlb_evalai.errors import ProblemsError


def _print_template(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(template(), nl=False)
        context.exit()


@click.command()
@click.argument("cards", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--annotations",
    "truths",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Truth that receipts are checked on, known by its hash. May be given more than once.",
)
@click.option(
    "--files",
    "folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with submissions, known by their hashes. May be given more than once.",
)
@suite_option()
@click.option("--json", "json_wanted", is_flag=True, help="Print what was found as JSON.")
@click.option(
    "--template",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_template,
    help="Print a card to copy and fill in, and do nothing else.",
)
def check(
    cards: Path,
    truths: Tuple[Path, ...],
    folders: Tuple[Path, ...],
    suite: Suite,
    json_wanted: bool,
) -> None:
    """Check every card of the folder CARDS, with its receipt.

    Where a receipt's submission is in --files and its truth is in --annotations, the submission is
    scored again. Without both, nobody can tell an edited receipt from a true one. The command exits
    with 1 if something is at fault, and tells all of it. See docs/leaderboard.md.
    """
    judged = judge(read_cards(cards), suite)
    with scoring_bar(json_wanted) as bar:
        task = bar.add_task("", total=None)

        def told(where: str) -> Progress:
            return lambda done, total: bar.update(task, completed=done, total=total)

        rechecked = recheck(judged.cards, truths, folders, suite, told)
    problems = judged.problems + rechecked.problems
    notes = judged.notes + rechecked.notes
    if not judged.cards and not problems:
        problems = ["found no card, expected <team>/<method>.yaml"]
    if json_wanted:
        print_json(
            {
                "cards": str(cards),
                "fit": not problems,
                "checked": len(judged.cards),
                "verified": rechecked.verified,
                "problems": problems,
                "notes": notes,
            }
        )
    else:
        for note in notes:
            echo(f"note: {note}", err=True)
    if problems:
        raise ProblemsError(f"{cards}:", problems)
    if not json_wanted:
        echo(_said(cards, len(judged.cards), rechecked.verified))


def _said(cards: Path, n_cards: int, verified: List[str]) -> str:
    again = f", {plural(len(verified), 'receipt')} scored again" if verified else ""
    return f"{cards}: {plural(n_cards, 'card')} without fault{again}"
