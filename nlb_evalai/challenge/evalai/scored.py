"""What an evaluation script scores: its phases, the splits it returns, and their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Tuple

from evaluation_script.suites import Suite
from nlb_evalai.challenge.evalai.replica.child import told_of


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
