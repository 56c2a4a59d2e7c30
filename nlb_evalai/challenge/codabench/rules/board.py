"""Rules about the leaderboard: its columns, their order and digits, and what they reward."""

from __future__ import annotations

from collections import Counter
from typing import Dict, Iterator, List, Optional

import h5py

from evaluation_script.suites import DEFAULT, Suite, SuiteError, find
from nlb_evalai.challenge.codabench.compose import CONFIG_NAME
from nlb_evalai.challenge.codabench.program.columns import Column, columns
from nlb_evalai.challenge.codabench.rules.contents import Bundle
from nlb_evalai.challenge.codabench.rules.registry import Fault, check
from nlb_evalai.challenge.rules.finding import WARNING
from nlb_evalai.challenge.rules.truth import opens, said_by_truth
from nlb_evalai.challenge.suite_files import script_modules

_SCORER = "evaluation_script"
_DECIMALS = 4
_MOST_PRECISION = 10


@check("board-once", WARNING, "There is one leaderboard; Codabench passes over any more.")
def there_is_one_board(bundle: Bundle) -> Iterator[Fault]:
    for where, _ in bundle.entries("leaderboards")[1:]:
        yield where, "Codabench uses the first leaderboard only: put its columns there"


@check("primary-index", sentence="The board is ordered by one of its columns.")
def the_primary_column_is_there(bundle: Bundle) -> Iterator[Fault]:
    for where, board, found in bundle.boards():
        primary = board.get("primary_index", 0)
        if found and primary not in [column.get("index") for _, column in found]:
            yield (
                f"{where}.primary_index",
                f"found {primary!r}, which is no column's index: the page would answer HTTP 500",
            )


@check("duplicate-column")
def columns_have_an_index_and_a_key_of_their_own(bundle: Bundle) -> Iterator[Fault]:
    for where, _, found in bundle.boards():
        for name in ("index", "key"):
            values = [str(column[name]) for _, column in found if name in column]
            for value, times in Counter(values).items():
                if times > 1:
                    yield f"{where}.columns", f"{times} columns have the {name} {value}"


@check("column-index", sentence="No column has a negative index.")
def columns_count_from_zero(bundle: Bundle) -> Iterator[Fault]:
    for _, _, found in bundle.boards():
        for where, column in found:
            index = column.get("index")
            if type(index) is int and index < 0:
                yield f"{where}.index", f"found {index}, expected 0 or more"


@check("computed-column", sentence="No column is computed by Codabench.")
def nothing_is_averaged_over_what_is_there(bundle: Bundle) -> Iterator[Fault]:
    for _, _, found in bundle.boards():
        for where, column in found:
            if column.get("computation") is None:
                continue
            if not column.get("computation_indexes"):
                yield (
                    f"{where}.computation_indexes",
                    "names no column: every upload would be answered with HTTP 500",
                )
            yield (
                f"{where}.computation",
                f"{column['computation']!r} is taken over what an entry has, so it rewards "
                "submitting one's best dataset alone: let the scoring program write it",
            )


@check("column-precision", sentence="Columns show as many digits as the phases do.")
def columns_show_what_phases_do(bundle: Bundle) -> Iterator[Fault]:
    suite = bundle.once(suite_of)
    expected = None if suite is None else _decimals(bundle, suite)
    for _, _, found in bundle.boards():
        for where, column in found:
            digits = column.get("precision", 2)
            if type(digits) is not int:
                continue
            if not 0 <= digits <= _MOST_PRECISION:
                yield f"{where}.precision", f"found {digits}, expected 0 to {_MOST_PRECISION}"
            elif expected is not None and digits != expected:
                yield (
                    f"{where}.precision",
                    f"found {digits}, but scores are given to {expected} decimals",
                )


def _decimals(bundle: Bundle, suite: Suite) -> Optional[int]:
    """The digits that the phases show; None where no task tells its phase."""
    known = {phase.codename: phase for phase in suite.phases}
    told = [bundle.told(task) for _, task in bundle.entries("tasks")]
    phases = [known[one.phase] for one in told if one and one.phase in known]
    digits = [_DECIMALS if one.score_decimals is None else one.score_decimals for one in phases]
    return max(digits, default=None)


# ---- against the suite ------------------------------------------------------------------------


def suite_of(bundle: Bundle) -> Optional[Suite]:
    """The suite that its scoring programs score, if it is one that is known here to the byte."""
    suite = bundle.suite
    if suite is None:
        said = [name or DEFAULT for _, name in said_by_truth(bundle, "suite")]
        try:
            suite = find(said[0] if said else DEFAULT)
        except SuiteError:
            return None
    here = script_modules(suite)
    programs = bundle.programs().values()
    if not programs:
        return None
    for folder in programs:
        files = sorted((folder / _SCORER / "suites").glob("*.py"))
        if {f"suites/{path.name}": path.read_bytes() for path in files} != here:
            return None
    return suite


@check("suite-unknown", WARNING)
def its_suites_are_known(bundle: Bundle) -> Iterator[Fault]:
    if bundle.programs() and bundle.once(suite_of) is None:
        yield (
            f"{CONFIG_NAME}: tasks",
            "the suites of the scoring program are not those that are known here, and this check "
            "runs no code of a bundle: phases and columns were not held against them. If the suite "
            "is your own, give its file with --suite FILE.py; else run `dry-run --bundle`, which "
            "scores with it in a process apart",
        )


@check("suite-phase")
def tasks_are_phases_of_the_suite(bundle: Bundle) -> Iterator[Fault]:
    suite = bundle.once(suite_of)
    for where, task in bundle.entries("tasks"):
        told = bundle.told(task)
        if suite is None or told is None:
            continue
        known = [phase.codename for phase in suite.phases]
        if told.phase not in known:
            yield (
                f"{where}.scoring_program",
                f"scores phase {told.phase!r}, expected {' or '.join(known)}: every submission "
                "would fail",
            )
        if told.board not in (None, *suite.boards()):
            yield (
                f"{where}.scoring_program",
                f"is for board {told.board!r}, expected one of {', '.join(suite.boards())}",
            )


@check("suite-column", sentence="The board has the columns that the scoring program writes.")
def columns_are_those_that_are_written(bundle: Bundle) -> Iterator[Fault]:
    suite = bundle.once(suite_of)
    if suite is None:
        return
    written = {column.key: column for column in columns(suite)}
    for where, _, found in bundle.boards():
        there = {str(column.get("key")) for _, column in found}
        missing = [key for key in written if key not in there]
        if missing:
            yield (
                f"{where}.columns",
                f"lacks {_some(missing)}: Codabench passes over a score that has no column",
            )
        for place, column in found:
            key = column.get("key")
            if column.get("computation") is not None:
                continue
            if key not in written:
                yield f"{place}.key", f"found {key!r}, which the scoring program never writes"
            else:
                yield from _differences(place, column, written[key])


def _differences(where: str, column: Dict[str, object], written: Column) -> Iterator[Fault]:
    sorting = "asc" if written.ascending else "desc"
    if column.get("sorting", "desc") != sorting:
        best = (
            f"the best {written.metric.key} is the {'lowest' if written.ascending else 'highest'}"
        )
        yield f"{where}.sorting", f"found {column.get('sorting')!r}, expected {sorting!r}: {best}"
    if bool(column.get("hidden", False)) != written.hidden:
        bins = f"{written.bin_width_ms} ms bins"
        count = "do not count" if written.hidden else "count"
        yield (
            f"{where}.hidden",
            f"found {column.get('hidden', False)!r}, but {bins} {count} for ranking, and visible "
            "columns decide between equal entries",
        )


def _some(names: List[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@check("truth-complete", sentence="Truth has every dataset that a submission must have a score of.")
def truth_has_what_is_asked_for(bundle: Bundle) -> Iterator[Fault]:
    suite = bundle.once(suite_of)
    if suite is None:
        return
    for _, task in bundle.entries("tasks"):
        told, reference = bundle.told(task), str(task.get("reference_data"))
        board = told.board if told else None
        asked = [
            group for one in columns(suite, board) if one.needed for group in one.groups(suite)
        ]
        for name, _, path in bundle.truths():
            if name.startswith(reference) and opens(path):
                with h5py.File(path, "r") as file:
                    missing = [group for group in dict.fromkeys(asked) if group not in file]
                if missing:
                    yield (
                        name,
                        f"lacks {_some(missing)}, which submissions "
                        "must have a score of: all would be refused. Offer phases for the boards "
                        "that it has (`board:` in the head)",
                    )
