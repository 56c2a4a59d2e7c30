"""EvalAI's boards -> cards. What the API does not say, no card says; what is there, stays."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

from evaluation_script.suites import Suite
from evaluation_script.text import did_you_mean, plural, printable
from nlb_evalai.competition.cards.boards import Boards, BoardUnread, Row, Split
from nlb_evalai.competition.cards.folder import CARD, Card, places, read_cards
from nlb_evalai.competition.cards.layout import PROMISED, SCHEMA, dump_card, is_link
from nlb_evalai.competition.cards.names import folded, free_name
from nlb_evalai.errors import ProblemsError, ToolError

#: board and bin width in ms
Place = Tuple[str, int]
#: server, challenge and team; phase; method
_Identity = Tuple[Tuple[str, int, int], str, str]
_MOST_OF_TEAM, _MOST_OF_METHOD, _MOST_OF_TITLE = 200, 1000, 200
_MOST_SHOWN = 80


@dataclass
class Imported:
    """What came of an import.

    ``problems`` is what could not be taken as it should be, and cards that say something else than
    the board; ``notes`` is what is not there to be taken: boards that are not public, are none of
    the suite's, or hide their scores.
    """

    written: List[str] = field(default_factory=list)
    unchanged: List[str] = field(default_factory=list)
    problems: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)


@dataclass
class _Planned:
    """A card to be: the rows of a team's method in a phase, one for each board."""

    team: str
    rows: Dict[str, Tuple[Row, Place]] = field(default_factory=dict)


def import_cards(
    boards: Boards,
    challenge: int,
    suite: Suite,
    out: Path,
    today: str,
    assigned: Mapping[str, str],
    every_method: bool = False,
) -> Imported:
    """Write a card for each team's method on the public boards of a challenge.

    Parameters
    ----------
    boards : Boards
    challenge : int
        Its number on EvalAI.
    suite : Suite
    out : Path
        Folder of cards; made if there is none. No file in it is ever changed.
    today : str
        The day of the import in ISO 8601, which every new card says.
    assigned : mapping
        A split's name on EvalAI -> its codename in the suite, where its name does not say it.
    every_method : bool
        Take all rows of a team on a board, one for each method, instead of the first alone.
        EvalAI shows several only where they are marked as baselines, which anybody can do.

    Raises
    ------
    ProblemsError
        If what is in the folder cannot be read as cards.
    Refused, Lost
        If there is no such challenge, or the server fails.
    """
    result = Imported()
    there = read_cards(out) if out.exists() else None
    if there is not None and there.problems:
        raise ProblemsError(
            f"{out}: nothing was imported; mend what is there first,", there.problems
        )
    title = boards.title()
    planned: Dict[Tuple[str, int, str], _Planned] = {}
    for split, phase, place in _placed(boards.splits(), suite, assigned, result):
        _take(boards, split, phase, place, suite, planned, result, every_method)
    writer = _Writer(out, there.cards if there else [], result)
    for (phase, team, method), plan in sorted(planned.items(), key=lambda one: _order(one[0])):
        known = (boards.address, challenge, team)
        card = _card(plan, known, phase, method, suite, title, today)
        writer.write((known, phase, method), card)
    return result


def _order(key: Tuple[str, int, str]) -> Tuple[int, str, str]:
    return key[1], key[0], key[2]


# ---- which board is which ---------------------------------------------------------------------


def _placed(
    splits: List[Split], suite: Suite, assigned: Mapping[str, str], result: Imported
) -> List[Tuple[Split, str, Place]]:
    """The public splits that are boards of the suite, each with its phase; the others are noted."""
    found: List[Tuple[Split, str, Place]] = []
    taken: Dict[Tuple[str, Place], Split] = {}
    known = _names(suite)
    codenames = {
        suite.split(board, width): (board, width)
        for board in suite.boards()
        for width in suite.board_widths(board)
    }
    for split in splits:
        place = codenames.get(assigned.get(split.name, "")) or known.get(_letters(split.name))
        phase = _phase(split, suite)
        if not split.is_public:
            result.notes.append(f"{split}: is not public, so it is left out")
        elif not phase:
            expected = " or ".join(one.codename for one in suite.phases)
            result.notes.append(f"{split}: is of no phase of {suite.name}, expected {expected}")
        elif place is None:
            result.notes.append(f"{split}: {_unknown(split.name, suite)}")
        elif (phase, place) in taken:
            result.problems.append(f"{split}: is the same board as {taken[phase, place]}: left out")
        else:
            taken[phase, place] = split
            found.append((split, phase, place))
    if not found:
        said = plural(len(splits), "board")
        result.problems.append(f"found no public board of {suite.name} among {said} listed")
    return found


def _names(suite: Suite) -> Dict[str, Place]:
    """What the suite itself calls its boards, where that says which one, and its bin width."""
    names: List[Tuple[str, Place]] = []
    for board in suite.boards():
        for width in suite.board_widths(board):
            own = (suite.split(board, width), f"{suite.board_title(board)} ({width} ms)")
            names += [(name, (board, width)) for name in {_letters(one) for one in own}]
    times = Counter(name for name, _ in names)
    return {name: place for name, place in names if times[name] == 1}


def _letters(name: str) -> str:
    """Letters and digits alone: `MC_Maze (5 ms)` and `mc maze 5ms` are one name."""
    return re.sub(r"[\W_]+", "", folded(name))


def _phase(split: Split, suite: Suite) -> str:
    """A phase's codename, by its codename on EvalAI or, where that is another, by its name."""
    if split.phase in [phase.codename for phase in suite.phases]:
        return split.phase
    alike = [one for one in suite.phases if folded(one.title) == folded(split.phase_name)]
    return alike[0].codename if alike else ""


def _unknown(name: str, suite: Suite) -> str:
    titles = {_letters(suite.board_title(board)): board for board in suite.boards()}
    board = titles.get(_letters(name))
    if board:
        mend = " or ".join(suite.split(board, width) for width in suite.board_widths(board))
        return f"its name says no bin width; --board 'NAME=CODENAME' says it, with {mend}"
    hint = did_you_mean(name[:_MOST_SHOWN], [suite.board_title(board) for board in suite.boards()])
    return f"is no board of {suite.name}{hint}; --board 'NAME=CODENAME' says which one it is"


def check_assigned(assigned: Mapping[str, str], suite: Suite) -> None:
    """ToolError where a name is given a codename that is none of the suite's."""
    for name, codename in assigned.items():
        if codename not in suite.splits():
            hint = did_you_mean(codename, suite.splits())
            raise ToolError(
                f"--board {name}={codename}: {codename} is no split of {suite.name}{hint}"
            )


# ---- rows -------------------------------------------------------------------------------------


def _take(
    boards: Boards,
    split: Split,
    phase: str,
    place: Place,
    suite: Suite,
    planned: Dict[Tuple[str, int, str], _Planned],
    result: Imported,
    every_method: bool,
) -> None:
    """Add a board's rows to the cards that are planned."""
    try:
        found = boards.board(split)
    except BoardUnread as error:
        result.problems.append(f"{split}: left out: {error}")
        return
    result.problems += [f"{split}: row left out: {fault}" for fault in found.faults]
    if found.n_hidden:
        result.notes.append(f"{split}: hides the scores of {plural(found.n_hidden, 'row')}")
    own = suite.labels(place[0])
    for label in split.labels:
        if label not in own:
            shown = printable(label, _MOST_SHOWN)
            result.notes.append(f"{split}: its column {shown} is none of {suite.name}: left out")
    seen: Set[Tuple[int, str]] = set()
    for row in found.rows:
        team = row.team_name if row.team_name.strip() else f"team {row.team}"
        method = row.method if row.method.strip() else f"submission {row.submission}"
        where = f"{split}: team {printable(team, _MOST_SHOWN)}"
        if len(team) > _MOST_OF_TEAM or len(method) > _MOST_OF_METHOD:
            result.problems.append(
                f"{where}: row left out: found names of {len(team)} and {len(method)} characters, "
                f"expected at most {_MOST_OF_TEAM} of a team and {_MOST_OF_METHOD} of a method"
            )
        elif not set(row.scores) & set(own):
            result.notes.append(f"{where}: has no score there")
        elif (row.team, method if every_method else "") in seen:
            shown = printable(method, _MOST_SHOWN)
            mend = "" if every_method else "; --every-method takes it"
            result.notes.append(f"{where}: has another row, {shown}; the first counts{mend}")
        else:
            seen.add((row.team, method if every_method else ""))
            plan = planned.setdefault((phase, row.team, method), _Planned(team))
            plan.rows[split.name] = (row, place)


def _card(
    plan: _Planned,
    known: Tuple[str, int, int],
    phase: str,
    method: str,
    suite: Suite,
    title: str,
    today: str,
) -> Dict[str, Any]:
    api, challenge, team = known
    rows = [row for row, _ in plan.rows.values()]
    card: Dict[str, Any] = {
        "schema": SCHEMA,
        "suite": suite.name,
        "phase": phase,
        "team": plan.team,
        "method": method,
    }
    if all(row.code_promised for row in rows):
        card["code"] = PROMISED
    if is_link(rows[0].team_url):
        card["links"] = {"team": rows[0].team_url}
    card["source"] = f"board of EvalAI, imported on {today}"
    titled = {"title": title} if title.strip() and len(title) <= _MOST_OF_TITLE else {}
    card["evalai"] = {"api": api, "challenge": challenge, **titled, "team": team}
    card["boards"] = [
        {
            "split": name,
            "submission": row.submission,
            **({"submitted": row.submitted} if row.submitted else {}),
            "scores": _scores(row, place, suite),
        }
        for name, (row, place) in plan.rows.items()
    ]
    return card


def _scores(row: Row, place: Place, suite: Suite) -> Dict[str, Dict[str, Any]]:
    board, width = place
    found: Dict[str, Dict[str, Any]] = {}
    for dataset in suite.board_datasets(board):
        for metric in dataset.metrics:
            label = dataset.label(metric)
            if label in row.scores:
                value, error = row.scores[label]
                cells = found.setdefault(suite.group(dataset, width), {})
                cells[metric.key] = {"value": value, "standard_error": error}
    return found


# ---- writing ----------------------------------------------------------------------------------


class _Writer:
    """Puts cards beside those that are there, under names that nothing has."""

    def __init__(self, out: Path, there: List[Card], result: Imported) -> None:
        self._out = out
        self._result = result
        self._there: Dict[_Identity, Card] = {}
        #: team on EvalAI -> its folder
        self._folders: Dict[Tuple[str, int, int], str] = {}
        #: folded team name -> the folder of a team that no import made
        self._own: Dict[str, str] = {}
        for card in there:
            number = card.team_number
            if number:
                self._there[number, card.values["phase"], card.values["method"]] = card
                self._folders.setdefault(number, card.folder)
            else:
                self._own.setdefault(folded(card.values["team"]), card.folder)
        self._taken: Dict[str, Set[str]] = {}
        for folder, stem in places(out):
            self._taken.setdefault(folded(folder), set()).add(folded(stem))

    def write(self, identity: _Identity, card: Mapping[str, Any]) -> None:
        """Write a card, unless it is there: then say whether it still says the same."""
        there = self._there.get(identity)
        if there is not None:
            differences = list(_differences(there.values, card))
            if differences:
                said = "; ".join(differences[:5]) + ("; …" if len(differences) > 5 else "")
                self._result.problems.append(
                    f"{there.where}: differs from the board, and stays as it is: {said}"
                )
            else:
                self._result.unchanged.append(there.where)
            return
        try:
            content = dump_card(card)
        except ToolError as error:
            shown = printable(card["team"], _MOST_SHOWN)
            self._result.problems.append(f"team {shown}: left out: {error}")
            return
        folder = self._folder(identity[0], card["team"])
        stems = self._taken[folded(folder)]
        stem = free_name(card["method"], stems)
        stems.add(folded(stem))
        path = self._out / folder / f"{stem}{CARD}"
        _create(path, content)
        self._result.written.append(f"{folder}/{path.name}")

    def _folder(self, number: Tuple[str, int, int], team: str) -> str:
        if number not in self._folders:
            own = self._own.pop(folded(team), None)
            folder = own or free_name(team, self._taken)
            self._taken.setdefault(folded(folder), set())
            self._folders[number] = folder
        return self._folders[number]


def _create(path: Path, content: bytes) -> None:
    """Write a new file, whole or not at all; ToolError if it cannot be, or one is there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            try:
                file.write(content)
                file.flush()
            except BaseException:
                path.unlink()
                raise
    except OSError as error:
        raise ToolError(f"{path}: cannot be written: {error.strerror}") from None


def _differences(there: Mapping[str, Any], board: Mapping[str, Any]) -> List[str]:
    """What the board says and a card does not; what people added to a card is their own."""
    before, now = _flat(there), _flat(board)
    found = []
    for where in [*now, *(key for key in before if key not in now)]:
        if before.get(where) != now.get(where):
            said, shown = (_cell(one.get(where)) for one in (before, now))
            found.append(
                f"{printable(where, 2 * _MOST_SHOWN)}: the card says {said}, the board {shown}"
            )
    return found


def _flat(card: Mapping[str, Any]) -> Dict[str, Any]:
    found: Dict[str, Any] = {"team": card["team"]}
    for board in card["boards"]:
        split = board["split"]
        found[f"{split}, submission"] = board["submission"]
        for group, cells in board["scores"].items():
            for metric, cell in cells.items():
                found[f"{split}, {group}, {metric}"] = cell["value"]
                found[f"{split}, {group}, {metric}, error bar"] = cell["standard_error"]
    return found


def _cell(value: Optional[object]) -> str:
    return "nothing" if value is None else printable(value, _MOST_SHOWN)
