"""The view -> one page, and tables that other sites can take."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, List, Optional

from markupsafe import Markup

from nlb_evalai import __version__
from nlb_evalai.competition.award.explain import cell, leads, table
from nlb_evalai.competition.report.view import View
from nlb_evalai.competition.site.boards import Board, Row
from nlb_evalai.competition.site.figures import Image, board_figure, front_figure
from nlb_evalai.competition.site.model import Cell
from nlb_evalai.competition.site.render import HERE as SITE
from nlb_evalai.competition.site.render import environment, stamp
from nlb_evalai.tables import csv_text

LEADERBOARD_SCHEMA = "nlb-evalai/leaderboard/1"
_HERE = Path(__file__).parent
#: rows of a table that are open at once; the others are a click away
_MOST_ROWS = 5


def page(view: View, site_address: str = "", made_at: Optional[datetime] = None) -> str:
    """The report as one self-contained HTML page.

    Parameters
    ----------
    site_address : str
        Where the site is, to link it; empty if there is none.
    """
    datasets: Dict[str, List[Board]] = {}
    for board in view.boards:
        datasets.setdefault(board.dataset.name, []).append(board)
    site = view.site
    rules = view.award["rules"] if view.award else None
    label = f"{site.metric} ({site.bin_width_ms} ms)"
    styles = (SITE / "assets" / "site.css", _HERE / "report.css")
    return (
        environment(_HERE)
        .get_template("page.html")
        .render(
            view=view,
            title=site.title,
            phase_title=site.phase.title,
            decimals=view.decimals,
            truth="public" if site.phase.truth_is_public else "hidden",
            css=Markup("\n".join(path.read_text(encoding="utf-8") for path in styles)),
            datasets=datasets,
            titles={dataset.name: dataset.title for dataset in site.suite.datasets},
            figures={
                name: _embedded(board_figure(_first(boards[0])))
                for name, boards in datasets.items()
            },
            fronts=[
                (dataset.title, points, *_embedded(front_figure(dataset.title, points, label)))
                for dataset in site.suite.datasets
                for points in [site.fronts.get(dataset.name, ())]
                if points
            ],
            rules=rules,
            leads=leads,
            most_rows=_MOST_ROWS,
            site_address=site_address,
            version=__version__,
            made_at=stamp(made_at),
        )
    )


def _first(board: Board) -> Board:
    return replace(board, rows=board.rows[: 2 * _MOST_ROWS])


def _embedded(image: Optional[Image]) -> Any:
    """(address that holds the figure itself, the figure)."""
    if image is None:
        return None
    encoded = base64.b64encode(image.svg.encode()).decode("ascii")
    return f"data:image/svg+xml;base64,{encoded}", image


def leaderboard_json(view: View, made_at: Optional[datetime] = None) -> Dict[str, Any]:
    """All boards as JSON values; layout in ``leaderboard-1.json`` and docs/phase2.md."""
    return {
        "schema": LEADERBOARD_SCHEMA,
        "suite": view.site.suite.name,
        "title": view.site.suite.title,
        "phase": view.site.phase.codename,
        "made_at": stamp(made_at),
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
                "rank": row.place,
                "team": row.entry.team,
                "entry": _public_key(row),
                "method": row.entry.method or None,
                "paper": row.entry.links.get("paper"),
                "code": row.entry.links.get("code"),
                "counts": not row.entry.remark,
                "reason": row.entry.remark or None,
                "scores": {
                    key: {"value": found.value, "standard_error": found.standard_error}
                    for key, found in row.cells.items()
                },
            }
            for row in board.rows
        ],
    }


def _public_key(row: Row) -> Optional[str]:
    return None if row.entry.is_anonymous else row.entry.key


def leaderboard_csv(view: View) -> str:
    """All boards as one long table: a row for each score."""
    rows: List[List[Any]] = [
        [
            *("dataset", "bin_width_ms", "rank", "team", "entry", "method", "paper", "code"),
            *("counts", "metric", "value", "standard_error"),
        ]
    ]
    for board in view.boards:
        for row in board.rows:
            one, links = row.entry, row.entry.links
            facts = [row.place, one.team, _public_key(row), one.method]
            facts += [links.get("paper"), links.get("code"), not one.remark]
            for key, found in row.cells.items():
                where = [board.dataset.name, board.bin_width_ms]
                rows.append([*where, *facts, key, found.value, found.standard_error])
    return csv_text(rows)


def leaderboard_markdown(view: View) -> str:
    """All boards, and the prizes, as Markdown."""
    lines = [f"# {view.award['rules']['title'] if view.award else view.site.suite.title}", ""]
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
                row.place,
                row.entry.team,
                row.entry.method,
                *(
                    _plus_minus(row.cells.get(metric.key), view.decimals)
                    for metric in board.metrics
                ),
                row.entry.remark and f"does not count: {row.entry.remark}",
            ]
            for row in board.rows
        ]
        lines += [*table(header, rows), ""]
    return "\n".join(lines)


def _plus_minus(found: Optional[Cell], decimals: int) -> str:
    if found is None:
        return ""
    error = "" if found.standard_error is None else f" ± {found.standard_error:.{decimals}f}"
    return f"{found.value:.{decimals}f}{error}"


def files_of(out: Path) -> List[Path]:
    """The files of a report whose page is ``out``: the page, then the tables beside it."""
    return [out, *(out.with_name(f"leaderboard.{kind}") for kind in ("csv", "json", "md"))]


def write_report(view: View, out: Path, site_address: str = "") -> List[Path]:
    """Write the page and, beside it, leaderboard.csv, .json and .md; returns their paths."""
    out.parent.mkdir(parents=True, exist_ok=True)
    texts = [
        page(view, site_address),
        leaderboard_csv(view),
        json.dumps(leaderboard_json(view), indent=2, ensure_ascii=False, allow_nan=False),
        leaderboard_markdown(view),
    ]
    for path, text in zip(files_of(out), texts):
        path.write_text(text, encoding="utf-8")
    return files_of(out)
