"""The bundle that the tables start from."""

from __future__ import annotations

import copy
from pathlib import Path

import h5py
import pytest

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.challenge.codabench.bundle import build_bundle
from tests.nlb_evalai.challenge.codabench.parts import Parts


@pytest.fixture(scope="session")
def own_truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Truth that is not the sample's, and very small."""
    folder = tmp_path_factory.mktemp("codabench")
    for phase in ("val", "test"):
        with h5py.File(folder / f"{phase}.h5", "w") as file:
            file.attrs["phase"] = phase
            for group in DEFAULT_SUITE.groups():
                file.create_group(group)
    return folder


@pytest.fixture(scope="session")
def own_bundle(own_truth: Path) -> Path:
    """The project's own bundle."""
    return build_bundle(own_truth / "own.zip", own_truth, suite=DEFAULT_SUITE).path


@pytest.fixture(scope="session")
def _light(own_bundle: Path) -> Parts:
    return Parts(own_bundle).light()


@pytest.fixture
def parts(_light: Parts) -> Parts:
    """Its parts with little of its scorer, for what is about something else."""
    return copy.deepcopy(_light)
