"""What the tests of the tools share."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.challenge.evalai.bundle import checkout_root
from nlb_evalai.challenge.evalai.config import CONFIG_NAME
from nlb_evalai.sample.files import SamplePaths, write_sample
from tests.nlb_evalai.remote.standin import StandIn

BOARDS = {
    DEFAULT_SUITE.split(board, width): [
        dataset.label(metric)
        for dataset in DEFAULT_SUITE.board_datasets(board)
        for metric in dataset.metrics
    ]
    for board in DEFAULT_SUITE.boards()
    for width in DEFAULT_SUITE.bin_widths_ms
}


@pytest.fixture(scope="session")
def sample_paths(tmp_path_factory: pytest.TempPathFactory) -> SamplePaths:
    """The embedded sample at small scale, both phases, all submissions; not to be changed."""
    return write_sample(tmp_path_factory.mktemp("sample"), DEFAULT_SUITE)


@pytest.fixture
def remote_root(tmp_path: Path) -> Path:
    """A checkout whose challenge is evaluated on the host's own machines."""
    ignored = shutil.ignore_patterns(".*", "tests", "build", "__pycache__")
    root = shutil.copytree(checkout_root(), tmp_path / "remote", ignore=ignored)
    config = root / CONFIG_NAME
    text = config.read_text()
    assert "remote_evaluation: false" in text
    config.write_text(text.replace("remote_evaluation: false", "remote_evaluation: true"))
    return root


@pytest.fixture
def standin() -> Iterator[Callable[..., StandIn]]:
    made: List[StandIn] = []

    def make(**options: Any) -> StandIn:
        made.append(StandIn(BOARDS, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()
