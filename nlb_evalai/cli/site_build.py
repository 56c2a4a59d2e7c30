"""``nlb-evalai site build``: a folder of pages that anyone can put anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Optional

import click

from evaluation_script.suites import Suite
from nlb_evalai.cli._phase import stored_phase
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.cli._terminal import echo
from nlb_evalai.competition.site.gather import site_of_store
from nlb_evalai.competition.site.history import citation_of, history_of, read_history
from nlb_evalai.competition.site.model import Site
from nlb_evalai.competition.site.render import build as build_site
from nlb_evalai.errors import ToolError

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
    award_dir: Optional[Path],
    history_path: Optional[str],
    phase: Optional[str],
    suite: Optional[Suite],
    out: Path,
) -> None:
    """Write the boards as a static site, which needs no server and asks nobody.

    It shows what `report` would: private entries are anonymous, withdrawn ones are left out, and
    scores on hidden truth are rounded as on the boards. Without an award submissions go by their
    names in the store. Open index.html, or copy the folder to any web server.
    """
    if store_path is None:
        raise click.UsageError("expected --store")
    with stored_phase(store_path, award_dir, phase, suite) as found:
        _spare(out, store_path, award_dir)
        site = site_of_store(found.store, found.suite, found.codename, found.award)
    written = build_site(_with_history(site, history_path), out)
    echo(f"written: {written[0]} and {len(written) - 1} files below {out}")


def _spare(out: Path, *inputs: Optional[Path]) -> None:
    for path in inputs:
        if path is not None and out.resolve() in (path.resolve(), *path.resolve().parents):
            raise ToolError(
                f"{path}: lies in {out}, which is published, and replaced; expected another --out"
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
