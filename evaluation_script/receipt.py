"""The receipt: with what, from what, and to which unrounded scores a submission was scored.

The schema is described in docs/receipt.md; its version changes with its fields.
"""

from __future__ import annotations

import platform
from datetime import datetime, timezone
from typing import Any, Dict, Mapping, Optional

import h5py
import numpy as np

from .reader.sandbox import peak_memory_bytes
from .scorecard import GroupScores
from .suites import Phase, Suite

SCHEMA = "nlb-evalai/receipt/1"


def make_receipt(
    suite: Suite,
    phase: Phase,
    published_truth: Optional[str],
    groups: Mapping[str, GroupScores],
    files: Mapping[str, Mapping[str, Any]],
    rates: Mapping[str, Mapping[str, int]],
    seconds: float,
    reader: Mapping[str, Any],
) -> Dict[str, Any]:
    """Everything a host needs to re-check the scores years later, as plain JSON values.

    Parameters
    ----------
    phase : Phase
    published_truth : str, optional
        The name of the public file that the truth is, so that a score on it is never taken for one
        on hidden truth.
    files : mapping
        ``submission`` and ``ground_truth``, each with ``sha256`` and ``bytes``.
    rates : mapping
        Numbers of exact zeros, tiny and huge rates by array, where there are any.
    seconds : float
        Wall time of the whole scoring.
    reader : mapping
        Of the helper process: ``peak_bytes``, the most memory that it held, and ``walls``, which
        of ``reader.sandbox.WALLS`` stood.
    """
    return {
        "schema": SCHEMA,
        "suite": suite.name,
        "rules_version": suite.rules_version,
        "phase": phase.codename,
        "truth": {
            "is_public": phase.truth_is_public,
            "published_as": published_truth,
        },
        "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "files": {name: dict(facts) for name, facts in files.items()},
        "rates": {name: dict(counts) for name, counts in rates.items()},
        "groups": {name: _group(scores) for name, scores in groups.items()},
        "seconds": round(seconds, 3),
        "peak_memory_mib": {
            "scorer": peak_memory_bytes() >> 20,
            "reader": reader["peak_bytes"] >> 20,
        },
        "reader": {"walls": dict(reader["walls"])},
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "h5py": h5py.__version__,
            "hdf5": h5py.version.hdf5_version,
            "platform": platform.platform(),
        },
    }


def _group(scores: GroupScores) -> Dict[str, Any]:
    return {
        "dataset": scores.dataset,
        "bin_width_ms": scores.bin_width_ms,
        "seconds": round(scores.seconds, 3),
        "scores": {
            key: {"value": score.value, "standard_error": score.standard_error}
            for key, score in scores.scores.items()
        },
        "left_out": dict(scores.left_out),
    }
