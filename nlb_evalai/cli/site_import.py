"""``nlb-evalai site import``: EvalAI's public boards as cards."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Dict, Tuple

import click

from evaluation_script.suites import Suite
from evaluation_script.text import plural
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.cli._terminal import echo
from nlb_evalai.competition.cards.boards import Boards
from nlb_evalai.competition.cards.importing import check_assigned, import_cards
from nlb_evalai.errors import ProblemsError
from nlb_evalai.web.http import Timing


@click.command("import")
@click.option(
    "--challenge", type=int, metavar="PK", required=True, help="The challenge's number on EvalAI."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of cards; made if there is none. No card in it is changed.",
)
@suite_option()
@click.option(
    "--board",
    "assigned",
    multiple=True,
    metavar="NAME=CODENAME",
    help="Which of the suite's splits a board is, where its name on EvalAI does not say it. May be "
    "given more than once.",
)
@click.option(
    "--every-method",
    is_flag=True,
    help="Take every method of a team on a board, not its first row alone: boards show more than "
    "one only of rows marked as baselines, which anybody can do.",
)
@click.option("--api", default="https://eval.ai", show_default=True, help="EvalAI's address.")
@click.option(
    "--first-pause",
    type=click.FloatRange(min=0.001),
    default=1.0,
    hidden=True,
    help="Seconds before the first repeat of a request.",
)
def import_boards(
    challenge: int,
    out: Path,
    suite: Suite,
    assigned: Tuple[str, ...],
    every_method: bool,
    api: str,
    first_pause: float,
) -> None:
    """Read EvalAI's public boards into cards.

    Every card says from which board it is, and when it was imported; a card that is there already
    is never changed. The command exits with 1 where a card says something else than the board, or
    a board or a row could not be taken. See docs/leaderboard.md.
    """
    names: Dict[str, str] = {}
    for one in assigned:
        name, mark, codename = one.rpartition("=")
        if not mark or not name:
            raise click.BadParameter(f"found {one!r}, expected NAME=CODENAME", param_hint="--board")
        names[name] = codename
    check_assigned(names, suite)
    today = datetime.now(timezone.utc).date().isoformat()
    timing = Timing(first_pause_seconds=first_pause)
    with closing(Boards(api, challenge, timing=timing)) as boards:
        result = import_cards(boards, challenge, suite, out, today, names, every_method)
    for note in result.notes:
        echo(f"note: {note}", err=True)
    new, same = plural(len(result.written), "new card"), len(result.unchanged)
    echo(f"{out}: {new} of challenge {challenge}, {same} unchanged")
    if result.problems:
        raise ProblemsError(f"{out}:", result.problems)
