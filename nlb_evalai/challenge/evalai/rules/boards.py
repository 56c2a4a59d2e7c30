"""Rules about leaderboards, dataset splits, and how phases show them."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, Iterator, List, Tuple

from nlb_evalai.challenge.evalai.rules.contents import Bundle
from nlb_evalai.challenge.evalai.rules.registry import Fault, check
from nlb_evalai.challenge.rules.finding import WARNING

_REFERENCES = (
    ("challenge_phase_id", "challenge_phases"),
    ("leaderboard_id", "leaderboard"),
    ("dataset_split_id", "dataset_splits"),
)


@check("default-order", sentence="Each board is ordered by one of its labels.")
def boards_are_ordered_by_a_label(bundle: Bundle) -> Iterator[Fault]:
    for where, schema, labels in bundle.boards():
        order = schema.get("default_order_by")
        if isinstance(order, str) and order not in labels:
            yield f"{where}.default_order_by", f"{order!r} is none of its labels {labels}"


@check("duplicate-label")
def labels_are_unique(bundle: Bundle) -> Iterator[Fault]:
    for where, _, labels in bundle.boards():
        for label, times in Counter(labels).items():
            if times > 1:
                yield f"{where}.labels", f"{label!r} is there twice: one column would be lost"


@check("metadata-label", WARNING)
def metadata_describe_labels(bundle: Bundle) -> Iterator[Fault]:
    for where, schema, labels in bundle.boards():
        metadata = schema.get("metadata")
        for label in metadata if isinstance(metadata, dict) else ():
            if label not in labels:
                yield (
                    f"{where}.metadata",
                    f"{label!r} is no label of this board: correct or remove it",
                )


@check("split-reference")
def phase_splits_refer_to_what_is_there(bundle: Bundle) -> Iterator[Fault]:
    for where, split in bundle.entries("challenge_phase_splits"):
        for field, key in _REFERENCES:
            if type(split.get(field)) is int and split[field] not in bundle.by_id(key):
                yield f"{where}.{field}", f"{key} has no entry with id {split[field]}"


@check("split-shown-twice")
def a_split_is_on_one_board_of_a_phase(bundle: Bundle) -> Iterator[Fault]:
    seen: Dict[Tuple[Any, Any], str] = {}
    for where, split in bundle.entries("challenge_phase_splits"):
        pair = (str(split.get("challenge_phase_id")), str(split.get("dataset_split_id")))
        if pair in seen:
            yield (
                where,
                f"dataset split {pair[1]} is shown in phase {pair[0]} already ({seen[pair]}); "
                "EvalAI takes this and then fails every submission: give each board its own split",
            )
        seen.setdefault(pair, where.partition(": ")[2])


@check("phase-without-split")
def every_phase_shows_something(bundle: Bundle) -> Iterator[Fault]:
    shown = {str(split.get("challenge_phase_id")) for _, split in phase_splits(bundle)}
    for where, phase in bundle.entries("challenge_phases"):
        if "id" in phase and str(phase["id"]) not in shown:
            yield (
                where,
                "no phase split shows it, so every submission fails; none can be added once the "
                "challenge is created: add its challenge_phase_splits now",
            )


@check("unused-split", WARNING)
def every_split_is_shown(bundle: Bundle) -> Iterator[Fault]:
    yield from _unused(bundle, "dataset_splits", "dataset_split_id")


@check("unused-board", WARNING)
def every_board_is_shown(bundle: Bundle) -> Iterator[Fault]:
    yield from _unused(bundle, "leaderboard", "leaderboard_id")


def _unused(bundle: Bundle, key: str, field: str) -> Iterator[Fault]:
    used = {str(split.get(field)) for _, split in phase_splits(bundle)}
    for where, entry in bundle.entries(key):
        if "id" in entry and str(entry["id"]) not in used:
            yield where, "no phase shows it: remove it, or add a challenge_phase_splits entry"


@check("visibility-two", WARNING, "No board has visibility 2, which acts like 1.")
def visibility_says_what_it_does(bundle: Bundle) -> Iterator[Fault]:
    for where, split in phase_splits(bundle):
        if split.get("visibility") == 2 and type(split["visibility"]) is int:
            yield f"{where}.visibility", "2 acts like 1, host only: write 1 or 3 (public)"


@check("order-contradiction")
def boards_have_one_order(bundle: Bundle) -> Iterator[Fault]:
    boards = bundle.by_id("leaderboard")
    for where, split in phase_splits(bundle):
        schema = boards.get(as_id(split.get("leaderboard_id")), {}).get("schema")
        metadata = schema.get("metadata") if isinstance(schema, dict) else None
        if not isinstance(schema, dict) or not isinstance(metadata, dict):
            continue
        entry = metadata.get(str(schema.get("default_order_by")))
        ascending = entry.get("sort_ascending") if isinstance(entry, dict) else None
        descending = split.get("is_leaderboard_order_descending")
        if isinstance(ascending, bool) and ascending is descending:
            yield (
                f"{where}.is_leaderboard_order_descending",
                f"found {str(descending).lower()}, but the default label of its board has "
                f"sort_ascending {str(ascending).lower()}: the two must differ",
            )


def phase_splits(bundle: Bundle) -> List[Tuple[str, Dict[str, Any]]]:
    return bundle.entries("challenge_phase_splits")


def as_id(value: Any) -> int:
    """An id, or one that nothing has."""
    return value if type(value) is int else -1
