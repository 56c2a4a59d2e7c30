"""Figures of the report: matplotlib -> SVG in the page, each with words for who cannot see it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure

from nlb_evalai.competition.report.view import Board

#: ranked, not ranked, front: distinct to color-blind eyes and in grey
_RANKED, _OTHER, _FRONT = "#0b5394", "#8a8f98", "#b45309"
_MOST_ROWS = 30
_STYLE: Any = {
    "svg.hashsalt": "nlb-evalai",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "axes.axisbelow": True,
}


@dataclass(frozen=True)
class Image:
    """A figure as a ``data:`` address, with its alternative text."""

    source: str
    alt: str
    width: int


def board_figure(board: Board) -> Optional[Image]:
    """The board's main metric with standard errors, best on top."""
    metric = board.main
    lines = [line for line in board.lines if metric.key in line.cells]
    if not lines:
        return None
    cut, lines = len(lines), lines[:_MOST_ROWS]
    with rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 0.9 + 0.27 * len(lines)), layout="constrained")
        axes = figure.subplots()
        for y, line in enumerate(lines):
            cell = line.cells[metric.key]
            color = _RANKED if line.rank is not None or not board.is_ranked else _OTHER
            axes.errorbar(
                [cell.value or 0.0],
                [y],
                xerr=[cell.standard_error or 0.0],
                fmt="o" if color == _RANKED else "s",
                color=color,
                markersize=5,
                capsize=3,
            )
        axes.set_yticks(range(len(lines)), [_clip(line.name) for line in lines])
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.set_xlabel(f"{metric.key} ({metric.unit}), ± standard error")
        return _image(figure, _board_alt(board, lines, cut))


def _board_alt(board: Board, lines: Sequence[Any], cut: int) -> str:
    metric = board.main
    first, last = lines[0].cells[metric.key].value, lines[-1].cells[metric.key].value
    more = f" The first {len(lines)} of {cut} rows." if cut > len(lines) else ""
    return (
        f"{metric.key} of {len(lines)} entries on {board.dataset.title} at {board.bin_width_ms} ms "
        f"with standard errors, from {first:.4f} ({lines[0].name}) to {last:.4f} "
        f"({lines[-1].name}); the same numbers are in the table.{more}"
    )


def metrics_figure(board: Board) -> Optional[Image]:
    """The board's main metric against each of the others."""
    first = board.main
    others = [metric for metric in board.metrics if metric is not first]
    pairs: Dict[str, List[Any]] = {}
    for metric in others:
        both = [one for one in board.lines if {first.key, metric.key} <= set(one.cells)]
        if len(both) > 1:
            pairs[metric.key] = both
    if not pairs:
        return None
    with rc_context(_STYLE):
        figure = Figure(figsize=(2.9 * len(pairs) + 0.3, 2.7), layout="constrained")
        panels = figure.subplots(1, len(pairs), squeeze=False)[0]
        for axes, (key, lines) in zip(panels, pairs.items()):
            x = [line.cells[first.key].value for line in lines]
            y = [line.cells[key].value for line in lines]
            colors = [_OTHER if board.is_ranked and one.rank is None else _RANKED for one in lines]
            axes.scatter(x, y, c=colors, s=24)
            axes.set_xlabel(first.key)
            axes.set_ylabel(key)
        counts = ", ".join(f"{key} ({len(lines)} entries)" for key, lines in pairs.items())
        alt = (
            f"{board.dataset.title}, {board.bin_width_ms} ms: scatter plots of {first.key} "
            f"against {counts}; the numbers are in the leaderboard."
        )
        return _image(figure, alt)


def front_figure(title: str, rows: Sequence[Mapping[str, Any]], metric: str) -> Image:
    """Accuracy against interpretability; the front is a line."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        front = sorted(
            (row for row in rows if not row["dominated_by"]),
            key=lambda row: row["interpretability"],
        )
        axes.plot(
            [row["interpretability"] for row in front],
            [row["accuracy"] for row in front],
            color=_FRONT,
            linewidth=1.5,
            linestyle="--",
            zorder=1,
        )
        for row in rows:
            on_front = not row["dominated_by"]
            x, y = row["interpretability"], row["accuracy"]
            axes.scatter(
                [x],
                [y],
                color=_FRONT if on_front else _OTHER,
                marker="D" if on_front else "o",
                s=34,
                zorder=2,
            )
            axes.annotate(
                _clip(row["name"]), (x, y), (6, 5), textcoords="offset points", fontsize=9
            )
        axes.margins(0.18)
        axes.set_xlabel("interpretability (judges, z-score)")
        axes.set_ylabel(metric)
        names = ", ".join(row["name"] for row in front)
        alt = (
            f"{title}: {metric} against interpretability of {len(rows)} judged teams. On the "
            f"Pareto front: {names}. The table below says who dominates whom."
        )
        return _image(figure, alt)


def _clip(name: str, most: int = 26) -> str:
    # matplotlib takes a dollar for mathematics
    name = name if len(name) <= most else name[: most - 1] + "…"
    return name.replace("$", r"\$")


def _image(figure: Figure, alt: str) -> Image:
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None}, facecolor="white")
    encoded = base64.b64encode(out.getvalue()).decode("ascii")
    return Image(f"data:image/svg+xml;base64,{encoded}", alt, round(figure.get_figwidth() * 100))
