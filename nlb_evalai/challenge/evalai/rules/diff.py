"""What an update of a live challenge may not change.

After creation, no phase split can be added to an existing phase, and nothing may go; after
approval, leaderboards, the names of dataset splits, and how boards are shown are locked.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Tuple

from nlb_evalai.challenge.evalai.config import CONFIG_NAME
from nlb_evalai.challenge.evalai.rules.contents import Bundle, labels_of
from nlb_evalai.challenge.evalai.rules.registry import declare
from nlb_evalai.challenge.rules.finding import ERROR, WARNING, Finding

Splits = Dict[Tuple[int, int, int], Dict[str, Any]]

declare("live-labels", ERROR, "An update keeps every leaderboard and its labels.")
declare("live-board", ERROR, "An update keeps what orders a leaderboard, and its descriptions.")
declare("live-codename", ERROR, "An update keeps phases and dataset splits with their codenames.")
declare("live-name", ERROR, "An update keeps the names of dataset splits.")
declare("live-phase-split", ERROR, "An update keeps the phase splits, and adds none to old phases.")
declare("live-visibility", ERROR, "An update keeps who sees a board.")
declare("live-order", ERROR, "An update keeps the decimals and the order of a board.")
declare("live-new", WARNING, "An update adds no leaderboard, phase or dataset split.")


def diff_bundles(old: Bundle, new: Bundle) -> List[Finding]:
    """Findings about what ``new`` changes of the live challenge ``old``; entries match by id."""
    return [*_boards(old, new), *_codenames(old, new), *_phase_splits(old, new)]


def _error(code: str, location: str, message: str) -> Finding:
    return Finding(code, ERROR, f"{CONFIG_NAME}: {location}", message)


def _locked(code: str, where: str, what: str, before: object, now: object) -> Iterator[Finding]:
    """The finding that something locked has changed, if it has."""
    if before != now:
        yield _error(code, where, f"{what} was {before!r}, found {now!r}: it is locked")


def _boards(old: Bundle, new: Bundle) -> Iterator[Finding]:
    after = new.by_id("leaderboard")
    for pk, board in old.by_id("leaderboard").items():
        where = f"leaderboard with id {pk}"
        before, now = labels_of(board), labels_of(after.get(pk))
        if pk not in after:
            yield _error("live-labels", where, "is gone; a live challenge keeps its leaderboards")
        elif before != now:
            yield _error(
                "live-labels", where, f"labels were {before}, found {now}: they are locked"
            )
        else:
            for key in ("default_order_by", "metadata"):
                was, found = (_schema(entry).get(key) for entry in (board, after[pk]))
                yield from _locked("live-board", where, key, was, found)
    for pk in after:
        if pk not in old.by_id("leaderboard"):
            yield _added("live-new", f"leaderboard with id {pk}")


def _schema(board: Dict[str, Any]) -> Dict[str, Any]:
    schema = board.get("schema")
    return schema if isinstance(schema, dict) else {}


def _codenames(old: Bundle, new: Bundle) -> Iterator[Finding]:
    for key in ("challenge_phases", "dataset_splits"):
        after = new.by_id(key)
        for pk, entry in old.by_id(key).items():
            where = f"{key} with id {pk}"
            before = entry.get("codename")
            if pk not in after:
                yield _error("live-codename", where, f"{before!r} is gone; keep it")
                continue
            now = after[pk]
            yield from _locked("live-codename", where, "codename", before, now.get("codename"))
            if key == "dataset_splits":
                yield from _locked("live-name", where, "name", entry.get("name"), now.get("name"))
        for pk in after:
            if pk not in old.by_id(key):
                yield _added("live-new", f"{key} with id {pk}")


def _phase_splits(old: Bundle, new: Bundle) -> Iterator[Finding]:
    before, after = _by_triple(old), _by_triple(new)
    existing = old.by_id("challenge_phases")
    for triple, split in before.items():
        where = _words(triple)
        if triple not in after:
            yield _error("live-phase-split", where, "is gone; a live challenge keeps its boards")
            continue
        for code, key in (
            ("live-visibility", "visibility"),
            ("live-order", "leaderboard_decimal_precision"),
            ("live-order", "is_leaderboard_order_descending"),
        ):
            yield from _locked(code, where, key, split.get(key), after[triple].get(key))
    for triple in after:
        if triple not in before and triple[0] in existing:
            yield _error(
                "live-phase-split",
                _words(triple),
                "is new; no phase split can be added to an existing phase",
            )


def _added(code: str, where: str) -> Finding:
    message = "is new: look at it on the live challenge after the update, and at every old board"
    return Finding(code, WARNING, f"{CONFIG_NAME}: {where}", message)


def _by_triple(bundle: Bundle) -> Splits:
    keys = ("challenge_phase_id", "leaderboard_id", "dataset_split_id")
    found = {}
    for _, split in bundle.entries("challenge_phase_splits"):
        triple = tuple(split.get(key) for key in keys)
        if all(type(pk) is int for pk in triple):
            found[triple] = split
    return found  # type: ignore[return-value]


def _words(triple: Tuple[int, int, int]) -> str:
    return "phase {}, leaderboard {}, dataset split {}".format(*triple)
