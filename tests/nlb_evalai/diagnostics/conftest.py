"""The five models, written and evaluated once."""

from __future__ import annotations

from typing import Dict, Tuple

import pytest

from nlb_evalai import evaluate
from nlb_evalai.diagnostics.evaluation import Evaluation
from tests.nlb_evalai.diagnostics.five_models import Files, Simulated, write_files


@pytest.fixture(scope="session")
def five(tmp_path_factory: pytest.TempPathFactory) -> Tuple[Files, Simulated]:
    return write_files(tmp_path_factory.mktemp("five"))


@pytest.fixture(scope="session")
def evaluated(five: Tuple[Files, Simulated]) -> Dict[str, Evaluation]:
    files = five[0]
    return {
        name: evaluate(path, files.truth, suite=files.suite, diagnostics=True, inputs=files.inputs)
        for name, path in files.submissions.items()
    }
