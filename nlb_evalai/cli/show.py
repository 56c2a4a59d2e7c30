"""How a dry run looks in a terminal."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, List, Optional

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evaluation_script.text import printable
from nlb_evalai.challenge.dry_run import TeamSubmission
from nlb_evalai.challenge.replica import Outcome, ShownBoard, ShownPhase
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


def print_boards(shown: ShownPhase, console: Console) -> None:
    """Print every leaderboard of a phase, side by side where there is room."""
    console.print()
    console.rule(printable(shown.heading), align="left")
    waiting: List[Table] = []
    for board in shown.boards:
        for table in _tables(shown, board, console):
            used = sum(_width(one, console) + _GAP for one in [*waiting, table]) - _GAP
            if waiting and (used > console.width or len(waiting) == 2):
                _print_row(waiting, console)
                waiting = []
            waiting.append(table)
    _print_row(waiting, console)
    console.print()
    for remark in shown.remarks:
        console.print(Text(printable(f"  {remark}"), style="dim"), soft_wrap=True)


def _print_row(tables: List[Table], console: Console) -> None:
    if tables:
        grid = Table.grid(padding=(0, _GAP, 0, 0))
        grid.add_row(*tables)
        console.print(Padding(grid, (1, 0, 0, 0)))


def _width(table: Table, console: Console) -> int:
    anything = console.options.update(max_width=10_000)
    return Measurement.get(console, anything, table).maximum


def _tables(shown: ShownPhase, board: ShownBoard, console: Console) -> List[Table]:
    """The board as one table, or as several of fewer columns where the terminal is narrow."""
    labels = list(board.labels)
    for count in range(len(labels), 0, -1):
        parts = [labels[i : i + count] for i in range(0, len(labels), count)]
        tables = [_table(shown, board, part, console.width) for part in parts]
        if max(_width(table, console) for table in tables) <= console.width:
            break
    return tables


def _table(shown: ShownPhase, board: ShownBoard, labels: List[str], most: int) -> Table:
    title = Text.assemble(
        (printable(board.name), "bold"),
        ("  " + printable(board.title), "dim"),
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
    for row in board.rows:
        cells = [_cell(shown, board, row.cells.get(label), label) for label in labels]
        table.add_row(str(row.rank), Text(row.team), *cells)
    if not board.rows:
        table.add_row("", Text("nobody yet", style="dim"))
    return table


def _cell(shown: ShownPhase, board: ShownBoard, text: Optional[str], label: str) -> Text:
    if text is None:
        return Text(shown.missing, style=shown.missing_style)
    return Text(text, style="bold" if label == board.primary else "")


# ---- what people see --------------------------------------------------------------------------


def print_views(entry: TeamSubmission, outcome: Outcome, console: Console) -> None:
    """What the platform gives the participant of a submission, and what the host."""
    console.print()
    console.rule(f"What people see of {entry.team} in {entry.phase}", align="left")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold")
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    before = ""
    for view in outcome.views():
        is_text = isinstance(view.content, str)
        shown = _text(view.content) if is_text else _brief(view.content, console)
        grid.add_row("" if view.who == before else view.who, view.what, shown)
        before = view.who
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


def print_problems(entry: TeamSubmission, outcome: Outcome, console: Console) -> None:
    """Everything that the platform would refuse, or trip over, of a submission."""
    for problem in outcome.problems:
        line = printable(f"✗ {entry.phase} {entry.team}: {problem}")
        console.print(line, style="red", soft_wrap=True)


def keep_outcome(folder: Path, outcome: Outcome) -> None:
    """Write in full what the platform would keep of a submission."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in outcome.kept().items():
        (folder / name).write_text(text, encoding="utf-8")
