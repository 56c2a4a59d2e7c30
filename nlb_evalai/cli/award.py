"""``nlb-evalai award``: ranks and prizes by the rules, explained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Optional

import click

from evaluation_script.suites import Suite
from evaluation_script.text import plural
from nlb_evalai.cli._suite import suite_of_store, suite_option
from nlb_evalai.cli._terminal import echo
from nlb_evalai.competition.award.decide import make_award
from nlb_evalai.competition.award.decisions import (
    Override,
    read_judges,
    read_overrides,
    read_visibility,
)
from nlb_evalai.competition.award.explain import explained, ranks_csv, sentence, usd
from nlb_evalai.competition.award.export import read_export
from nlb_evalai.competition.award.rulebook import PUBLIC, load_rules, rules_of
from nlb_evalai.competition.store import Store
from nlb_evalai.errors import ToolError
from nlb_evalai.outputs import spare_inputs
from nlb_evalai.tables import csv_text

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--store",
    "store_path",
    required=True,
    type=click.Path(path_type=Path),
    help="Store that `nlb-evalai score` wrote.",
)
@click.option(
    "--entries",
    required=True,
    type=_FILE,
    help="EvalAI's CSV export of submissions.",
)
@click.option("--overrides", type=_FILE, help="CSV file of decisions: id or team, action, reason.")
@click.option("--visibility", type=_FILE, help="CSV file of ids: id, and public or private.")
@click.option(
    "--public-by-default",
    is_flag=True,
    help="Name the teams of entries of which no file says whether they are public.",
)
@click.option("--judges", type=_FILE, help="CSV file of scores: team, judge, criterion, score.")
@click.option(
    "--rules", type=_FILE, help="Rules file.  [default: the one that comes with the store's suite]"
)
@suite_option("the store")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to; made if there is none.",
)
def award(
    store_path: Path,
    entries: Path,
    overrides: Optional[Path],
    visibility: Optional[Path],
    public_by_default: bool,
    judges: Optional[Path],
    rules: Optional[Path],
    suite: Optional[Suite],
    out: Path,
) -> None:
    """Rank, award and explain: award.json, award.md and ranks.csv in a folder.

    They name teams with private entries, and by an e-mail address if that is a team's name: they
    are for organizers. The report is for everyone.

    EvalAI's export does not say which entries are private. An entry that no file calls public
    counts, and the report shows it without a name; the list of such entries is printed, to be
    filled in and given as --visibility.
    """
    written = [out / name for name in ("award.json", "award.md", "ranks.csv")]
    tables = [path for path in (entries, overrides, visibility, judges) if path is not None]
    spare_inputs(written, [store_path, *([rules] if rules else []), *tables])
    with Store(store_path, suite=suite.name if suite else None) as store:
        suite = suite_of_store(store, suite)
        rulebook = load_rules(rules or rules_of(suite), suite)
        if public_by_default:
            rulebook = replace(rulebook, unlisted=PUBLIC)
        title = suite.phase(rulebook.phase).title
        if not store.current(rulebook.phase):
            held = ", ".join(f"{n} of {phase}" for phase, n in store.phases().items()) or "nothing"
            raise ToolError(f"{store_path}: no submission of phase {rulebook.phase}; found {held}")
        export = read_export(entries, (rulebook.phase, title))
        warnings = list(export.warnings)
        said: List[Override] = []
        listed: Dict[str, bool] = {}
        scores = None
        if overrides is not None:
            said, more = read_overrides(overrides, export.entries)
            warnings += more
        if visibility is not None:
            listed, more = read_visibility(visibility, export.entries)
            warnings += more
        if judges is not None:
            if rulebook.judging is None:
                raise ToolError(f"{judges}: these rules have no judges")
            scores, more = read_judges(judges, rulebook.judging, export.entries)
            warnings += more
        elif rulebook.judging is not None:
            warnings.append("no --judges: the prizes that judges give are left open")
        result = make_award(store, rulebook, export.entries, said, scores, listed)
    result["warnings"] = warnings + result["warnings"]
    out.mkdir(parents=True, exist_ok=True)
    encoded = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
    (out / "award.json").write_text(encoded + "\n", encoding="utf-8")
    (out / "award.md").write_text(explained(result), encoding="utf-8")
    (out / "ranks.csv").write_text(ranks_csv(result), encoding="utf-8")
    for warning in result["warnings"]:
        echo(f"warning: {warning}", err=True)
    for prize in result["prizes"]:
        winners = ", ".join(f"{one['team']} ({usd(one['usd'])})" for one in prize["winners"])
        echo(f"{prize['title']}: {winners or 'not given'}")
        for reason in prize["why"]:
            echo(f"    {sentence(reason)}")
    idle = [one for one in result["entries"] if not one["counts"]]
    if idle:
        echo(f"{len(idle)} of {len(result['entries'])} entries do not count:")
        for one in idle:
            echo(f"    {one['id']} ({one['team']}): {'; '.join(one['reasons'])}")
    unlisted = result.get("unlisted", [])
    if unlisted:
        count = plural(len(unlisted), "entry", "entries")
        echo(
            f"of {count} nobody said whether they are public: the report shows them without a name "
            "(or give --public-by-default). To fill in with public or private, for --visibility:"
        )
        for row in csv_text([("id", "visibility"), *((one, "") for one in unlisted)]).splitlines():
            echo(row)
    echo(f"written: {out / 'award.json'}, award.md, ranks.csv")
