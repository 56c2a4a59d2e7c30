"""Scores equal the reference's: on golden files, and on fresh data with the reference run live."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import h5py
import numpy as np
import pytest
from nlb_tools.evaluation import evaluate as reference_evaluate

from evaluation_script import evaluate
from evaluation_script.scoring import score
from evaluation_script.suites import DEFAULT_SUITE
from tests.evaluation_script.conftest import flat, unrounded

PARTS = ("a", "b", "c")


def assert_equal(found: dict, expected: dict) -> None:
    assert set(found) == set(expected)
    worst = max((abs(found[key] - expected[key]), key) for key in expected)
    assert worst[0] <= 1e-9, worst


def test_val_result_equals_golden_scores_at_full_precision(
    golden: Path, golden_json: Callable[[str], Any]
) -> None:
    found = {}
    for part in PARTS:
        answer = evaluate(golden / "target_val.h5", golden / f"submission_val_{part}.h5", "val")
        found.update(flat(answer["result"]))
    assert_equal(found, flat(golden_json("scores_val.json")))


def test_test_receipt_equals_golden_scores_and_result_is_rounded(
    golden: Path, golden_json: Callable[[str], Any]
) -> None:
    found, shown = {}, {}
    for part in PARTS:
        paths = golden / "target_test.h5", golden / f"submission_test_{part}.h5"
        found.update(unrounded(score(*paths, "test")))
        shown.update(flat(evaluate(*paths, "test")["result"]))
    assert_equal(found, flat(golden_json("scores_test.json")))
    assert shown == {key: round(value, 4) for key, value in found.items()}


@pytest.mark.parametrize("phase", ["val", "test"])
def test_every_split_comes_in_the_references_order(
    golden: Path, golden_json: Callable[[str], Any], tmp_path: Path, phase: str
) -> None:
    whole = tmp_path / "all.h5"
    with h5py.File(whole, "w") as new:
        for part in PARTS:
            with h5py.File(golden / f"submission_{phase}_{part}.h5") as source:
                for group in source:
                    source.copy(group, new)
    result = evaluate(golden / f"target_{phase}.h5", whole, phase)["result"]
    expected = golden_json(f"scores_{phase}.json")
    assert [list(entry) for entry in result] == [list(entry) for entry in expected]
    assert [list(entry) for entry in result] == [[split] for split in DEFAULT_SUITE.splits()]
    for entry, reference in zip(result, expected):
        for split, scores in reference.items():
            assert list(entry[split]) == list(scores)
            assert all(type(value) is float for value in entry[split].values())


@pytest.mark.parametrize("phase", ["val", "test"])
@pytest.mark.parametrize("model", ["true", "smoothing", "mean"])
def test_scores_equal_the_live_reference_on_simulated_sessions(
    simulated: Path, phase: str, model: str
) -> None:
    target = simulated / "annotations" / f"{phase}.h5"
    submission = simulated / "submissions" / phase / f"{model}.h5"
    expected = {
        key: value
        for key, value in flat(reference_evaluate(str(target), str(submission))).items()
        if np.isfinite(value)
    }
    assert_equal(unrounded(score(target, submission, phase)), expected)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from nlb_evalai.sample.files import write_sample

    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, DEFAULT_SUITE)
    return folder
