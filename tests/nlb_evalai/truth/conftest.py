"""What the ground-truth tests share: small sessions, and what the reference makes of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List

import h5py
import numpy as np
import pytest

from nlb_evalai.truth.build import load_session
from nlb_evalai.truth.recording import Recording
from tests.paths import DATA

SESSIONS = DATA / "sessions"

#: phase -> which file of a session it is built from
VARIANT = {"val": "train", "test": "full"}


@pytest.fixture(scope="session")
def expected() -> Dict[str, Any]:
    """Fingerprints of the reference's arrays."""
    return json.loads((DATA / "ground_truth.json").read_text())


@pytest.fixture(scope="session")
def golden() -> Callable[[str, str], Dict[str, Any]]:
    """(phase, group) -> the reference's target arrays, ragged ones as lists."""

    def arrays(phase: str, group: str) -> Dict[str, Any]:
        with h5py.File(DATA / "golden" / f"target_{phase}.h5", "r") as file:
            read = {name: node[()] for name, node in file[group].items()}
        return {name: list(v) if v.dtype == object else v for name, v in read.items()}

    return arrays


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Path]:
    """A copy of a test session, changed by a function of the open file."""

    def make(session: str, edit: Callable[[h5py.File], None], name: str = "") -> Path:
        path = tmp_path / (name or f"{session}.nwb")
        shutil.copyfile(SESSIONS / f"{session}.nwb", path)
        with h5py.File(path, "r+") as file:
            edit(file)
        return path

    return make


def load(dataset: str, variant: str) -> Recording:
    return load_session(dataset, [SESSIONS / f"{dataset}_{variant}.nwb"])


def assert_same(found: Any, wanted: Any, name: str) -> None:
    """Equal bit for bit (NaN in the same places), of the same type and shape."""
    if isinstance(wanted, list):
        assert isinstance(found, list), name
        assert len(found) == len(wanted), name
        for one, other in zip(found, wanted):
            assert_same(one, other, name)
        return
    assert found.dtype == wanted.dtype, name
    np.testing.assert_array_equal(found, wanted, err_msg=name, strict=True)


def names_of(paths: List[Path]) -> List[str]:
    return sorted(path.name for path in paths)
