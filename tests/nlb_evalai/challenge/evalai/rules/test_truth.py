"""What the annotation files may not be."""

from __future__ import annotations

import pytest
import yaml

from nlb_evalai.challenge.rules.finding import WARNING
from tests.nlb_evalai.challenge.evalai.rules.parts import Table, assert_found, drop

TABLE = Table()


@TABLE.case("truth-format", "annotations/val.h5", "no HDF5 file that can be opened")
def truth_is_no_hdf5(parts):
    parts.members["annotations/val.h5"] = b"words"


@TABLE.case("truth-format", "annotations/val.h5", "size is missing")
def malformed_pointer(parts):
    parts.config["remote_evaluation"] = True
    parts.members["annotations/val.h5"] = pointer(size=None)
    parts.members["annotations/test.h5"] = pointer(phase="test")


@TABLE.case("truth-phase", "annotations/val.h5", "holds the truth of phase 'test', expected 'val'")
def truth_of_another_phase(parts):
    parts.truth("annotations/val.h5", "test")


@TABLE.case("truth-shared", "annotations/val.h5", "is the truth of phases 'val' and 'test'")
def truth_of_two_phases(parts):
    parts.config["challenge_phases"][1]["test_annotation_file"] = "annotations/val.h5"
    parts.truth("annotations/val.h5")
    drop(parts.members, "annotations/test.h5")


@TABLE.case("pointer-unreachable", "annotations/val.h5", "has no credentials")
def pointer_for_evalais_worker(parts):
    parts.members["annotations/val.h5"] = pointer()


@TABLE.case("remote-truth", "annotations/test.h5", "run `annotations publish`")
def truth_that_must_not_leave_the_host(parts):
    parts.config["remote_evaluation"] = True
    parts.members["annotations/val.h5"] = pointer()


@TABLE.case("sample-truth", "annotations/val.h5", "the embedded sample", WARNING)
def sample_truth(parts):
    parts.truth("annotations/val.h5", "val", **sample_origin())


def pointer(**changes):
    fields = {
        "location": "s3://bucket/key",
        "sha256": "0" * 64,
        "size": 9,
        "phase": "val",
        **changes,
    }
    return yaml.dump({key: value for key, value in fields.items() if value}).encode()


def sample_origin():
    from nlb_evalai.sample import files as sample

    return {sample.ORIGIN: sample._SAMPLE}


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.change.__name__)
def test_a_broken_bundle_is_found(parts, tmp_path, case):
    assert_found(case, parts, tmp_path)
