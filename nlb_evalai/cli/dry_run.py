"""``nlb-evalai dry-run``: build, load as EvalAI does, score, and show what everyone would see."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Dict, List, Optional

import click
from rich.console import Console

from evaluation_script.text import plural, printable
from nlb_evalai.challenge.dry_run import TeamSubmission, plan
from nlb_evalai.challenge.evalai.bundle import build_bundle
from nlb_evalai.challenge.evalai.replica.worker import Replica, ReplicaOutcome
from nlb_evalai.challenge.evalai.rules.finding import ERROR, Finding, errors_of
from nlb_evalai.challenge.evalai.rules.registry import codes
from nlb_evalai.challenge.evalai.rules.run import check_bundle
from nlb_evalai.cli._console import plain_console
from nlb_evalai.cli.show import (
    keep_outcome,
    print_boards,
    print_problems,
    print_views,
    step,
)
from nlb_evalai.sample.files import is_sample

#: The boards need that much room.
_WIDTH_OF_PIPES = 116


@click.command("dry-run")
@click.option(
    "--bundle",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Challenge zip to run.  [default: build one]",
)
@click.option(
    "--submission",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Score this file instead of the sample's submissions.",
)
@click.option("--phase", help="Codename of the one phase to run.  [default: all]")
@click.option(
    "--annotations",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the ground truth to build with.  [default: the embedded sample]",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to leave the bundle in, and all that participants and hosts would get.",
)
def dry_run(
    bundle: Optional[Path],
    submission: Optional[Path],
    phase: Optional[str],
    annotations: Optional[Path],
    keep: Optional[Path],
) -> None:
    """Run the challenge here, the way EvalAI's worker would.

    Exits with 1 if EvalAI would refuse anything, trip over it, or lack the memory for it.
    """
    if bundle and annotations:
        raise click.UsageError("--bundle holds its own ground truth: leave --annotations out")
    if submission and not phase:
        raise click.UsageError("--submission needs --phase: a file is scored in one phase")
    console = plain_console(width_of_pipes=0 if "COLUMNS" in os.environ else _WIDTH_OF_PIPES)
    with tempfile.TemporaryDirectory(prefix="nlb-dry-run-") as folder:
        scratch = Path(folder)
        if bundle is None:
            bundle = _build((keep or scratch) / "bundle.zip", annotations, console)
        faults = _check(bundle, console)
        with step(console, "load") as said:
            replica = Replica(bundle)
            said.detail = (
                f"{replica.package}, imported in a fresh process that cannot see this checkout"
            )
        with replica:
            outcomes = _score(replica, scratch, phase, submission, console)
            _warn_of_sample(replica, console)
            fine = _report(replica, outcomes, console, keep, faults)
    if faults:
        found = plural(len(faults), "fault")
        console.print(f"✗ the bundle itself has {found}, named above", style="bold red")
    if faults or not fine:
        raise SystemExit(1)


def _build(out: Path, annotations: Optional[Path], console: Console) -> Path:
    with step(console, "bundle") as said:
        built = build_bundle(out, annotations)
        size = sum(built.members.values()) / 1e6
        files = plural(len(built.members), "file")
        said.detail = f"{files}, {size:.1f} MB, sha256 {built.sha256[:12]}…"
    return built.path


def _check(bundle: Path, console: Console) -> List[Finding]:
    """Check the bundle itself; returns what EvalAI would refuse or trip over."""
    with step(console, "check") as said:
        findings = check_bundle(bundle)
        errors = errors_of(findings)
        said.ok = not errors
        kept = f"all {len(codes())} rules for a bundle kept"
        said.detail = f"{plural(len(errors), 'fault')} in the bundle" if errors else kept
    for finding in findings:
        if finding.code != "sample-truth":  # said at the end
            style = "red" if finding.severity == ERROR else "yellow"
            console.print(f"  {finding}", style=style, soft_wrap=True)
    return errors


def _score(
    replica: Replica,
    scratch: Path,
    phase: Optional[str],
    submission: Optional[Path],
    console: Console,
) -> Dict[TeamSubmission, ReplicaOutcome]:
    with step(console, "submissions") as said:
        entries = plan(replica, scratch, phase, submission)
        teams = list(dict.fromkeys(entry.team for entry in entries))
        said.detail = ", ".join(teams)
    outcomes = {}
    for entry in entries:
        with step(console, f"score {entry.phase}") as said:
            outcome = replica.score(entry.path, entry.phase)
            outcomes[entry] = outcome
            said.ok = not (outcome.failed or outcome.problems)
            said.detail = f"{entry.team}: {_verdict(outcome)}"
    return outcomes


def _verdict(outcome: ReplicaOutcome) -> str:
    if outcome.failed:
        return "failed"
    if outcome.problems:
        return f"EvalAI would trip over it ({plural(len(outcome.problems), 'problem')})"
    rows = plural(len(outcome.output["result"]), "leaderboard row")
    return f"{rows}, {outcome.peak_mib:.0f} MiB"


def _warn_of_sample(replica: Replica, console: Console) -> None:
    if any(is_sample(path) for path in replica.annotations.values()):
        console.print(
            "  The ground truth is the embedded sample: simulated, nothing to put online.",
            style="yellow",
        )


def _report(
    replica: Replica,
    outcomes: Dict[TeamSubmission, ReplicaOutcome],
    console: Console,
    keep: Optional[Path],
    faults: List[Finding],
) -> bool:
    boards = 0
    for phase in replica.challenge.phases:
        outputs = {
            entry.team: outcome.output
            for entry, outcome in outcomes.items()
            if entry.phase == phase.codename and not (outcome.failed or outcome.problems)
        }
        if outputs:
            boards += print_boards(phase, replica.challenge.splits_of(phase), outputs, console)
    for entry in _worth_a_look(outcomes):
        print_views(entry, outcomes[entry], console)
    if keep is not None:
        for entry, outcome in outcomes.items():
            keep_outcome(keep / entry.phase / entry.team, outcome)
        console.print(f"\nEverything in full: {printable(keep)}", soft_wrap=True)
    return _conclude(outcomes, boards, console, faults)


def _worth_a_look(outcomes: Dict[TeamSubmission, ReplicaOutcome]) -> List[TeamSubmission]:
    """Everything that went wrong; else the last phase's first entry, which shows what is said."""
    wrong = [entry for entry, outcome in outcomes.items() if outcome.failed or outcome.problems]
    if wrong:
        return wrong
    last = list(outcomes)[-1].phase
    return [entry for entry in outcomes if entry.phase == last][:1]


def _conclude(
    outcomes: Dict[TeamSubmission, ReplicaOutcome],
    boards: int,
    console: Console,
    faults: List[Finding],
) -> bool:
    console.print()
    bad = {e: o for e, o in outcomes.items() if o.failed or o.problems}
    if bad:
        for entry, outcome in bad.items():
            print_problems(entry, outcome, console)
        console.print(f"✗ {len(bad)} of {len(outcomes)} submissions failed", style="bold red")
        return False
    much = f"{plural(len(outcomes), 'submission')}, {plural(boards, 'leaderboard')}"
    if faults:
        console.print(f"  All was scored: {much}. EvalAI would not get that far.")
    else:
        console.print(f"✓ EvalAI would take all of it: {much}", style="bold green")
    return True
