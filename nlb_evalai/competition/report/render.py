"""The view -> one page, and tables that other sites can take."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List, Optional

import jinja2
from markupsafe import Markup

from nlb_evalai import __version__
from nlb_evalai.competition.award.explain import cell, leads, table
from nlb_evalai.competition.report.figures import board_figure, front_figure, metrics_figure
from nlb_evalai.competition.report.view import Board, Cell, View
from nlb_evalai.tables import csv_text

LEADERBOARD_SCHEMA = "nlb-evalai/leaderboard/1"
_HERE = Path(__file__).parent


def page(view: View, made_at: Optional[datetime] = None) -> str:
    """The report as one self-contained HTML page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(_HERE)),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    datasets: Dict[str, List[Board]] = {}
    for board in view.boards:
        datasets.setdefault(board.dataset.name, []).append(board)
    titles = {dataset.name: dataset.title for dataset in view.suite.datasets}
    main = {name: boards[0] for name, boards in datasets.items()}
    drawn = [(board.dataset.title, metrics_figure(board)) for board in main.values()]
    rules = view.award["rules"] if view.award else None
    phase = view.suite.phase(view.phase)
    return environment.get_template("page.html").render(
        view=view,
        title=rules["title"] if rules else f"{view.suite.title}: {phase.title}",
        phase_title=phase.title,
        decimals=view.decimals,
        leads=leads,
        truth="public" if phase.truth_is_public else "hidden",
        css=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        datasets=datasets,
        titles=titles,
        figures={
            board.key: board_figure(board) if board is main[board.dataset.name] else None
            for board in view.boards
        },
        metric_figures=[(title, figure) for title, figure in drawn if figure],
        fronts=[
            {
                "title": titles[name],
                "rows": rows,
                "image": front_figure(
                    titles[name],
                    rows,
                    f"{rules['metric']} ({rules['bin_width_ms']} ms)" if rules else "",
                ),
            }
            for name, rows in view.fronts.items()
        ],
        version=__version__,
        made_at=_stamp(made_at),
    )


def _stamp(made_at: Optional[datetime]) -> str:
    return (made_at or datetime.now(timezone.utc)).isoformat(timespec="seconds")


def leaderboard_json(view: View, made_at: Optional[datetime] = None) -> Dict[str, Any]:
    """All boards as JSON values; layout in ``leaderboard-1.json`` and docs/phase2.md."""
    return {
        "schema": LEADERBOARD_SCHEMA,
        "suite": view.suite.name,
        "title": view.suite.title,
        "phase": view.phase,
        "made_at": _stamp(made_at),
        "boards": [_board_json(board) for board in view.boards],
    }


def _board_json(board: Board) -> Dict[str, Any]:
    return {
        "dataset": board.dataset.name,
        "title": board.dataset.title,
        "dandiset": board.dataset.dandiset,
        "bin_width_ms": board.bin_width_ms,
        "ranked": board.is_ranked,
        "metrics": [
            {
                "key": metric.key,
                "title": metric.title,
                "unit": metric.unit,
                "higher_is_better": metric.higher_is_better(),
            }
            for metric in board.metrics
        ],
        "rows": [
            {
                "rank": line.rank,
                "team": line.name,
                "entry": line.entry or None,
                "method": line.method or None,
                "paper": line.paper or None,
                "code": line.code or None,
                "counts": not line.note,
                "reason": line.note or None,
                "scores": {
                    key: {"value": found.value, "standard_error": found.standard_error}
                    for key, found in line.cells.items()
                },
            }
            for line in board.lines
        ],
    }


def leaderboard_csv(view: View) -> str:
    """All boards as one long table: a row for each score."""
    rows: List[List[Any]] = [
        [
            *("dataset", "bin_width_ms", "rank", "team", "entry", "method", "paper", "code"),
            *("counts", "metric", "value", "standard_error"),
        ]
    ]
    for board in view.boards:
        for line in board.lines:
            facts = [line.rank, line.name, line.entry, line.method, line.paper, line.code]
            for key, found in line.cells.items():
                where = [board.dataset.name, board.bin_width_ms]
                score = [found.value, found.standard_error]
                rows.append([*where, *facts, not line.note, key, *score])
    return csv_text(rows)


def leaderboard_markdown(view: View) -> str:
    """All boards, and the prizes, as Markdown."""
    lines = [f"# {view.award['rules']['title'] if view.award else view.suite.title}", ""]
    if view.prizes:
        lines += ["## Prizes", ""]
        for prize in view.prizes:
            winners = ", ".join(f"{cell(one['name'])} ({one['usd']})" for one in prize["winners"])
            lines.append(f"- **{cell(prize['title'])}**: {winners or 'not given'}")
            lines += [f"  - {cell(reason)}" for reason in prize["why"]]
        lines.append("")
    for board in view.boards:
        lines += [f"## {cell(board.dataset.title)}, {board.bin_width_ms} ms", ""]
        header = ["rank", "team", "model", *(metric.key for metric in board.metrics), "remark"]
        rows = [
            [
                line.rank,
                line.name,
                line.method,
                *(
                    _plus_minus(line.cells.get(metric.key), view.decimals)
                    for metric in board.metrics
                ),
                line.note and f"does not count: {line.note}",
            ]
            for line in board.lines
        ]
        lines += [*table(header, rows), ""]
    return "\n".join(lines)


def _plus_minus(found: Optional[Cell], decimals: int) -> str:
    if found is None or found.value is None:
        return ""
    error = "" if found.standard_error is None else f" ± {found.standard_error:.{decimals}f}"
    return f"{found.value:.{decimals}f}{error}"


def files_of(out: Path) -> List[Path]:
    """The files of a report whose page is ``out``: the page, then the tables beside it."""
    return [out, *(out.with_name(f"leaderboard.{kind}") for kind in ("csv", "json", "md"))]


def write_report(view: View, out: Path) -> List[Path]:
    """Write the page and, beside it, leaderboard.csv, .json and .md; returns their paths."""
    out.parent.mkdir(parents=True, exist_ok=True)
    texts = [
        page(view),
        leaderboard_csv(view),
        json.dumps(leaderboard_json(view), indent=2, ensure_ascii=False, allow_nan=False),
        leaderboard_markdown(view),
    ]
    for path, text in zip(files_of(out), texts):
        path.write_text(text, encoding="utf-8")
    return files_of(out)
