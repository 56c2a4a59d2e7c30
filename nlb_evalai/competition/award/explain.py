"""The award in words, for the organizers: Markdown, every decision with its reason."""

from __future__ import annotations

import re
from typing import Any, Callable, List, Mapping, Sequence

from nlb_evalai.tables import csv_text

Named = Callable[[str], str]


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> List[str]:
    """Lines of a Markdown table; bars and line breaks in cells are made harmless."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return lines + [f"| {' | '.join(cell(value) for value in row)} |" for row in rows]


def cell(value: Any) -> str:
    """A value fit for a cell of a Markdown table."""
    text = " ".join(str("" if value is None else value).split())
    for mark in ("\\", "|", "[", "*", "_", "`", "~", "$"):
        text = text.replace(mark, "\\" + mark)
    return text.replace("&", "&amp;").replace("<", "&lt;")


def sentence(said: Mapping[str, Any], named: Named = lambda team: team, decimals: int = 6) -> str:
    """A reason with its numbers (``{#0}``, …) and teams (``{0}``, …) filled in."""

    def filled(mark: re.Match[str]) -> str:
        if mark[1]:
            return f"{said['numbers'][int(mark[2])]:.{decimals}f}"
        return named(said["teams"][int(mark[2])])

    return re.sub(r"\{(#?)(\d+)\}", filled, said["text"])


def usd(amount: float) -> str:
    """``1000 USD``; cents only where there are some."""
    return f"{amount:.0f} USD" if amount == int(amount) else f"{amount:.2f} USD"


def explained(award: Mapping[str, Any]) -> str:
    """The whole award as Markdown. It names private teams: for organizers, not to be published."""
    rules = award["rules"]
    lines = [f"# {rules['title']}: the award", ""]
    lines += [
        f"Rules {rules['name']} {rules['version']}: {rules['metric']} at "
        f"{rules['bin_width_ms']} ms in phase {rules['phase']}, deadline {rules['deadline']}. "
        "This file names teams with private entries, and teams as they call themselves, even by "
        "an e-mail address: it is for organizers.",
        "",
    ]
    if award["warnings"]:
        lines += ["## Warnings", "", *(f"- {cell(text)}" for text in award["warnings"]), ""]
    lines += ["## Prizes", ""]
    for prize in award["prizes"]:
        winners = ", ".join(f"{cell(w['team'])} ({usd(w['usd'])})" for w in prize["winners"])
        lines += [f"### {prize['title']}, {usd(prize['usd'])}: {winners or 'not given'}", ""]
        lines += [f"- {cell(sentence(said))}" for said in prize["why"]]
        for team, missing in prize["incomplete"].items():
            lines.append(f"- {cell(team)} is not ranked: nothing that counts on {_join(missing)}")
        lines.append("")
        if prize["kind"] == "average rank" and prize["table"]:
            header = ["rank", "team", "average", *prize["datasets"]]
            rows = [
                [row["rank"], row["team"], row["average"], *row["ranks"].values()]
                for row in prize["table"]
            ]
            lines += [*table(header, rows), ""]
    lines += ["## Ranks", ""]
    if "lead_level" in rules:
        lines += [leads(rules), ""]
    for dataset, ranking in award["rankings"].items():
        lines += [f"### {dataset}", "", *_ranking(ranking), ""]
    if award["judging"]:
        lines += _judging(award["judging"])
    lines += ["## Entries that do not count", ""]
    rows = [
        [one["id"], one["team"], "; ".join(one["reasons"])]
        for one in award["entries"]
        if not one["counts"]
    ]
    lines += table(["id", "team", "why"], rows) if rows else ["None."]
    remarked = [[one["id"], one["team"], "; ".join(one["remarks"])] for one in award["entries"]]
    remarked = [row for row in remarked if row[2]]
    if remarked:
        lines += ["", "## Remarks", "", *table(["id", "team", "remark"], remarked)]
    return "\n".join(lines) + "\n"


def _join(names: Sequence[str]) -> str:
    return cell(", ".join(names))


def leads(rules: Mapping[str, Any]) -> str:
    """What the lead of a team over the next says, and what its mark does not."""
    level = rules.get("lead_level")
    if level is None:
        return (
            "The lead over the next row is a paired jackknife over the same trials; ≈ marks two "
            "that cannot be told apart at the 95 % level."
        )
    return (
        "A lead is real where a team's entry is ahead of every entry of the next team in a paired "
        f"test on the same trials, two-sided at {100 * level:g} %, corrected for the number of the "
        "team's own entries; ≈ marks the others. The mark is said of two neighbors alone, and is "
        "not to be chained: where the first cannot be told apart from the second, nor the second "
        "from the third, the first may well be ahead of the third."
    )


def _ranking(ranking: Sequence[Mapping[str, Any]]) -> List[str]:
    if not ranking:
        return ["No entry counts."]
    rows = []
    for row in ranking:
        error = row["standard_error"]
        rows.append(
            [
                row["rank"],
                row["team"],
                row["entry"],
                f"{row['value']:.6f}",
                "" if error is None else f"{error:.6f}",
                lead_text(row["lead"]),
            ]
        )
    return table(["rank", "team", "entry", "score", "± SE", "lead over the next"], rows)


def lead_text(lead: Any) -> str:
    """``0.0012 ± 0.0005``, with a marker where the two cannot be told apart."""
    if lead is None:
        return ""
    if lead["standard_error"] is None:
        return f"{lead['difference']:.6f}"
    mark = "" if lead["clear"] else " ≈ cannot be told apart"
    return f"{lead['difference']:.6f} ± {lead['standard_error']:.6f}{mark}"


def _judging(judging: Mapping[str, Any]) -> List[str]:
    lines = ["## Judges", ""]
    rows = [
        [
            row["rank"],
            row["team"],
            f"{row['total']:+.4f}",
            *("" if z is None else f"{z:+.4f}" for z in row["criteria"].values()),
        ]
        for row in judging["table"]
    ]
    lines += [*table(["place", "team", "total", *judging["criteria"]], rows), ""]
    for team, why in judging["left_out"].items():
        lines.append(f"- {cell(team)} is left out before scores are made comparable: {cell(why)}")
    return [*lines, ""]


def ranks_csv(award: Mapping[str, Any]) -> str:
    """All rankings as one CSV table, full precision."""
    tested = ["p_value", "entries"] if "lead_level" in award["rules"] else []
    names = ["difference", "standard_error", "clear", *tested]
    facts = ["rank", "team", "entry", "value", "standard_error"]
    rows: List[List[Any]] = [["dataset", *facts, *(f"lead_{name}" for name in names)]]
    for dataset, ranking in award["rankings"].items():
        for row in ranking:
            lead = row["lead"] or {}
            rows.append(
                [dataset, *(row[name] for name in facts), *(lead.get(name, "") for name in names)]
            )
    return csv_text(rows)
