"""The list of published files is whole, and agrees with the suite."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.errors import ProblemsError
from nlb_evalai.truth.known import (
    by_content,
    by_size,
    known_files,
    named,
    published_truth,
)
from tests.real_sessions import NAMES, file_name

CURRENT = [one for one in known_files() if not one.replaced]


def test_every_dataset_has_a_train_and_a_test_file_under_its_name_on_dandi() -> None:
    found = {(one.dataset, one.split): one for one in CURRENT if one.kind == "recording"}
    assert len(found) == 14
    for dataset in DEFAULT_SUITE.datasets:
        for split in ("train", "test"):
            one = found[dataset.name, split]
            assert one.file == file_name(dataset.name, split)
            assert one.page.endswith(dataset.dandiset)
            assert one.address == f"https://api.dandiarchive.org/api/assets/{one.asset}/download/"
    assert set(NAMES) == {dataset.name for dataset in DEFAULT_SUITE.datasets}


def test_names_hashes_and_sizes_are_well_formed_and_tell_files_apart() -> None:
    files = known_files()
    assert len({one.name for one in files}) == len(files)
    hashes = [one.sha256 for one in files if one.sha256]
    assert len(set(hashes)) == len(hashes)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes)
    assert [one.name for one in CURRENT if not one.sha256] == ["mc_rtt-test"]
    sizes = [one.n_bytes for one in files]
    assert len(set(sizes)) == len(sizes)
    assert all(one.what and one.version and one.licence and one.page for one in files)


def test_the_published_truth_is_found_by_suite_and_phase_and_by_its_hash() -> None:
    truth = published_truth("nlb21", "test")
    assert truth is not None
    assert truth.n_bytes == 105_927_616
    assert truth.sha256
    assert by_content(truth.sha256) is truth
    assert by_content("0" * 64) is None
    assert published_truth("nlb21", "val") is None
    assert published_truth("another", "test") is None
    media = "https://media.githubusercontent.com/media/neurallatents/nlb_tools/main/"
    assert truth.address == media + "data/eval_data_test.h5"


def test_superseded_files_are_known_by_size_and_cannot_be_had() -> None:
    gershwin = by_size(12_540_156)
    assert gershwin is not None
    assert gershwin.replaced == "replaced in November 2021, scores are not comparable"
    assert gershwin.address is None
    assert by_size(105_927_616) is None  # of that one the hash is known: its size says nothing


def test_a_name_is_a_file_or_a_dataset() -> None:
    assert [one.name for one in named(["dmfc_rsg", "test-truth", "dmfc_rsg-test"])] == [
        "dmfc_rsg-train",
        "dmfc_rsg-test",
        "test-truth",
    ]
    with pytest.raises(ProblemsError) as caught:
        named(["mc_mase", "test-truth", "x"])
    assert caught.value.problems == [
        "'mc_mase': not a known file or dataset; did you mean mc_maze?",
        "'x': not a known file or dataset",
    ]


def test_a_variable_of_the_environment_takes_the_place_of_an_archive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (one,) = named(["mc_maze-test"])
    monkeypatch.setenv("NLB_EVALAI_DANDI", "http://127.0.0.1:1/api")
    assert one.address == f"http://127.0.0.1:1/api/assets/{one.asset}/download/"
    assert one.below(Path("/data")) == Path("/data/mc_maze") / one.file
