"""What an update of a live challenge may not change."""

from __future__ import annotations

import pytest

from nlb_evalai.challenge.evalai.rules.run import check_bundle


def relabel(parts):
    parts.schema["labels"][1] = "velocity"


def new_codename(parts):
    parts.config["dataset_splits"][0]["codename"] = "maze_split"


def show_val(parts):
    parts.split["visibility"] = 3


def add_a_phase_split(parts):
    parts.config["dataset_splits"].append({"id": 11, "name": "x", "codename": "x_split"})
    parts.config["challenge_phase_splits"].append({**parts.split, "dataset_split_id": 11})


def drop_a_phase_split(parts):
    del parts.config["challenge_phase_splits"][3]


def drop_a_phase(parts):
    del parts.config["challenge_phases"][0]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (relabel, "live-labels", "labels were ['co-bps', 'vel R2'"),
        (new_codename, "live-codename", "codename was 'mc_maze_split', found 'maze_split'"),
        (show_val, "live-visibility", "visibility was 1, found 3: it is locked"),
        (add_a_phase_split, "live-phase-split", "can be added to an existing phase"),
        (add_a_phase_split, "live-new", "is new"),
        (drop_a_phase_split, "live-phase-split", "is gone"),
        (drop_a_phase, "live-codename", "'val' is gone"),
    ],
)
def test_an_update_may_not_change_what_is_locked(
    own_bundle, parts, tmp_path, change, code, message
):
    change(parts)
    new = parts.write(tmp_path / "new.zip")
    findings = [finding for finding in check_bundle(new, own_bundle) if finding.code == code]
    assert any(message in finding.message for finding in findings)


def test_an_update_of_pages_truth_and_quotas_is_fine(own_bundle, parts, tmp_path):
    parts.members["templates/description.html"] = b"<p>New.</p>"
    parts.phase["max_submissions_per_day"] = 7
    parts.truth("annotations/val.h5", "val", more="x")
    assert check_bundle(parts.write(tmp_path / "new.zip"), own_bundle) == []


def test_an_unreadable_old_bundle_is_an_error_of_its_own(own_bundle, tmp_path):
    old = tmp_path / "old.zip"
    old.write_text("words")
    (finding,) = check_bundle(own_bundle, old)
    assert finding.code == "bundle-zip"
    assert "old.zip" in finding.location
