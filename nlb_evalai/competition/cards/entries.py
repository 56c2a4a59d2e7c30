"""Cards -> the entries of a site."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, List, Set, Tuple

from evaluation_script.suites import Suite
from nlb_evalai.competition.cards.folder import Card, Found, read_cards
from nlb_evalai.competition.cards.judge import judge
from nlb_evalai.competition.cards.layout import CLOSED, PROMISED
from nlb_evalai.competition.cards.names import folded, free_name
from nlb_evalai.competition.site.model import (
    MOST_OF_NAME,
    Cell,
    Entry,
    ScoreKey,
    cell_of,
    link_of,
    text_of,
)
from nlb_evalai.submission.receipts import phase_of, public_receipt


def entries_of(folder: Path, suite: Suite, phase: str) -> Tuple[List[Entry], List[str]]:
    """What a folder of cards gives for the site of a phase.

    Parameters
    ----------
    folder : Path
    suite : Suite
    phase : str
        Its codename; cards of other phases are judged too, and give no entry.

    Returns
    -------
    list of Entry
        Of the cards that hold, in the order of their places.
    list of str
        Every problem that `site check` finds, so that a site is not made of half the cards by
        oversight.

    Raises
    ------
    ToolError
        If the folder cannot be read.
    """
    judged: Found = judge(read_cards(folder), suite)
    taken: Set[str] = set()
    entries = []
    for card in judged.cards:
        if card.values["phase"] == phase:
            key = free_name(card.where.rpartition(".")[0].replace("/", "-"), taken).lower()
            taken.add(folded(key))
            entries.append(_entry(card, key, suite))
    return entries, judged.problems


def _entry(card: Card, key: str, suite: Suite) -> Entry:
    values, receipt = card.values, card.receipt
    code = values.get("code", "")
    links = {name: link_of(address) for name, address in values.get("links", {}).items()}
    if code and code not in (PROMISED, CLOSED):
        links["code"] = link_of(code)
    notes = ("The team has promised to release the code.",) if code == PROMISED else ()
    origin, submitted = values.get("source", ""), values.get("submitted", "")
    if receipt is not None:
        origin = f"receipt of {receipt['created_at'][:10]}, rules {receipt['rules_version']}"
        submitted = submitted or receipt["created_at"]
    else:
        submitted = submitted or max(one.get("submitted", "") for one in values["boards"])
    return Entry(
        key=key,
        team=text_of(values["team"], MOST_OF_NAME),
        method=text_of(values["method"], MOST_OF_NAME),
        authors=tuple(text_of(name, MOST_OF_NAME) for name in values.get("authors", ())),
        links=links,
        kind=values.get("kind", "unknown"),
        is_code_open=None if code in ("", PROMISED) else code != CLOSED,
        submitted_at=submitted,
        description=text_of(values.get("description")),
        notes=notes,
        scores=dict(_scores(card, suite)),
        left_out=dict(_left_out(card, suite)),
        origin=text_of(origin),
        receipt=public_receipt(receipt, phase_of(receipt, suite)) if receipt else None,
    )


def _scores(card: Card, suite: Suite) -> Iterator[Tuple[ScoreKey, Cell]]:
    """Scores as the boards show them."""
    if card.receipt is not None:
        phase = phase_of(card.receipt, suite)
        groups = {name: one["scores"] for name, one in card.receipt["groups"].items()}
    else:
        phase = suite.phase(card.values["phase"])
        groups = _of_boards(card)
    for name, cells in groups.items():
        dataset, width = suite.groups()[name]
        for metric, cell in cells.items():
            shown = cell_of(cell["value"], cell["standard_error"], phase)
            yield (dataset.name, width, metric), shown


def _of_boards(card: Card) -> Dict[str, Dict[str, Any]]:
    groups: Dict[str, Dict[str, Any]] = {}
    for board in card.values["boards"]:
        for name, cells in board["scores"].items():
            groups.setdefault(name, {}).update(cells)
    return groups


def _left_out(card: Card, suite: Suite) -> Iterator[Tuple[ScoreKey, str]]:
    for name, group in (card.receipt["groups"] if card.receipt else {}).items():
        dataset, width = suite.groups()[name]
        for metric, why in group["left_out"].items():
            yield (dataset.name, width, metric), text_of(why)
