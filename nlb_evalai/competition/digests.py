"""A hash of each row of the store with all that belongs to it: damage that SQLite cannot see.

SQLite notices when its pages do not fit together, not when a digit of a score has changed. So a
hash of everything that was kept of a submission is kept with it, and compared whenever the store
is opened. Rows of earlier versions have none.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Callable, List, Optional, Sequence, Tuple

#: (query, values) -> all rows
Rows = Callable[[str, Sequence[Any]], List[Tuple[Any, ...]]]

_PARTS = (
    "SELECT row_id, name, phase, submission_sha256, truth_sha256, rules_version, status, "
    "error_kind, error, source, source_version, notes, receipt, seconds FROM submissions "
    "WHERE row_id = ?",
    "SELECT dataset, bin_width_ms, metric, value, standard_error, left_out FROM scores "
    "WHERE row_id = ? ORDER BY dataset, bin_width_ms, metric",
    "SELECT dataset, bin_width_ms, nats, spikes FROM trial_log_likelihood "
    "JOIN submissions USING (row_id) "
    "LEFT JOIN trial_spikes USING (truth_sha256, dataset, bin_width_ms) "
    "WHERE row_id = ? ORDER BY dataset, bin_width_ms",
)


def digest_of(rows: Rows, row_id: int) -> str:
    """Hex SHA-256 of a submission's row, its scores and its trials."""
    parts = [rows(query, (row_id,)) for query in _PARTS]
    return hashlib.sha256(json.dumps(parts, default=_hex).encode()).hexdigest()


def _hex(blob: Any) -> str:
    return hashlib.sha256(blob).hexdigest()


def changed(rows: Rows) -> Optional[str]:
    """What was changed by other hands than the store's, in words; None if nothing was."""
    if not rows("SELECT 1 FROM sqlite_master WHERE name = 'digests'", ()):
        return None  # of an earlier version
    for row_id, sha256 in rows("SELECT row_id, sha256 FROM digests", ()):
        if digest_of(rows, row_id) != sha256:
            names = rows("SELECT name FROM submissions WHERE row_id = ?", (row_id,))
            whose = f"of submission {names[0][0]}" if names else f"number {row_id}"
            return f"the row {whose} is not what was kept"
    stray = rows(
        "SELECT current.name FROM current LEFT JOIN submissions USING (row_id) "
        "WHERE current.name IS NOT submissions.name OR current.phase IS NOT submissions.phase",
        (),
    )
    return f"what stands for submission {stray[0][0]} is another's row" if stray else None
