"""How a dry run looks in a terminal."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evaluation_script.text import plural, printable
from nlb_evalai.challenge.dry_run import TeamSubmission
from nlb_evalai.challenge.evalai.config import ChallengePhase, PhaseSplit
from nlb_evalai.challenge.evalai.replica.boards import (
    BADGE,
    BoardRow,
    board_rows,
    entries_of,
    remarks,
)
from nlb_evalai.challenge.evalai.replica.worker import ReplicaOutcome
from nlb_evalai.cli._terminal import printable_lines

#: between two boards side by side
_GAP = 4


@dataclass
class StepResult:
    """What a finished step has to say."""

    detail: str = ""
    ok: bool = True


@contextmanager
def step(console: Console, name: str) -> Iterator[StepResult]:
    """One line for each step, with its time; a spinner while it runs in a terminal."""
    said, started = StepResult(), time.perf_counter()
    try:
        with console.status(name):
            yield said
    except BaseException:
        console.print(Text(f"✗ {name}", style="bold red"))
        raise
    mark = Text("✓ ", style="green") if said.ok else Text("✗ ", style="bold red")
    seconds = f"{time.perf_counter() - started:5.1f} s"
    line = Text.assemble(
        mark, (f"{name:<12}", "bold"), (seconds, "dim"), "  ", printable(said.detail)
    )
    console.print(line, soft_wrap=True)


# ---- leaderboards -----------------------------------------------------------------------------


def print_boards(
    phase: ChallengePhase,
    splits: Sequence[PhaseSplit],
    outputs: Mapping[str, Any],
    console: Console,
) -> int:
    """Print every leaderboard of a phase, side by side where there is room.

    Returns
    -------
    int
        How many boards that were.
    """
    public = sum(split.is_public for split in splits)
    seen = {0: "seen by hosts only", len(splits): "public"}.get(public, f"{public} of them public")
    console.print()
    name = printable(f"{phase.name} ({phase.codename})")
    console.rule(f"{name}: {plural(len(splits), 'leaderboard')}, {seen}", align="left")
    waiting: List[Table] = []
    boards = [(split, board_rows(split, entries_of(outputs))) for split in splits]
    for split, rows in boards:
        for table in _tables(split, rows, console):
            used = sum(_width(one, console) + _GAP for one in [*waiting, table]) - _GAP
            if waiting and (used > console.width or len(waiting) == 2):
                _print_row(waiting, console)
                waiting = []
            waiting.append(table)
    _print_row(waiting, console)
    console.print()
    for remark in remarks(boards):
        console.print(Text(printable(f"  {remark}"), style="dim"), soft_wrap=True)
    return len(splits)


def _print_row(tables: List[Table], console: Console) -> None:
    if tables:
        grid = Table.grid(padding=(0, _GAP, 0, 0))
        grid.add_row(*tables)
        console.print(Padding(grid, (1, 0, 0, 0)))


def _width(table: Table, console: Console) -> int:
    anything = console.options.update(max_width=10_000)
    return Measurement.get(console, anything, table).maximum


def _tables(split: PhaseSplit, rows: List[BoardRow], console: Console) -> List[Table]:
    """The board as one table, or as several of fewer columns where the terminal is narrow."""
    labels = list(split.leaderboard.labels)
    for count in range(len(labels), 0, -1):
        parts = [labels[i : i + count] for i in range(0, len(labels), count)]
        tables = [_table(split, rows, part, console.width) for part in parts]
        if max(_width(table, console) for table in tables) <= console.width:
            break
    return tables


def _table(split: PhaseSplit, rows: List[BoardRow], labels: List[str], most: int) -> Table:
    title = Text.assemble(
        (printable(split.split), "bold"),
        ("  " + printable(split.split_name), "dim"),
        no_wrap=True,
    )
    table = Table(
        title=title,
        # a board of few columns may be narrower than its own name
        min_width=min(title.cell_len, most),
        title_justify="left",
        title_style="",
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        header_style="dim",
    )
    table.add_column("", justify="right", style="dim")
    table.add_column("team", min_width=11, vertical="bottom")
    for label in labels:
        table.add_column(printable(label).replace("] ", "]\n"), justify="right", min_width=7)
    for row in rows:
        cells = [_cell(row, label, split) for label in labels]
        table.add_row(str(row.rank), Text(row.team), *cells)
    if not rows:
        table.add_row("", Text("nobody yet", style="dim"))
    return table


def _cell(row: BoardRow, label: str, split: PhaseSplit) -> Text:
    if label not in row.scores:
        return Text(BADGE, style="black on dark_orange")
    # adding 0 turns a rounded -0.0 into 0.0
    number = f"{round(row.scores[label], split.decimals) + 0.0:.{split.decimals}f}"
    first = label == split.leaderboard.default_order_by
    return Text(number, style="bold" if first else "")


# ---- what people see --------------------------------------------------------------------------


def print_views(entry: TeamSubmission, outcome: ReplicaOutcome, console: Console) -> None:
    """What EvalAI gives the participant of a submission, and what the host."""
    console.print()
    console.rule(f"What people see of {entry.team} in {entry.phase}", align="left")
    output = outcome.output if isinstance(outcome.output, dict) else {}
    status = "failed" if outcome.failed else "finished"
    views: List[Tuple[str, str, RenderableType]] = [
        ("participant", "status", Text(status)),
        ("", "stdout", _text(outcome.stdout)),
    ]
    if outcome.failed:
        views.append(("", "stderr", _text(outcome.stderr)))
    else:
        views.append(("", "result file", _brief(output.get("submission_result"), console)))
    views += [
        ("host", "metadata", _brief(output.get("submission_metadata"), console)),
        ("", "worker's log", _text(outcome.worker_log)),
    ]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold")
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for who, what, text in views:
        grid.add_row(who, what, text)
    console.print(Padding(grid, (1, 0, 0, 0)))


def _text(written: str) -> Text:
    return Text(printable_lines(written.rstrip()) or "(empty)")


def _brief(value: Any, console: Console) -> RenderableType:
    """JSON with one cut line for each key."""
    if not isinstance(value, dict):
        return Text("(none)" if value is None else json.dumps(value, default=str))
    room = max(console.width - 30, 30)
    lines = []
    for key, item in value.items():
        line = printable(f"{key}: {json.dumps(item, ensure_ascii=False, default=str)}")
        lines.append(Text(line if len(line) <= room else line[: room - 1] + "…"))
    return Group(*lines)


def print_problems(entry: TeamSubmission, outcome: ReplicaOutcome, console: Console) -> None:
    """Everything that EvalAI would refuse, or trip over, of a submission."""
    for problem in outcome.problems:
        line = printable(f"✗ {entry.phase} {entry.team}: {problem}")
        console.print(line, style="red", soft_wrap=True)


def keep_outcome(folder: Path, outcome: ReplicaOutcome) -> None:
    """Write in full what EvalAI would keep of a submission."""
    folder.mkdir(parents=True, exist_ok=True)
    texts: Dict[str, str] = {
        "stdout.txt": outcome.stdout,
        "stderr.txt": outcome.stderr,
        "worker.log": outcome.worker_log,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    if isinstance(outcome.output, dict):
        for key, value in outcome.output.items():
            text = json.dumps(value, indent=1, default=str)
            (folder / f"{key}.json").write_text(text + "\n", encoding="utf-8")
