"""The page that Codabench shows of a submission: one HTML file that needs nothing else.

It holds what the participant may see, the numbers as they are shown and no others.
"""

from __future__ import annotations

from html import escape
from typing import Any, Dict, List

from evaluation_script.leaderboard import submission_result
from evaluation_script.scorecard import Scorecard
from evaluation_script.suites import Suite

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}table{border-collapse:collapse}td,th{padding:.2rem .8rem;"
    "border-bottom:1px solid #ddd;text-align:right}td:first-child,th:first-child{text-align:left}"
    "small{color:#555}"
)


def page_of(card: Scorecard, suite: Suite) -> str:
    """The page's HTML."""
    told = submission_result(card, suite)
    keys = [metric.key for metric in suite.metrics()]
    head = "".join(f"<th>{escape(key)}</th>" for key in keys)
    rows = [
        f"<tr><td>{escape(group)}</td>{''.join(_cell(scores.get(key)) for key in keys)}</tr>"
        for group, scores in told["scores"].items()
    ]
    title = escape(f"{suite.title}, phase {card.phase.title}")
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{title}</h1>",
            "<p>Each score stands with its standard error (delete-one-trial jackknife).</p>",
            f"<table><thead><tr><th>Group</th>{head}</tr></thead><tbody>",
            *rows,
            "</tbody></table>",
            *_remarks(told),
            f"<p><small>Rules {escape(told['rules_version'])}</small></p>",
            "</body></html>",
            "",
        ]
    )


def _cell(score: Any) -> str:
    if score is None:
        return "<td>–</td>"
    shown = escape(score.get("remark") or f"{score['value']:.4f}")
    error = score["standard_error"]
    return f"<td>{shown}{'' if error is None else f' <small>± {error:.3f}</small>'}</td>"


def _remarks(told: Dict[str, Any]) -> List[str]:
    remarks = [
        f"{group}: {key} left out: {reason}"
        for group, reasons in told["left_out"].items()
        for key, reason in reasons.items()
    ]
    remarks += told["notes"]
    if not remarks:
        return []
    return ["<h2>Notes</h2><ul>", *(f"<li>{escape(one)}</li>" for one in remarks), "</ul>"]
