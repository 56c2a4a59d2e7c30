"""What the scorer's tests share: golden files, and the reference as a live oracle."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, List, Set, Tuple

import h5py
import psutil
import pytest

from evaluation_script.scorecard import Scorecard
from evaluation_script.suite import NLB21
from tests.paths import GOLDEN

Flat = Dict[Tuple[str, str], float]


def flat(result: List[Dict[str, Dict[str, float]]]) -> Flat:
    """A result list as {(split, label): score}."""
    return {
        (split, label): score
        for entry in result
        for split, scores in entry.items()
        for label, score in scores.items()
    }


def unrounded(card: Scorecard) -> Flat:
    """The host's full-precision scores, keyed like :func:`flat`."""
    groups = NLB21.groups()
    return {
        (NLB21.split(groups[name][0].board, group.bin_width_ms), groups[name][0].label_prefix + key)
        : score.value
        for name, group in card.groups.items()
        for key, score in group.scores.items()
    }  # fmt: skip


def open_descriptors() -> Counter[str]:
    """What this process has open, as far as the system tells."""
    folder = Path("/proc/self/fd")
    found = []
    for entry in folder.iterdir() if folder.exists() else ():
        try:
            found.append(str(entry.readlink()))
        except OSError:
            continue  # the listing's own
    return Counter(found)


def children() -> Set[psutil.Process]:
    """The processes that this one started, and theirs."""
    return set(psutil.Process().children(recursive=True))


@pytest.fixture(scope="session")
def golden() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def golden_json() -> Callable[[str], Any]:
    return lambda name: json.loads((GOLDEN / name).read_text())


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Path]:
    """Copy a golden submission's group(s) to a new file and let a function change them."""

    def make(change: Callable[[h5py.File], None], *groups: str, part: str = "val_c") -> Path:
        path = tmp_path / "submission.h5"
        with h5py.File(GOLDEN / f"submission_{part}.h5") as source, h5py.File(path, "w") as new:
            for group in groups or ("mc_maze_small_20",):
                source.copy(group, new)
            change(new)
        return path

    return make
