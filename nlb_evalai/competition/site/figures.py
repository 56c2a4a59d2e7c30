"""Figures: matplotlib -> SVG whose text is text, in the reader's fonts, with words for all.

They keep to the reader's light or dark mode by a style of their own.
"""

from __future__ import annotations

import io
import unicodedata
import warnings
from dataclasses import dataclass
from datetime import date
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from nlb_evalai.competition.site.boards import Board, Row
from nlb_evalai.competition.site.model import Point

#: ranked, not ranked, front: distinct to color-blind eyes, in grey, on white and on black
_RANKED, _OTHER, _FRONT = "#2f7fd1", "#8a8f98", "#c8690f"
_MOST_ROWS, _MOST_LETTERS = 30, 26
_STYLE: Any = {
    "svg.hashsalt": "nlb-evalai",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.grid": True,
    "grid.color": "#8a8f98",
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
}
_CSS = (
    "<style>text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif"
    "!important;fill:#1b1f27!important}@media(prefers-color-scheme:dark)"
    "{text{fill:#e6e9ee!important}}</style>"
)


@dataclass(frozen=True)
class Image:
    """A figure, with its alternative text and its size in pixels."""

    svg: str
    alt: str
    width: int
    height: int


def board_figure(board: Board) -> Optional[Image]:
    """The board's main metric with standard errors, best on top."""
    key = board.main.key
    rows = [row for row in board.rows if key in row.cells]
    if not rows:
        return None
    drawn = rows[:_MOST_ROWS]
    with rc_context(_STYLE):
        figure, axes = _axes(6.4, 0.75 + 0.27 * len(drawn), [_name(row) for row in drawn])
        for color, mark, chosen in (
            (_RANKED, "o", [row.place is not None or not board.is_ranked for row in drawn]),
            (_OTHER, "s", [row.place is None and board.is_ranked for row in drawn]),
        ):
            picked = [(y, row.cells[key]) for y, row in enumerate(drawn) if chosen[y]]
            if picked:
                axes.errorbar(
                    [cell.value for _, cell in picked],
                    [y for y, _ in picked],
                    xerr=[cell.standard_error or 0.0 for _, cell in picked],
                    fmt=mark,
                    color=color,
                    markersize=5,
                    capsize=3,
                )
        axes.set_yticks(range(len(drawn)), [_name(row) for row in drawn])
        axes.set_ylim(len(drawn) - 0.5, -0.5)
        axes.set_xlabel(f"{key} ({board.main.unit}), ± standard error")
        first, last = drawn[0], drawn[-1]
        more = f" The first {len(drawn)} of {len(rows)} rows." if len(rows) > len(drawn) else ""
        return _image(
            figure,
            f"{key} of {len(drawn)} entries on {board.dataset.title} at {board.bin_width_ms} ms "
            f"with standard errors, from {first.cells[key].value:.4f} ({first.entry.team}) to "
            f"{last.cells[key].value:.4f} ({last.entry.team}); the same numbers are in the table."
            + more,
        )


def metrics_figure(board: Board) -> Optional[Image]:
    """The board's main metric against each of the others."""
    first = board.main.key
    pairs: Dict[str, List[Row]] = {}
    for metric in board.metrics:
        both = [row for row in board.rows if {first, metric.key} <= set(row.cells)]
        if metric is not board.main and len(both) > 1:
            pairs[metric.key] = both
    if not pairs:
        return None
    with rc_context(_STYLE):
        figure = Figure(figsize=(2.9 * len(pairs) + 0.3, 2.7), layout="constrained")
        panels = figure.subplots(1, len(pairs), squeeze=False)[0]
        for axes, (key, rows) in zip(panels, pairs.items()):
            axes.scatter(
                [row.cells[first].value for row in rows],
                [row.cells[key].value for row in rows],
                c=[_OTHER if board.is_ranked and row.place is None else _RANKED for row in rows],
                s=24,
            )
            axes.set_xlabel(first)
            axes.set_ylabel(key)
        counts = ", ".join(f"{key} ({len(rows)} entries)" for key, rows in pairs.items())
        return _image(
            figure,
            f"{board.dataset.title}, {board.bin_width_ms} ms: scatter plots of {first} against "
            f"{counts}; the numbers are in the table.",
        )


def front_figure(title: str, points: Sequence[Point], metric: str) -> Image:
    """Accuracy against interpretability; the front is a line, and every point has its name."""
    front = sorted(
        (one for one in points if not one.dominated_by), key=lambda one: one.interpretability
    )
    with rc_context(_STYLE):
        figure, axes = _axes(6.4, 3.8, [])
        axes.plot(
            [one.interpretability for one in front],
            [one.accuracy for one in front],
            color=_FRONT,
            linewidth=1.5,
            linestyle="--",
            zorder=1,
        )
        others = [one for one in points if one.dominated_by]
        for color, mark, drawn in ((_FRONT, "D", front), (_OTHER, "o", others)):
            axes.scatter(
                [one.interpretability for one in drawn],
                [one.accuracy for one in drawn],
                color=color,
                marker=mark,
                s=34,
                zorder=2,
            )
        for one in points:
            place = (one.interpretability, one.accuracy)
            axes.annotate(_clip(one.team), place, (6, 5), textcoords="offset points", fontsize=9)
        axes.margins(0.2)
        axes.set_xlabel("interpretability (judges, z-score)")
        axes.set_ylabel(metric)
        return _image(
            figure,
            f"{title}: {metric} against interpretability of {len(points)} judged teams. On the "
            f"Pareto front: {', '.join(one.team for one in front)}. The table below says who "
            "dominates whom.",
        )


def history_figure(
    title: str,
    metric: str,
    best: Sequence[Tuple[date, float, str]],
    published: Mapping[str, Sequence[Tuple[date, float, str]]],
) -> Optional[Image]:
    """The best score so far, over time, and published scores by what kind of source they have.

    Parameters
    ----------
    best : sequence of (date, score, name)
        Each is better than the one before.
    published : mapping
        Kind of source -> its scores.
    """
    if not best and not any(published.values()):
        return None
    with rc_context(_STYLE):
        figure, axes = _axes(6.4, 3.2, [])
        if best:
            days = [date2num(day) for day, _, _ in best]
            axes.step(
                days, [value for _, value, _ in best], where="post", color=_RANKED, marker="o",
                markersize=5,
            )  # fmt: skip
        for mark, (kind, found) in zip("sD^v", published.items()):
            axes.scatter(
                [date2num(day) for day, _, _ in found],
                [value for _, value, _ in found],
                color=_FRONT,
                facecolors="none",
                marker=mark,
                s=30,
                label=kind,
            )
        tops = [max(found, key=lambda one: one[1]) for found in published.values() if found]
        for day, value, name in [*best[-1:], *tops]:
            axes.annotate(
                _clip(name), (date2num(day), value), (0, 7), textcoords="offset points",
                ha="center", fontsize=9,
            )  # fmt: skip
        locator = AutoDateLocator(maxticks=7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.margins(0.15)
        axes.set_ylabel(metric)
        if published:
            axes.legend(frameon=False, loc="lower right", title="published")
        reached = f"The best here is {best[-1][1]:.4f} ({best[-1][2]}). " if best else ""
        counts = ", ".join(f"{len(found)} of kind {kind}" for kind, found in published.items())
        known = f"Published scores: {counts}. " if published else ""
        return _image(
            figure,
            f"{title}: best {metric} over time. {reached}{known}The same numbers are in the table.",
        )


def _axes(width: float, height: float, names: Sequence[str]) -> Tuple[Figure, Axes]:
    """Axes in inches, with room on the left for names in any script."""
    figure = Figure(figsize=(width, height))
    left = max([0.7, *(0.25 + 0.078 * _letters(name) for name in names)])
    figure.subplots_adjust(left / width, 0.52 / height, 1 - 0.15 / width, 1 - 0.1 / height)
    return figure, figure.subplots()


def _letters(text: str) -> int:
    """How wide a text is, in Latin letters."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _name(row: Row) -> str:
    return _clip(row.entry.team)


def _clip(name: str) -> str:
    while _letters(name) > _MOST_LETTERS:
        name = name[: min(len(name) - 2, _MOST_LETTERS - 1)] + "…"
    return name


def _image(figure: Figure, alt: str) -> Image:
    out = io.StringIO()
    with warnings.catch_warnings():
        # the reader's fonts show what matplotlib's own have no glyph for
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")
        figure.savefig(out, format="svg", metadata={"Date": None}, transparent=True)
    head, opening, rest = out.getvalue().partition("<defs>")
    width, height = (round(inches * 100) for inches in figure.get_size_inches())
    return Image(f"{head}{_CSS}{opening}{rest}", alt, width, height)
