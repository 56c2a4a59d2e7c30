"""EvalAI's rules for what ``evaluate`` returns: what it refuses, and what it trips over later."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from nlb_evalai.challenge.evalai.config import PhaseSplit
from nlb_evalai.challenge.replica import Problem

#: Number types that EvalAI can store.
_NUMBERS = (float, int)


@dataclass(frozen=True)
class Foreign:
    """A value of a type that is not JSON's, as ``numpy.float32``."""

    type_name: str
    text: str


def revive(described: Any) -> Any:
    """The value that :func:`nlb_evalai.challenge.evalai.replica.child.describe` described.

    ``numpy.float64`` is a float and comes back as one; all that JSON does not know as Foreign.
    """
    name, content = described
    if name == "dict":
        return {_hashable(revive(key)): revive(item) for key, item in content}
    if name in ("list", "tuple"):
        return [revive(item) for item in content]
    if name in ("float", "numpy.float64"):
        return float(content)
    if name == "int":
        return int(content)
    if name in ("bool", "str", "NoneType"):
        return content
    return Foreign(name, content)


def _hashable(key: Any) -> Any:
    return repr(key) if isinstance(key, (dict, list)) else key


def judge(output: Any, splits: List[PhaseSplit]) -> List[Problem]:
    """Hold what ``evaluate`` returned against EvalAI's rules.

    Parameters
    ----------
    output
        The returned value, revived.
    splits : list of PhaseSplit
        The leaderboards of the phase.

    Returns
    -------
    list of Problem
        Everything wrong; empty when EvalAI takes the output and shows all of it.
    """
    if not isinstance(output, dict):
        return [Problem("return value", f"found {_kind(output)}, expected a dict")]
    if "result" not in output:
        return [Problem("return value", "no result: EvalAI marks the submission as failed")]
    boards = {split.split: split.leaderboard.labels for split in splits}
    problems = _judge_result(output["result"], boards)
    if "error" in output:
        shown = {split for split, _, _ in _entries(output["result"])}
        problems += _judge_error(output["error"], boards, shown)
    for key in ("submission_result", "submission_metadata"):
        problems += _strict_json(output.get(key), key)
    return problems


def _entries(value: Any) -> Iterator[Tuple[str, str, Any]]:
    """(split, where, scores) of every entry of ``result`` or ``error`` that has the right form."""
    for i, entry in enumerate(value if isinstance(value, list) else []):
        for split, scores in entry.items() if isinstance(entry, dict) else ():
            yield split, f"[{i}] {split}", scores


def _judge_form(value: Any, name: str) -> List[Problem]:
    if not isinstance(value, list):
        return [Problem(name, f"found {_kind(value)}, expected a list of dicts")]
    problems, seen = [], set()
    for i, entry in enumerate(value):
        if not isinstance(entry, dict):
            problems.append(Problem(f"{name}[{i}]", f"found {_kind(entry)}, expected a dict"))
            continue
        if len(entry) != 1:
            problems.append(
                Problem(
                    f"{name}[{i}]",
                    f"found {len(entry)} keys, expected one split: EvalAI loses all but the first",
                )
            )
        for split in entry:
            if split in seen:
                problems.append(
                    Problem(f"{name}[{i}] {split}", "the split is there twice: two rows on a board")
                )
            seen.add(split)
    return problems


def _judge_result(result: Any, boards: Mapping[str, Tuple[str, ...]]) -> List[Problem]:
    problems = _judge_form(result, "result")
    if result == []:
        problems.append(Problem("result", "empty: the submission finishes with nothing shown"))
    for split, where, scores in _entries(result):
        where = "result" + where
        labels = boards.get(split)
        if labels is None:
            problems.append(
                Problem(where, "no split of this phase: EvalAI fails the whole submission")
            )
        elif not isinstance(scores, dict):
            problems.append(Problem(where, f"found {_kind(scores)}, expected labels and numbers"))
        else:
            for label, value in scores.items():
                if label not in labels:
                    problems.append(Problem(f"{where}/{label}", "no label of the leaderboard"))
                problems += _number(value, f"{where}/{label}")
    return problems


def _judge_error(error: Any, boards: Mapping[str, Tuple[str, ...]], shown: set) -> List[Problem]:
    problems = _judge_form(error, "error")
    for split, where, bars in _entries(error):
        where = "error" + where
        labels = boards.get(split)
        if labels is None or split not in shown:
            problems.append(Problem(where, "no split of this result"))
            continue
        found: Dict[Any, Any] = bars if isinstance(bars, dict) else {}
        expected = [f"error_{label}" for label in labels]
        for name in expected:
            if name not in found:
                problems.append(
                    Problem(
                        f"{where}/{name}",
                        "missing: EvalAI answers HTTP 500 for this leaderboard, to everyone",
                    )
                )
        for name, value in found.items():
            if name not in expected:
                problems.append(Problem(f"{where}/{name}", "no label of the leaderboard"))
            problems += _number(value, f"{where}/{name}")
    return problems


def _number(value: Any, where: str) -> List[Problem]:
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return [Problem(where, f"found {_kind(value)}, expected float, int or numpy.float64")]
    if not math.isfinite(value):
        return [Problem(where, f"found {value}: EvalAI fails it and shows SQL to the participant")]
    return []


def _strict_json(value: Any, where: str) -> List[Problem]:
    if isinstance(value, dict):
        problems = [
            Problem(where, f"found a key of type {_kind(key)}, expected a string")
            for key in value
            if not isinstance(key, str)
        ]
        for key, item in value.items():
            problems += _strict_json(item, f"{where}/{key}")
        return problems
    if isinstance(value, list):
        found = [_strict_json(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return [problem for part in found for problem in part]
    if isinstance(value, Foreign):
        return [Problem(where, f"found {value.type_name}, expected JSON")]
    if isinstance(value, float) and not math.isfinite(value):
        return [Problem(where, f"found {value}, which is not JSON")]
    return []


def _kind(value: Any) -> str:
    if isinstance(value, Foreign):
        return value.type_name
    return type(value).__name__


def scores_of(output: Any, split: str) -> Optional[Dict[str, float]]:
    """The scores that EvalAI shows of an output on one split, or None."""
    for found, _, scores in _entries(output["result"]):
        if found == split:
            shown: Dict[str, float] = scores
            return shown
    return None


def error_bars_of(output: Any, split: str) -> Dict[str, float]:
    """Label -> the error bar that EvalAI keeps of an output on one split; empty if it has none."""
    for found, _, bars in _entries(output.get("error")):
        if found == split:
            return {name[len("error_") :]: value for name, value in bars.items()}
    return {}
