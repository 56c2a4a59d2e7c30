"""The receipt: with what, from what, and to which unrounded scores a submission was scored.

The schema is described in docs/receipt.md; its version changes with its fields.
"""

from __future__ import annotations

import hashlib
import os
import platform
import threading
from datetime import datetime, timezone
from typing import Any, Dict, Mapping, Optional

import h5py
import numpy as np

from .reader.sandbox import peak_memory_bytes
from .scorecard import GroupScores
from .suite import Suite

SCHEMA = "nlb-evalai/receipt/1"
_PIECE_BYTES = 1 << 20


class FileHash:
    """SHA-256 of an open file, computed beside other work.

    Parameters
    ----------
    descriptor : int
        Open for reading; read by position, so others may use it at the same time.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._digest: Optional[str] = None
        self._error: Optional[OSError] = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="nlb-sha256", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        digest, position = hashlib.sha256(), 0
        try:
            while not self._stopped:
                piece = os.pread(self._descriptor, _PIECE_BYTES, position)
                if not piece:
                    self._digest = digest.hexdigest()
                    return
                digest.update(piece)
                position += len(piece)
        except OSError as error:
            self._error = error

    def hexdigest(self) -> str:
        """The digest; waits for it. OSError if the file could not be read."""
        self._thread.join()
        if self._digest is None:
            raise self._error or OSError("hashing was stopped")
        return self._digest

    def stop(self) -> None:
        """Give up and wait until the file is no longer read."""
        self._stopped = True
        self._thread.join()


def make_receipt(
    suite: Suite,
    phase: str,
    groups: Mapping[str, GroupScores],
    files: Mapping[str, Mapping[str, Any]],
    seconds: float,
    reader_peak_bytes: int,
) -> Dict[str, Any]:
    """Everything a host needs to re-check the scores years later, as plain JSON values.

    Parameters
    ----------
    files : mapping
        ``submission`` and ``ground_truth``, each with ``sha256`` and ``bytes``.
    seconds : float
        Wall time of the whole scoring.
    reader_peak_bytes : int
        The most memory that the helper process held.
    """
    return {
        "schema": SCHEMA,
        "suite": suite.name,
        "rules_version": suite.rules_version,
        "phase": phase,
        "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "files": {name: dict(facts) for name, facts in files.items()},
        "groups": {name: _group(scores) for name, scores in groups.items()},
        "seconds": round(seconds, 3),
        "peak_memory_mib": {
            "scorer": peak_memory_bytes() >> 20,
            "reader": reader_peak_bytes >> 20,
        },
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
