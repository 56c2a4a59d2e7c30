"""What the tests of the tools share."""

from __future__ import annotations

import pytest

from nlb_evalai.sample import SamplePaths, write_sample


@pytest.fixture(scope="session")
def sample_paths(tmp_path_factory: pytest.TempPathFactory) -> SamplePaths:
    """The embedded sample at small scale, both phases, all submissions; not to be changed."""
    return write_sample(tmp_path_factory.mktemp("sample"))
