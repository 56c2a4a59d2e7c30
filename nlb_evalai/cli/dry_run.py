"""``nlb-evalai dry-run``: build, load as EvalAI does, score, and show what everyone would see."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import click
from rich.console import Console

from evaluation_script.suites import DEFAULT_SUITE, Suite
from evaluation_script.text import plural, printable
from nlb_evalai.challenge import platform as platforms
from nlb_evalai.challenge.dry_run import TeamSubmission, plan
from nlb_evalai.challenge.names import DEFAULT
from nlb_evalai.challenge.platform import SUITE_UNKNOWN, Platform
from nlb_evalai.challenge.replica import Outcome, Replica
from nlb_evalai.challenge.rules.finding import ERROR, Finding, errors_of
from nlb_evalai.cli._console import plain_console
from nlb_evalai.cli._platform import platform_option
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.cli._terminal import print_json
from nlb_evalai.cli.show import (
    keep_outcome,
    print_boards,
    print_problems,
    print_views,
    step,
)
from nlb_evalai.errors import NOT_FIT
from nlb_evalai.sample.files import is_sample

Outcomes = Dict[TeamSubmission, Outcome]

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
@platform_option("What to play where there is no --bundle, which says it.")
@suite_option("the bundle")
@click.option(
    "--head",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The head to build with, as for `bundle build`.",
)
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
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as one JSON object.")
def dry_run(
    bundle: Optional[Path],
    submission: Optional[Path],
    phase: Optional[str],
    platform: Optional[str],
    suite: Optional[Suite],
    head: Optional[Path],
    annotations: Optional[Path],
    keep: Optional[Path],
    as_json: bool,
) -> None:
    """Run the challenge here, the way its platform would.

    The command exits with 1 if the platform would refuse anything, trip over it, or lack the memory
    for it, and with 2 if a file cannot be looked at. The code of a bundle runs, in a process of its
    own and as you: run only what you trust.
    """
    if bundle and platform:
        raise click.UsageError("--bundle says for which platform it is: leave --platform out")
    if bundle and annotations:
        raise click.UsageError("--bundle holds its own ground truth: leave --annotations out")
    if bundle and head:
        raise click.UsageError("--bundle was built with its head: leave --head out")
    if submission and not phase:
        raise click.UsageError("--submission needs --phase: a file is scored in one phase")
    width = 0 if "COLUMNS" in os.environ else _WIDTH_OF_PIPES
    console = plain_console(stderr=as_json, width_of_pipes=width)
    with tempfile.TemporaryDirectory(prefix="nlb-dry-run-") as folder:
        scratch = Path(folder)
        if bundle is None:
            played, suite = platforms.find(platform or DEFAULT), suite or DEFAULT_SUITE
            out = (keep or scratch) / "bundle.zip"
            bundle = _build(played, out, annotations, suite, head, console)
        else:
            played = platforms.platform_of(bundle)
        faults, judged = _check(played, bundle, suite, console)
        with step(console, "load") as said:
            replica = played.replica(bundle)
            said.detail = replica.loaded
        with replica:
            if not judged:
                faults += _ask_for_suite(bundle, replica, console)
            outcomes = _score(replica, scratch, phase, submission, console)
            _warn_of_sample(replica, console)
            fine = _report(replica, outcomes, console, keep, faults)
    if faults:
        found = plural(len(faults), "fault")
        console.print(f"✗ the bundle itself has {found}, named above", style="bold red")
    if as_json:
        print_json(_as_json(faults, outcomes, fine))
    if faults or not fine:
        raise SystemExit(NOT_FIT)


def _as_json(faults: List[Finding], outcomes: Outcomes, fine: bool) -> Dict[str, Any]:
    """What came of a run; a submission that is not fit has no ``result``."""
    submissions = []
    for entry, outcome in outcomes.items():
        submissions.append(
            {
                "phase": entry.phase,
                "team": entry.team,
                "fit": outcome.fit,
                "failed": outcome.failed,
                "problems": [str(problem) for problem in outcome.problems],
                "result": outcome.result if outcome.fit else None,
                "peak_mib": round(outcome.peak_mib, 1),
            }
        )
    return {
        "fit": fine and not faults,
        "faults": [finding.as_json() for finding in faults],
        "submissions": submissions,
    }


def _build(
    platform: Platform,
    out: Path,
    annotations: Optional[Path],
    suite: Suite,
    head: Optional[Path],
    console: Console,
) -> Path:
    with step(console, "bundle") as said:
        built = platform.build(out, annotations, suite=suite, head=head)
        size = sum(built.members.values()) / 1e6
        files = plural(len(built.members), "file")
        said.detail = f"{files}, {size:.1f} MB, sha256 {built.sha256[:12]}…"
    for note in built.notes:
        console.print(f"  {printable(note)}", style="yellow", soft_wrap=True)
    return built.path


def _check(
    platform: Platform, bundle: Path, suite: Optional[Suite], console: Console
) -> Tuple[List[Finding], bool]:
    """Check the bundle itself.

    Returns
    -------
    list of Finding
        What its platform would refuse or trip over.
    bool
        Whether it was held against its suite, which is not known here if it is a stranger's.
    """
    with step(console, "check") as said:
        findings = platform.check(bundle, suite=suite)
        errors = errors_of(findings)
        said.ok = not errors
        judged = SUITE_UNKNOWN not in {finding.code for finding in findings}
        applied = len(platform.rules.codes()) - len(() if judged else platform.need_suite)
        kept = f"all {applied} rules for a bundle kept"
        said.detail = f"{plural(len(errors), 'fault')} in the bundle" if errors else kept
    _print_findings(findings, console)
    return errors, judged


def _ask_for_suite(bundle: Path, replica: Replica, console: Console) -> List[Finding]:
    """Hold the bundle against the suite that its own evaluation script names, where it runs."""
    with step(console, "suite") as said:
        said.detail, findings = replica.ask_suite(bundle)
        said.ok = not findings
    _print_findings(findings, console)
    return findings


def _print_findings(findings: List[Finding], console: Console) -> None:
    for finding in findings:
        # what is said at the end, and what is done about in the next step
        if finding.code not in ("sample-truth", SUITE_UNKNOWN):
            style = "red" if finding.severity == ERROR else "yellow"
            console.print(f"  {finding}", style=style, soft_wrap=True)


def _score(
    replica: Replica,
    scratch: Path,
    phase: Optional[str],
    submission: Optional[Path],
    console: Console,
) -> Outcomes:
    with step(console, "submissions") as said:
        entries = plan(replica, scratch, phase, submission)
        teams = list(dict.fromkeys(entry.team for entry in entries))
        said.detail = ", ".join(teams)
    outcomes = {}
    for entry in entries:
        with step(console, f"score {entry.phase}") as said:
            outcome = replica.score(entry.path, entry.phase)
            outcomes[entry] = outcome
            said.ok = _is_right(entry, outcome)
            said.detail = f"{entry.team}: {_verdict(replica, entry, outcome)}"
    return outcomes


def _is_right(entry: TeamSubmission, outcome: Outcome) -> bool:
    """Whether it is taken, or refused where the platform takes complete submissions alone."""
    return outcome.fit or (entry.partial and outcome.refused)


def _verdict(replica: Replica, entry: TeamSubmission, outcome: Outcome) -> str:
    if outcome.fit:
        return outcome.summary
    if _is_right(entry, outcome):
        return "refused, as it should be: it is not complete"
    if outcome.failed:
        return "failed"
    found = plural(len(outcome.problems), "problem")
    return f"{replica.title} would trip over it ({found})"


def _warn_of_sample(replica: Replica, console: Console) -> None:
    if any(is_sample(phase.truth) for phase in replica.phases):
        console.print(
            "  The ground truth is the embedded sample: simulated, nothing to put online.",
            style="yellow",
        )


def _report(
    replica: Replica,
    outcomes: Outcomes,
    console: Console,
    keep: Optional[Path],
    faults: List[Finding],
) -> bool:
    boards = 0
    for phase in replica.phases:
        fit = {
            entry.team: outcome
            for entry, outcome in outcomes.items()
            if entry.phase == phase.codename and outcome.fit
        }
        if fit:
            shown = replica.shown(phase.codename, fit)
            print_boards(shown, console)
            boards += len(shown.boards)
    wrong = [one for one, outcome in outcomes.items() if not _is_right(one, outcome)]
    for entry in wrong or _worth_a_look(outcomes):
        print_views(entry, outcomes[entry], console)
    if keep is not None:
        for entry, outcome in outcomes.items():
            keep_outcome(keep / entry.phase / entry.team, outcome)
        console.print(f"\nEverything in full: {printable(keep)}", soft_wrap=True)
    return _conclude(replica, outcomes, wrong, boards, console, faults)


def _worth_a_look(outcomes: Outcomes) -> List[TeamSubmission]:
    """The last phase's first entry, which shows what is said."""
    last = list(outcomes)[-1].phase
    return [entry for entry in outcomes if entry.phase == last][:1]


def _conclude(
    replica: Replica,
    outcomes: Outcomes,
    wrong: List[TeamSubmission],
    boards: int,
    console: Console,
    faults: List[Finding],
) -> bool:
    console.print()
    for entry in wrong:
        print_problems(entry, outcomes[entry], console)
    if wrong:
        console.print(f"✗ {len(wrong)} of {len(outcomes)} submissions failed", style="bold red")
        return False
    much = f"{plural(len(outcomes), 'submission')}, {plural(boards, 'leaderboard')}"
    refused = sum(outcome.failed for outcome in outcomes.values())
    rest = f"; {refused} refused for being incomplete" if refused else ""
    if faults:
        console.print(f"  All was scored: {much}. {replica.title} would not get that far.")
    else:
        what = f"✓ {replica.title} would take all of it: {much}{rest}"
        console.print(what, style="bold green")
    return True
