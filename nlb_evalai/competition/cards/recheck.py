"""Receipts of cards are scored again, where the submission's file and the truth are there."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from evaluation_script.errors import EvaluationError
from evaluation_script.files import file_sha256
from evaluation_script.submission.stream import Progress
from evaluation_script.suites import Suite
from evaluation_script.text import plural
from nlb_evalai.competition.cards.folder import Card
from nlb_evalai.errors import ToolError
from nlb_evalai.submission.evaluate import verify_receipt

#: what is said where nothing could be scored again
UNSEEN = (
    "a receipt that was edited with care cannot be told from a true one without the submission's "
    "file and the truth: give both with --files and --annotations"
)


@dataclass
class Rechecked:
    """What came of it: cards whose receipts hold, what differs, and what is said besides."""

    verified: List[str] = field(default_factory=list)
    problems: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)


def recheck(
    cards: Sequence[Card],
    truths: Sequence[Path],
    folders: Sequence[Path],
    suite: Suite,
    progress: Optional[Callable[[str], Optional[Progress]]] = None,
) -> Rechecked:
    """Score again what can be, and hold the receipts against it.

    Parameters
    ----------
    cards : sequence of Card
        That hold by themselves.
    truths : sequence of Path
        Annotation files, told apart by their hashes.
    folders : sequence of Path
        Where files of submissions are, by whatever names: they are known by size and hash.
    suite : Suite
    progress : callable, optional
        Called with a card's place before its file is scored; gives what is called with bytes.

    Raises
    ------
    ToolError
        If a truth or a folder cannot be read.
    """
    found = Rechecked()
    with_receipt = [card for card in cards if card.receipt is not None]
    if not with_receipt:
        return found
    known = {_read(file_sha256, path): path for path in truths}
    submissions = _submissions([_facts(card, "submission") for card in with_receipt], folders)
    unseen = 0
    for card in with_receipt:
        assert card.receipt is not None
        truth = known.get(_facts(card, "ground_truth")["sha256"])
        file = submissions.get(_facts(card, "submission")["sha256"])
        if truth is None or file is None:
            unseen += 1
            continue
        told = progress(card.where) if progress else None
        try:
            verdict = verify_receipt(card.receipt, file, truth, suite, told)
        except EvaluationError as error:
            said = getattr(error, "detail", None) or error
            found.problems.append(f"{card.receipt_name}: {file} cannot be scored: {said}")
            continue
        found.problems += [f"{card.receipt_name}: {one}" for one in verdict.differences]
        found.notes += [f"{card.receipt_name}: {one}" for one in verdict.notes]
        if not verdict.differences:
            found.verified.append(card.receipt_name)
    if unseen:
        found.notes.append(f"{plural(unseen, 'receipt')} not scored again: {UNSEEN}")
    return found


def _facts(card: Card, name: str) -> Mapping[str, Any]:
    assert card.receipt is not None
    facts: Mapping[str, Any] = card.receipt["files"][name]
    return facts


def _submissions(wanted: List[Mapping[str, Any]], folders: Sequence[Path]) -> Dict[str, Path]:
    """Hash -> file, of the files that have the size of one that is wanted."""
    sizes = {one["bytes"] for one in wanted}
    files = (path for folder in folders for path in _files(folder))
    return {_read(file_sha256, path): path for path in files if path.lstat().st_size in sizes}


def _files(folder: Path) -> Iterator[Path]:
    """Plain files of a folder and those below it."""
    for path, _, names in os.walk(folder):
        for name in sorted(names):
            file = Path(path, name)
            if file.is_file() and not file.is_symlink():
                yield file


def _read(function: Callable[[Path], str], path: Path) -> str:
    try:
        return function(path)
    except OSError as error:
        raise ToolError(f"{path}: cannot be read: {error.strerror}") from None
