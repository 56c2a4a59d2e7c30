"""``nlb-evalai score``: many submissions into a store."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import List, Optional, Tuple

import click

# what scoring needs is missed here, before the first submission, rather than at each of them
import threadpoolctl  # noqa: F401
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from evaluation_script.annotation import Annotation
from evaluation_script.suites import Suite
from evaluation_script.text import plural, printable
from nlb_evalai.cli._console import plain_console
from nlb_evalai.cli._suite import phase_of, suite_of_truth, suite_option
from nlb_evalai.cli._terminal import echo, print_json
from nlb_evalai.competition.batch.cluster import run_cluster
from nlb_evalai.competition.batch.diagnostics import DiagnosticsFile
from nlb_evalai.competition.batch.pool import run_pool
from nlb_evalai.competition.batch.run import Runner, Tally, run_batch
from nlb_evalai.competition.batch.sources import collect
from nlb_evalai.competition.batch.task import FAILED, LASTING, REFUSED, Outcome
from nlb_evalai.competition.store import Store
from nlb_evalai.outputs import spare_inputs

#: exit codes
_SOME_LEFT, _INTERRUPTED = 3, 130


class _Rate(ProgressColumn):
    """Submissions an hour."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("-- /h" if not speed else f"{speed * 3600:,.0f} /h", style="cyan")


@click.command()
@click.argument("submissions", nargs=-1, required=True)
@click.option("--phase", required=True, help="Codename of the phase.")
@click.option(
    "--annotations",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The phase's ground truth.",
)
@suite_option("the truth")
@click.option(
    "--store",
    "store_path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="SQLite file that keeps the scores; made if there is none.",
)
@click.option(
    "--files",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that holds the files of an export, by id.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that score at the same time.  [default: one for each core]",
)
@click.option("--dask", "address", help="Use the dask.distributed cluster at this address.")
@click.option(
    "--retry",
    is_flag=True,
    help="Try again to fetch what was not there, not given or too large before.",
)
@click.option(
    "--diagnostics",
    is_flag=True,
    help="Say why each submission scores what it scores, in a file beside the store.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON object.")
def score(
    submissions: Tuple[str, ...],
    phase: str,
    annotations: Path,
    suite: Optional[Suite],
    store_path: Path,
    files: Optional[Path],
    workers: Optional[int],
    address: Optional[str],
    retry: bool,
    diagnostics: bool,
    as_json: bool,
) -> None:
    """Score SUBMISSIONS into a store: files, folders, s3:// prefixes, or EvalAI's CSV export.

    What the store holds under the same hashes and rules is skipped; interrupted at any moment,
    the same command goes on. A submission that cannot be scored is kept with its error. One that is
    not there, not given or too large is not asked for again until its address changes, or with
    --retry.

    Downloads lie beside the store meanwhile, up to 2 GB for each worker.

    --diagnostics adds a line of JSON for each submission that is scored now to a file named as the
    store, with .diagnostics.jsonl behind it. It tells of the truth: keep it among hosts.

    The command exits with 0 when every submission is scored, is itself at fault, or will not be
    had; with 2 when the truth, the store or a place of submissions cannot be used, or the disk is
    full; with 3 when some failed for a reason that may pass (run the same command again); with 130
    when interrupted.
    """
    if address and workers:
        raise click.UsageError("--workers is for this machine: leave it out with --dask")
    suite = suite_of_truth(annotations, phase, suite)
    title = phase_of(suite, phase).title
    found = collect(submissions, (phase, title), files)
    for warning in found.warnings:
        echo(f"warning: {warning}", err=True)
    exports = [Path(place) for place in submissions]
    given = [Path(source.location) for source in found.sources if source.location]
    notes = DiagnosticsFile(store_path) if diagnostics else None
    outputs = [store_path, *([notes.path] if notes else [])]
    spare_inputs(outputs, [annotations, *exports, *given])
    with Annotation(annotations, phase, suite):
        pass  # a truth that is wrong is told before there is a store, or a bar
    runner: Runner
    if address:
        runner = partial(run_cluster, address=address, say=partial(echo, err=True))
    else:
        runner = partial(run_pool, workers=min(workers or _cores(), len(found.sources)))
    console = plain_console(stderr=True)
    failures: List[Outcome] = []
    with Store(store_path, suite=suite.name, write=True) as store:
        with _progress(console) as progress:
            bar = progress.add_task("scoring", total=len(found.sources))

            def on_outcome(outcome: Outcome) -> None:
                progress.advance(bar)
                if notes:
                    notes.add(outcome, phase)
                if outcome.status == FAILED:
                    failures.append(outcome)
                    line = f"failed  {outcome.source.name}: {_brief(outcome)}"
                    progress.console.print(printable(line))

            try:
                tally = run_batch(
                    store,
                    found.sources,
                    annotations,
                    phase,
                    runner,
                    suite=suite,
                    retry=retry,
                    diagnostics=diagnostics,
                    on_outcome=on_outcome,
                )
            except KeyboardInterrupt:
                progress.stop()
                click.echo(
                    "interrupted: what is scored is kept, the same command goes on", err=True
                )
                sys.exit(_INTERRUPTED)
        passing = sorted({failure.kind for failure in failures} - {*LASTING, REFUSED})
        if as_json:
            print_json(
                {
                    "suite": suite.name,
                    "phase": phase,
                    "store": str(store_path),
                    "scored": tally.scored,
                    "failed": tally.failed,
                    "skipped": tally.skipped,
                    "refused": tally.refused,
                    "failures": [
                        {"name": one.source.name, "kind": one.kind, "error": one.error}
                        for one in failures
                    ],
                    "may_pass": passing,
                    "in_store": store.counts(phase),
                }
            )
        else:
            _say(tally, store, store_path, phase, passing)
    if passing:
        sys.exit(_SOME_LEFT)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )


def _brief(outcome: Outcome) -> str:
    lines = [line.strip() for line in outcome.error.splitlines()]
    more = f" (and {plural(len(lines) - 2, 'more line')})" if len(lines) > 2 else ""
    return f"[{outcome.kind}] " + " ".join(lines[:2]) + more


def _say(tally: Tally, store: Store, path: Path, phase: str, passing: List[str]) -> None:
    click.echo(
        f"{tally.scored} scored, {tally.failed} failed, {tally.skipped} there already "
        f"(same hashes, same rules)"
    )
    if tally.refused:
        click.echo(
            f"{tally.refused} of them cannot be had: not tried again until the address changes, "
            "or with --retry"
        )
    if passing:
        click.echo(f"failed for {', '.join(passing)}: run the same command to try these again")
    counts = store.counts(phase)
    click.echo(f"{path}: {counts['scored']} scored and {counts['failed']} failed in phase {phase}")
