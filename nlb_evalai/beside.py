"""Whether the scorer in use is the one that was installed beside this package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_NAME = "evaluation_script"


def namesake() -> str:
    """What is wrong where Python would take another ``evaluation_script``; empty if nothing is.

    A challenge's repository has a folder of that name, which Python takes where that repository
    comes first on its path. Nothing of it is run here, and nothing of the scorer is imported.
    """
    beside = Path(__file__).resolve().parents[1] / _NAME
    spec = importlib.util.find_spec(_NAME)
    found = Path(spec.origin).resolve().parent if spec and spec.origin else None
    if found == beside:
        return ""
    return (
        f"{_NAME}: found {found or 'none'}, expected {beside}: Python looks in the current folder, "
        "or in that of a script, first; run this from another folder, or use the command "
        "nlb-evalai, which does not look there"
    )
