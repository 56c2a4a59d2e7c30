"""The bundle that the tables start from."""

from __future__ import annotations

import h5py
import pytest

from nlb_evalai.challenge.evalai.bundle import build_bundle
from tests.nlb_evalai.challenge.evalai.rules.parts import Parts


@pytest.fixture(scope="session")
def own_bundle(tmp_path_factory):
    """The project's own bundle, with truth that is not the sample's."""
    folder = tmp_path_factory.mktemp("own")
    for phase in ("val", "test"):
        with h5py.File(folder / f"{phase}.h5", "w") as file:
            file.attrs["phase"] = phase
    return build_bundle(folder / "own.zip", folder).path


@pytest.fixture
def parts(own_bundle):
    """The bundle's parts with little of its script, for what is about something else."""
    return Parts(own_bundle).light()


@pytest.fixture
def all_parts(own_bundle):
    """The bundle's parts."""
    return Parts(own_bundle)
