"""Arrays as short fingerprints: bit for bit, NaN counting as one value.

Imported by the tests, and by ``make_expected.py`` in the reference's environment.
"""

from __future__ import annotations

import hashlib
from typing import Any, Dict

import numpy as np


def fingerprint(value: Any) -> Dict[str, Any]:
    """Digest of an array as it is saved (float32, int32, bool, ragged int32)."""
    if isinstance(value, list) or value.dtype == object:
        rows = [np.asarray(row, "<i4") for row in value]
        content = b"".join(row.tobytes() for row in rows)
        return {"rows": [len(row) for row in rows], "sha256": _sha256(content)}
    dtype = {"f": "<f4", "i": "<i4", "b": "|b1"}[value.dtype.kind]
    array = np.ascontiguousarray(value, dtype)
    found = {"shape": list(array.shape), "dtype": array.dtype.name}
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.float32(np.nan), array)
        found["nan"] = int(np.isnan(array).sum())
        found["sum"] = round(float(np.nansum(array, dtype=np.float64)), 3)
    return {**found, "sha256": _sha256(array.tobytes())}


def fingerprints(arrays: Dict[str, Any]) -> Dict[str, Any]:
    return {name: fingerprint(value) for name, value in sorted(arrays.items())}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
