"""The cards of a folder, with the receipts beside them: found, opened with care, and read."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from nlb_evalai.competition.cards.layout import MOST_BYTES, parse_card
from nlb_evalai.errors import ToolError
from nlb_evalai.submission import receipts

CARD, RECEIPT = ".yaml", ".receipt.json"
_EXPECTED = f"expected <team>/<method>{CARD} and <team>/<method>{RECEIPT}"
#: what a repository has besides, at the top of the folder
_BESIDE = (".md", ".txt", ".rst", ".cff", "")


@dataclass(frozen=True)
class Card:
    """A card that keeps to its layout.

    Attributes
    ----------
    where : str
        Its path below the folder, as ``team/method.yaml``.
    values : mapping
        As card-1.json says.
    receipt : mapping, optional
        The receipt beside it, full or public, if there is one.
    """

    where: str
    values: Mapping[str, Any]
    receipt: Optional[Mapping[str, Any]] = None

    @property
    def folder(self) -> str:
        """The name of its team's folder."""
        return self.where.partition("/")[0]

    @property
    def team_number(self) -> Optional[Tuple[str, int, int]]:
        """(server, challenge, team) of a card that was imported."""
        known = self.values.get("evalai")
        return (known["api"], known["challenge"], known["team"]) if known else None

    @property
    def receipt_name(self) -> str:
        """Where its receipt stands or would stand."""
        return self.where[: -len(CARD)] + RECEIPT


@dataclass
class Found:
    """What is in a folder of cards: each problem and note begins with where it is."""

    cards: List[Card] = field(default_factory=list)
    problems: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)


def read_cards(folder: Path) -> Found:
    """Read all cards and receipts of a folder; nothing of it is run, and no link is followed.

    Raises
    ------
    ToolError
        If there is no such folder, or it cannot be listed.
    """
    found = Found()
    try:
        teams = sorted(os.scandir(folder), key=lambda one: one.name)
    except OSError as error:
        raise ToolError(f"{folder}: cannot be read: {error.strerror}") from None
    for one in teams:
        if one.name.startswith("."):
            continue
        if one.is_symlink():
            found.problems.append(f"{one.name}: is a symbolic link, which is not followed")
        elif one.is_dir():
            _read_team(one, found)
        elif Path(one.name).suffix.lower() not in _BESIDE:
            found.problems.append(f"{one.name}: is no team's folder; {_EXPECTED}")
    return found


def _read_team(team: os.DirEntry[str], found: Found) -> None:
    try:
        files = {one.name: one for one in os.scandir(team.path) if not one.name.startswith(".")}
    except OSError as error:
        found.problems.append(f"{team.name}: cannot be read: {error.strerror}")
        return
    stems = {name[: -len(CARD)] for name in files if name.endswith(CARD)}
    for name in sorted(files):
        where = f"{team.name}/{name}"
        if name.endswith(CARD):
            beside = files.get(name[: -len(CARD)] + RECEIPT)
            _read_card(where, files[name].path, beside.path if beside else None, found)
        elif name.endswith(RECEIPT):
            if name[: -len(RECEIPT)] not in stems:
                card = f"{name[: -len(RECEIPT)]}{CARD}"
                found.problems.append(f"{where}: belongs to no card; expected {card} beside it")
        elif name.lower().endswith((".yaml", ".yml", ".json")) or files[name].is_dir():
            found.problems.append(f"{where}: is neither card nor receipt; {_EXPECTED}")
        else:
            found.notes.append(f"{where}: is neither card nor receipt, so it is not looked at")


def _read_card(where: str, path: str, beside: Optional[str], found: Found) -> None:
    card = Card(where, {})
    content, fault = _content(path, MOST_BYTES)
    problems = [fault] if fault else []
    values: Dict[str, Any] = {}
    if not fault:
        values, problems, notes = parse_card(content)
        found.notes += [f"{where}: {note}" for note in notes]
    found.problems += [f"{where}: {problem}" for problem in problems]
    receipt, receipt_problems = _receipt(beside)
    found.problems += [f"{card.receipt_name}: {problem}" for problem in receipt_problems]
    if not problems and not receipt_problems:
        found.cards.append(Card(where, values, receipt))


def _receipt(path: Optional[str]) -> Tuple[Optional[Mapping[str, Any]], List[str]]:
    if path is None:
        return None, []
    content, fault = _content(path, receipts.MOST_BYTES)
    return (None, [fault]) if fault else receipts.parse_receipt(content)


def _content(path: str, most: int) -> Tuple[bytes, str]:
    """The bytes of a plain file, or why there are none; at most one more than ``most``."""
    try:
        # a pipe would keep whoever opens it waiting
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if Path(path).is_symlink():
            return b"", "is a symbolic link, which is not followed"
        return b"", f"cannot be read: {error.strerror}"
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return b"", "is no plain file"
        try:
            return file.read(most + 1), ""
        except OSError as error:
            return b"", f"cannot be read: {error.strerror}"


def places(folder: Path) -> Iterator[Tuple[str, str]]:
    """(folder, name without suffix) of all that stands in the teams' folders, readable or not."""
    for team in os.scandir(folder) if folder.is_dir() else ():
        yield team.name, ""
        for one in os.scandir(team.path) if team.is_dir() else ():
            for suffix in (RECEIPT, CARD, ""):
                if one.name.endswith(suffix):
                    yield team.name, one.name[: len(one.name) - len(suffix)]
                    break
