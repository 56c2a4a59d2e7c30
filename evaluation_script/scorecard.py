"""What scoring a submission gives, before anyone decides who sees which digit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

import numpy as np


@dataclass(frozen=True)
class Score:
    """A score at full precision, and its jackknife standard error if it has one."""

    value: float
    standard_error: Optional[float] = None


@dataclass
class GroupScores:
    """Scores of one dataset at one bin width.

    ``left_out`` gives a reason for every metric of the dataset that has no score.
    ``trial_log_likelihood`` and ``trial_spikes`` (eval trials,) are behind co-bps: the difference
    of two submissions' log-likelihoods, over all spikes and ln 2, is that of their co-bps.
    """

    group: str
    dataset: str
    bin_width_ms: int
    scores: Dict[str, Score] = field(default_factory=dict)
    left_out: Dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    trial_log_likelihood: Optional[np.ndarray] = None
    trial_spikes: Optional[np.ndarray] = None


@dataclass
class Scorecard:
    """A scored submission.

    ``notes`` are for the participant, ``receipt`` (docs/receipt.md) for the host.
    """

    suite: str
    phase: str
    groups: Dict[str, GroupScores] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)
    receipt: Dict[str, Any] = field(default_factory=dict)
