"""What an update of a live challenge may not change."""

from __future__ import annotations

from typing import Callable, NamedTuple, Tuple

import pytest

from nlb_evalai.challenge.evalai.rules.run import check_bundle
from tests.nlb_evalai.challenge.evalai.rules.parts import Parts


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


def drop_a_board(parts):
    del parts.config["leaderboard"][4]


def drop_a_split(parts):
    del parts.config["dataset_splits"][9]


def reorder_a_board(parts):
    parts.schema["default_order_by"] = "vel R2"


def describe_a_label(parts):
    parts.schema["metadata"]["co-bps"]["description"] = "other words"


def rename_a_split(parts):
    parts.config["dataset_splits"][0]["name"] = "Maze"


def fewer_decimals(parts):
    parts.split["leaderboard_decimal_precision"] = 2


def turn_a_board(parts):
    parts.split["is_leaderboard_order_descending"] = False


class Update(NamedTuple):
    """A change that an update may not make, and what the check must say of it."""

    change: Callable[[Parts], None]
    code: str
    message: str
    breaks: Tuple[str, ...] = ()


TABLE = [
    Update(
        relabel,
        "live-labels",
        "labels were ['co-bps', 'vel R2'",
        ("locked_leaderboard_modified",),
    ),
    Update(
        drop_a_board,
        "live-labels",
        "is gone; a live challenge keeps its leaderboards",
        ("leaderboard_deletion_after_creation",),
    ),
    Update(
        reorder_a_board,
        "live-board",
        "default_order_by was 'co-bps', found 'vel R2': it is locked",
        ("locked_leaderboard_modified",),
    ),
    Update(describe_a_label, "live-board", "metadata was", ("locked_leaderboard_modified",)),
    Update(
        new_codename,
        "live-codename",
        "codename was 'mc_maze_split', found 'maze_split'",
        ("locked_dataset_split_modified",),
    ),
    Update(
        rename_a_split,
        "live-name",
        "name was 'MC_Maze (5 ms)', found 'Maze': it is locked",
        ("locked_dataset_split_modified",),
    ),
    Update(
        drop_a_split,
        "live-codename",
        "'mc_maze_scaling_20_split' is gone",
        ("missing_existing_dataset_split_id",),
    ),
    Update(
        show_val,
        "live-visibility",
        "visibility was 1, found 3: it is locked",
        ("locked_challenge_phase_split_modified",),
    ),
    Update(
        fewer_decimals,
        "live-order",
        "leaderboard_decimal_precision was 4, found 2: it is locked",
        ("locked_challenge_phase_split_modified",),
    ),
    Update(
        turn_a_board,
        "live-order",
        "is_leaderboard_order_descending was True, found False",
        ("locked_challenge_phase_split_modified",),
    ),
    Update(
        add_a_phase_split,
        "live-phase-split",
        "can be added to an existing phase",
        ("challenge_phase_split_addition_for_existing_phase",),
    ),
    Update(add_a_phase_split, "live-new", "is new"),
    Update(drop_a_phase_split, "live-phase-split", "is gone", ("challenge_phase_split_not_found",)),
    Update(drop_a_phase, "live-codename", "'val' is gone", ("challenge_phase_not_found",)),
]


@pytest.mark.parametrize("update", TABLE, ids=lambda one: f"{one.change.__name__}-{one.code}")
def test_an_update_may_not_change_what_is_locked(own_bundle, parts, tmp_path, update):
    update.change(parts)
    new = parts.write(tmp_path / "new.zip")
    found = [finding for finding in check_bundle(new, own_bundle) if finding.code == update.code]
    assert any(update.message in finding.message for finding in found)


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
