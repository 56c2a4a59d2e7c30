"""``nlb-evalai site build``: a folder of pages that anyone can put anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Optional

import click

from evaluation_script.suites import DEFAULT, Suite, find
from nlb_evalai.cli._phase import stored_phase
from nlb_evalai.cli._suite import phase_of, suite_option
from nlb_evalai.cli._terminal import echo
from nlb_evalai.competition.cards.entries import entries_of
from nlb_evalai.competition.site.gather import site_of_entries, site_of_store
from nlb_evalai.competition.site.history import citation_of, history_of, read_history
from nlb_evalai.competition.site.model import Site
from nlb_evalai.competition.site.render import build as build_site
from nlb_evalai.errors import NOT_FIT, ProblemsError, ToolError

#: what --history means without a file
_OF_THE_SUITE = "-"


@click.command()
@click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path),
    help="Store that `nlb-evalai score` wrote.",
)
@click.option(
    "--cards",
    "cards_path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of cards, each with its receipt beside it; in the place of --store.",
)
@click.option(
    "--award",
    "award_dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that `nlb-evalai award` wrote: it says who is private and who has which rank.",
)
@click.option(
    "--history",
    "history_path",
    is_flag=False,
    flag_value=_OF_THE_SUITE,
    metavar="[FILE]",
    help="Show published scores, too: those that come with the suite, or those of a file.",
)
@click.option("--phase", help="Codename of the phase.  [default: the award's, or the suite's last]")
@suite_option("the store")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to write: an empty one, or that of an earlier build, which is replaced.",
)
def build(
    store_path: Optional[Path],
    cards_path: Optional[Path],
    award_dir: Optional[Path],
    history_path: Optional[str],
    phase: Optional[str],
    suite: Optional[Suite],
    out: Path,
) -> None:
    """Write the boards as a static site, which needs no server and asks nobody.

    Of a store it shows what `report` would: private entries are anonymous, withdrawn ones are
    left out, and scores on hidden truth are rounded as on the boards. Without an award
    submissions go by their names in the store. Of cards it shows all that hold, once none is
    faulty. Open index.html, or copy the folder to any web server.
    """
    if (store_path is None) == (cards_path is None):
        raise click.UsageError("expected either --store or --cards")
    own = Path(history_path) if history_path not in (None, _OF_THE_SUITE) else None
    _spare(out, store_path, cards_path, award_dir, own)
    if store_path is not None:
        with stored_phase(store_path, award_dir, phase, suite) as found:
            site = site_of_store(found.store, found.suite, found.codename, found.award)
    else:
        assert cards_path is not None
        if award_dir is not None:
            raise click.UsageError("--award belongs to --store; cards have no award")
        site = _of_cards(cards_path, suite or find(DEFAULT), phase)
    written = build_site(_with_history(site, history_path), out)
    echo(f"written: {written[0]} and {len(written) - 1} files below {out}")


def _of_cards(folder: Path, suite: Suite, phase: Optional[str]) -> Site:
    known = phase_of(suite, phase or suite.phases[-1].codename)
    entries, problems = entries_of(folder, suite, known.codename)
    if problems:
        raise ProblemsError(f"{folder}: no site is made of faulty cards,", problems)
    if not entries:
        raise ToolError(f"{folder}: no card of phase {known.codename}", exit_code=NOT_FIT)
    return site_of_entries(suite, known, entries)


def _spare(out: Path, *inputs: Optional[Path]) -> None:
    for path in inputs:
        if path is not None and out.resolve() in (path.resolve(), *path.resolve().parents):
            raise ToolError(
                f"{out}: would publish and replace {path}, which this command reads; expected "
                "another folder for the output"
            )


def _with_history(site: Site, given: Optional[str]) -> Site:
    site = replace(site, citation=citation_of(site.suite))
    if given is None:
        return site
    path = history_of(site.suite) if given == _OF_THE_SUITE else Path(given)
    if path is None:
        raise ToolError(
            f"--history: no published scores come with suite {site.suite.name}; expected a file"
        )
    return replace(site, historical=read_history(path, site.suite))
