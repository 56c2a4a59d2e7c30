"""Snapshots of the scorer: golden files, probes, and the honest and hostile corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Dict

from . import corpus
from .entry import GOLDEN, evaluated


def golden(phase: str) -> Dict[str, Any]:
    """The three golden submissions of a phase."""
    return {
        part: evaluated(
            GOLDEN / f"target_{phase}.h5", GOLDEN / f"submission_{phase}_{part}.h5", phase, True
        )
        for part in "abc"
    }


def probes(folder: Path) -> Dict[str, Any]:
    """Every probe with the target that it is meant for."""
    listed = json.loads((GOLDEN / "probes.json").read_text(encoding="utf-8"))
    found = {}
    for name, probe in listed.items():
        if "submission" in probe and (GOLDEN / probe["submission"]).exists():
            target = GOLDEN / probe["target"].replace("golden_target", "target")
            found[name] = evaluated(target, GOLDEN / probe["submission"], "val")
    return found


def judged(folder: Path) -> Dict[str, Any]:
    """What ``evaluate`` says of each case of the corpus."""
    return {
        name: evaluated(case.truth, case.submission, case.phase)
        for name, case in corpus.build(folder).items()
    }


#: name of the snapshot -> what collects it, given an empty folder
SNAPSHOTS: Dict[str, Callable[[Path], Any]] = {
    "golden_val": lambda folder: golden("val"),
    "golden_test": lambda folder: golden("test"),
    "probes": probes,
    "corpus": judged,
}
