"""``nlb-evalai report``: what everyone may see, as one page and as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Optional
from urllib.parse import urlsplit

import click

from evaluation_script.suites import Suite
from nlb_evalai.cli._phase import stored_phase
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.cli._terminal import echo
from nlb_evalai.competition.report.render import files_of, write_report
from nlb_evalai.competition.report.view import make_view
from nlb_evalai.outputs import spare_inputs


@click.command()
@click.option(
    "--store",
    "store_path",
    required=True,
    type=click.Path(path_type=Path),
    help="Store that `nlb-evalai score` wrote.",
)
@click.option(
    "--award",
    "award_dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that `nlb-evalai award` wrote.",
)
@click.option("--phase", help="Codename of the phase.  [default: the award's, or the suite's last]")
@suite_option("the store")
@click.option("--changes", is_flag=True, help="Show what moved when scored again.")
@click.option(
    "--site",
    "site_address",
    metavar="ADDRESS",
    help="Address of what `nlb-evalai site build` made, as site/index.html, to link it.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Page to write, as report.html.",
)
def report(
    store_path: Path,
    award_dir: Optional[Path],
    phase: Optional[str],
    suite: Optional[Suite],
    changes: bool,
    site_address: Optional[str],
    out: Path,
) -> None:
    """Write the public report, and leaderboard.csv, .json and .md beside it.

    Private entries, and teams whose name holds an e-mail address, are anonymous; withdrawn
    entries are left out; nothing holds an e-mail address. An award from other scores than those
    that the store has now is refused: then the command exits with 1.
    """
    if site_address and urlsplit(site_address).scheme not in ("", "http", "https"):
        raise click.BadParameter(
            f"found {site_address!r}, expected a relative address, or one with http or https",
            param_hint="--site",
        )
    spare_inputs(files_of(out), [store_path, *([award_dir / "award.json"] if award_dir else [])])
    with stored_phase(store_path, award_dir, phase, suite) as found:
        view = make_view(found.store, found.suite, found.codename, found.award, changes)
    for path in write_report(view, out, site_address or ""):
        echo(f"written: {path}")
    for moved in view.changes or ():
        before, after = moved["before"], moved["after"]
        echo(
            f"{moved['name']}  {moved['dataset']} {moved['bin_width_ms']} ms {moved['metric']}: "
            f"{before} → {after} ({moved['why']})"
        )
    if view.changes is not None and not view.changes:
        click.echo("no score moved")
