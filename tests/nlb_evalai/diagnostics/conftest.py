"""The five models, written once."""

from __future__ import annotations

from typing import Tuple

import pytest

from tests.nlb_evalai.diagnostics.five_models import Files, Simulated, write_files


@pytest.fixture(scope="session")
def five(tmp_path_factory: pytest.TempPathFactory) -> Tuple[Files, Simulated]:
    return write_files(tmp_path_factory.mktemp("five"))
