"""What the tests of the tools share."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.challenge.head import HEAD_NAME, HEADS
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
def remote_head(tmp_path: Path) -> Path:
    """The head of a challenge that is evaluated on the host's own machines."""
    folder = shutil.copytree(HEADS / DEFAULT_SUITE.name, tmp_path / "remote")
    head = folder / HEAD_NAME
    text = head.read_text()
    assert "remote_evaluation: false" in text
    head.write_text(text.replace("remote_evaluation: false", "remote_evaluation: true"))
    return head


@pytest.fixture
def standin() -> Iterator[Callable[..., StandIn]]:
    made: List[StandIn] = []

    def make(**options: Any) -> StandIn:
        made.append(StandIn(BOARDS, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()
