"""Bundles that are not of the suite that they score, and suites that are strangers'."""

from __future__ import annotations

import pytest

from evaluation_script import suites
from nlb_evalai.challenge.evalai.bundle import build_bundle
from nlb_evalai.challenge.evalai.rules.run import check_bundle
from nlb_evalai.challenge.rules.finding import WARNING
from tests.nlb_evalai.challenge.evalai.rules.parts import Parts, Table, assert_found, drop
from tests.paths import FINGERS

TABLE = Table()


@TABLE.case("suite-phase", "challenge_phases[0].codename", "scores only val and test")
def phase_nobody_scores(parts):
    parts.phase["codename"] = "dev"
    parts.truth("annotations/val.h5", "dev")


@TABLE.case("suite-split", "challenge_phases[0]", "does not show mc_rtt_20_split")
def split_not_shown(parts):
    splits = parts.config["challenge_phase_splits"]
    parts.config["challenge_phase_splits"] = [
        s for s in splits if (s["challenge_phase_id"], s["dataset_split_id"]) != (1, 4)
    ]


@TABLE.case("suite-label", "challenge_phase_splits[2].leaderboard_id", "scores mc_rtt_split with")
def label_nobody_scores(parts):
    schema = parts.config["leaderboard"][1]["schema"]
    schema["labels"].append("psth R2")


@TABLE.case("truth-suite", "annotations/val.h5", "the truth of suite 'other'")
def truth_of_a_suite_that_is_not_there(parts):
    parts.truth("annotations/val.h5", "val", suite="other")
    parts.truth("annotations/test.h5", "test", suite="other")
    parts.expected_too = ("suite-unknown",)


@TABLE.case("suite-unknown", "evaluation_script.zip", "give its file with --suite FILE.py", WARNING)
def suite_that_is_not_quite_ours(parts):
    parts.script["suites/nlb21.py"] += b"\n"
    drop(parts.config["dataset_splits"][0], "codename")  # told without a suite
    parts.expected_too = ("config-shape",)


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.change.__name__)
def test_a_broken_bundle_is_found(parts, tmp_path, case):
    assert_found(case, parts, tmp_path)


@pytest.fixture(scope="module")
def of_fingers(tmp_path_factory):
    """A bundle of a suite of one's own, with its sample."""
    suite = suites.load(FINGERS)
    return build_bundle(tmp_path_factory.mktemp("fingers") / "fingers.zip", suite=suite).path


def codes(*arguments, **options):
    return {finding.code for finding in check_bundle(*arguments, **options)}


@pytest.mark.parametrize("name", ["fingers", "nlb21"])
def test_a_strangers_suite_is_never_imported(of_fingers, own_bundle, tmp_path, name):
    """Its module would write a file; neither a new name nor that of our own suite makes it run."""
    trap = tmp_path / "ran"
    parts = Parts(of_fingers if name == "fingers" else own_bundle)
    writes = f"open({str(trap)!r}, 'w').close()\n".encode()
    for module in ("suites/__init__.py", f"suites/{name}.py", "__init__.py"):
        parts.script[module] = writes + parts.script[module]
    found = codes(parts.write(tmp_path / "x.zip"))
    assert not trap.exists()
    assert "suite-unknown" in found


def test_a_bundle_of_ones_own_suite_is_clean_with_its_file(of_fingers):
    assert codes(of_fingers, suite=suites.load(FINGERS)) == {"sample-truth"}


def test_ones_own_suite_must_be_the_one_in_the_bundle(of_fingers, tmp_path):
    parts = Parts(of_fingers)
    parts.script["suites/fingers.py"] += b"# another version\n"
    parts.config["leaderboard"][0]["schema"]["labels"].append("x")
    path = parts.write(tmp_path / "x.zip")
    assert codes(path, suite=suites.load(FINGERS)) == {"sample-truth", "suite-unknown"}


def test_a_bundle_of_ones_own_suite_is_held_against_it(of_fingers, tmp_path):
    parts = Parts(of_fingers)
    parts.config["leaderboard"][0]["schema"]["labels"].append("x")
    path = parts.write(tmp_path / "x.zip")
    assert codes(path, suite=suites.load(FINGERS)) == {"sample-truth", "suite-label"}
