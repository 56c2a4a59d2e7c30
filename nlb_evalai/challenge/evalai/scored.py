"""What an evaluation script scores: its phases, the splits it returns, and their labels."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple

from evaluation_script import suites
from evaluation_script.suites import Suite
from nlb_evalai.challenge.evalai.replica.child import told_of

#: the suites of the package that is installed here
SUITES_FOLDER = Path(suites.__file__).parent


@dataclass(frozen=True)
class Scored:
    """What is asked of a suite, here or where a stranger's runs: plain names.

    ``splits`` gives the labels of each split.
    """

    suite: str
    phases: Tuple[str, ...]
    splits: Mapping[str, Tuple[str, ...]]


def scored_by(suite: Suite) -> Scored:
    """What a suite of this process scores."""
    return from_answer(told_of(suite))


def from_answer(answer: Mapping[str, Any]) -> Scored:
    """The same as ``replica.child`` tells it."""
    return Scored(
        suite=answer["suite"],
        phases=tuple(answer["phases"]),
        splits={split: tuple(labels) for split, labels in answer["splits"].items()},
    )


def suite_file(suite: Suite) -> Path:
    """The module that a suite stands in: of the package, or a file of one's own."""
    module = sys.modules[f"{suites.__name__}.{suite.name}"]
    assert module.__file__ is not None
    return Path(module.__file__)


def in_package(suite: Suite) -> bool:
    """Whether a suite is the package's own, and not loaded from another file."""
    return suite_file(suite).parent == SUITES_FOLDER


def script_modules(suite: Suite) -> Dict[str, bytes]:
    """Path in an evaluation script -> content of every module that a suite is made of."""
    paths = {*SUITES_FOLDER.glob("*.py"), suite_file(suite)}
    return {f"suites/{path.name}": path.read_bytes() for path in sorted(paths)}
