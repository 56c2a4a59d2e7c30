"""Codabench's rules for what a scoring program leaves: what it refuses, and what it loses."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Dict, List, Tuple

from evaluation_script.text import printable
from nlb_evalai.challenge.codabench.program.answer import MOST, PAGE_NAME, SCORES_NAME
from nlb_evalai.challenge.replica import Problem
from nlb_evalai.challenge.rules.markup import tags

_OF_THE_WORKER = "metadata"
_LOADS = {"src", "href", "srcset", "action", "data", "poster"}


def judge(folder: Path, columns: Dict[str, bool]) -> Tuple[Dict[str, float], List[Problem]]:
    """The scores that Codabench stores of an output folder, and everything that is wrong there.

    Parameters
    ----------
    columns : dict
        Key of each column -> whether Codabench computes it.
    """
    problems = _files(folder)
    path = folder / SCORES_NAME
    if not path.is_file():
        return {}, [*problems, Problem(SCORES_NAME, "is not there: the submission is Failed")]
    try:
        found = json.loads(path.read_bytes().decode("utf-8"), object_pairs_hook=_pairs)
    except (ValueError, RecursionError) as error:
        return {}, [*problems, Problem(SCORES_NAME, f"is no JSON ({error}): it is Failed")]
    if not isinstance(found, _Pairs):
        return {}, [*problems, Problem(SCORES_NAME, "is no object of keys and numbers")]
    return _scores(found, columns, problems)


class _Pairs(List[Tuple[str, Any]]):
    """An object's keys and values, with a key that is there twice."""


def _pairs(pairs: List[Tuple[str, Any]]) -> _Pairs:
    return _Pairs(pairs)


def _scores(
    found: _Pairs, columns: Dict[str, bool], problems: List[Problem]
) -> Tuple[Dict[str, float], List[Problem]]:
    stored: Dict[str, float] = {}
    answered = True
    for key, value in found:
        where = f"{SCORES_NAME}/{printable(key, most=60)}"
        if key in stored:
            problems.append(Problem(where, "is there twice"))
        if key not in columns:
            problems.append(Problem(where, "no column has this key: Codabench passes it over"))
            continue
        if columns[key]:
            problems.append(Problem(where, "Codabench computes this column: leave its key out"))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            kind = "an object" if isinstance(value, _Pairs) else f"{value!r}"
            message = f"found {kind}, expected a number: HTTP 500, and no key after it is stored"
            problems.append(Problem(where, message))
            answered = False
        elif not math.isfinite(value):
            message = f"found {value}: the submission is Finished without any score"
            problems.append(Problem(where, message))
        elif abs(value) >= MOST:
            problems.append(Problem(where, f"found {value:g}, expected less than {MOST:.0e}"))
            answered = False
        elif answered:
            stored[key] = round(float(value), 10)
    if any(isinstance(value, float) and not math.isfinite(value) for _, value in found):
        return {}, problems
    return stored, problems


def _files(folder: Path) -> List[Problem]:
    """What is in the folder that all can download, beside the answer."""
    problems = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name in (SCORES_NAME, PAGE_NAME):
            continue
        if name == _OF_THE_WORKER:
            message = "is the worker's own file: the submission fails"
        else:
            message = "participants download all of this folder: leave nothing else in it"
        problems.append(Problem(f"output/{printable(name)}", message))
    page = folder / PAGE_NAME
    if page.is_file():
        text = page.read_text(encoding="utf-8", errors="replace")
        problems += [
            Problem(f"{PAGE_NAME}:{tag.line}", f"<{tag.name} {key}> loads something from elsewhere")
            for tag in tags(text)
            for key, value in tag.attributes
            if key in _LOADS and not value.startswith(("#", "data:"))
        ]
    return problems
