"""What scoring a submission gives, before anyone decides who sees which digit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

import numpy as np

from .suites import Phase


@dataclass(frozen=True)
class Score:
    """A score at full precision, and its jackknife standard error if it has one."""

    value: float
    standard_error: Optional[float] = None


@dataclass
class GroupScores:
    """Scores of one dataset at one bin width.

    ``left_out`` gives a reason for every metric of the dataset that has no score.
    ``per_trial`` holds, for the metrics that have them, arrays (eval trials,) from which two
    submissions can be compared trial by trial (see ``Metric.per_trial``).
    """

    group: str
    dataset: str
    bin_width_ms: int
    scores: Dict[str, Score] = field(default_factory=dict)
    left_out: Dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    per_trial: Dict[str, Dict[str, np.ndarray]] = field(default_factory=dict)


@dataclass
class Scorecard:
    """A scored submission.

    ``phase`` has nothing to hide where the truth is public, whatever the suite says of the phase.

    ``notes`` are for the participant, ``receipt`` (docs/receipt.md) for the host.
    """

    suite: str
    phase: Phase
    groups: Dict[str, GroupScores] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)
    receipt: Dict[str, Any] = field(default_factory=dict)
