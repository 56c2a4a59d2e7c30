"""What leaderboards, splits and phases may not be."""

from __future__ import annotations

import pytest

from nlb_evalai.challenge.rules.finding import WARNING
from tests.nlb_evalai.challenge.evalai.rules.parts import Table, assert_found, drop

TABLE = Table()


@TABLE.case("sort-ascending", "leaderboard[0].schema.metadata", "sort_ascending is missing")
def description_without_sort_ascending(parts):
    drop(parts.schema["metadata"]["vel R2"], "sort_ascending")


@TABLE.case(
    "default-order",
    "leaderboard[0].schema.default_order_by",
    "'co_bps' is none of its labels",
    breaks=["incorrect_default_order_by"],
)
def ordered_by_no_label(parts):
    parts.schema["default_order_by"] = "co_bps"


@TABLE.case("duplicate-label", "leaderboard[0].schema.labels", "'vel R2' is there twice")
def label_twice(parts):
    parts.schema["labels"].append("vel R2")


@TABLE.case("metadata-label", "leaderboard[0].schema.metadata", "'other' is no label", WARNING)
def metadata_of_no_label(parts):
    parts.schema["metadata"]["other"] = {"sort_ascending": True}


@TABLE.case(
    "meta-attribute",
    "submission_meta_attributes[0]",
    "description is missing",
    breaks=["missing_fields_in_submission_meta_attribute"],
)
def attribute_without_description(parts):
    drop(parts.phase["submission_meta_attributes"][0], "description")


@TABLE.case(
    "meta-attribute",
    "submission_meta_attributes[0].type",
    "use boolean, text, radio or checkbox",
    breaks=["invalid_submission_meta_attribute_types"],
)
def attribute_of_unknown_type(parts):
    parts.phase["submission_meta_attributes"][0]["type"] = "number"


@TABLE.case(
    "meta-options",
    "submission_meta_attributes[0]",
    "give options to choose from",
    breaks=["missing_option_in_submission_meta_attribute"],
)
def radio_without_options(parts):
    parts.phase["submission_meta_attributes"][0]["type"] = "radio"


@TABLE.case("phase-truth", "challenge_phases[0]", "the worker cannot load")
def phase_without_truth(parts):
    drop(parts.phase, "test_annotation_file")
    drop(parts.members, "annotations/val.h5")


@TABLE.case(
    "phase-split-keys",
    "challenge_phase_splits[0]",
    "leaderboard_decimal_precision is missing",
    breaks=["missing_keys_in_challenge_phase_splits"],
)
def phase_split_without_decimals(parts):
    drop(parts.split, "leaderboard_decimal_precision")


@TABLE.case(
    "visibility",
    "challenge_phase_splits[0].visibility",
    "use 1 (host only) or 3 (public)",
    breaks=["challenge_phase_split_schema_errors"],
)
def unknown_visibility(parts):
    parts.split["visibility"] = 4


@TABLE.case("visibility-two", "challenge_phase_splits[0].visibility", "2 acts like 1", WARNING)
def visibility_two(parts):
    parts.split["visibility"] = 2


@TABLE.case(
    "split-reference",
    "challenge_phase_splits[0].leaderboard_id",
    "no entry with id 99",
    breaks=["challenge_phase_split_leaderboard_not_allowed"],
)
def reference_to_nothing(parts):
    parts.split["leaderboard_id"] = 99


@TABLE.case("split-shown-twice", "challenge_phase_splits[20]", "then fails every submission")
def split_on_two_boards(parts):
    parts.config["challenge_phase_splits"].append({**parts.split, "leaderboard_id": 3})


@TABLE.case("phase-without-split", "challenge_phases[0]", "every submission fails")
def phase_shows_nothing(parts):
    splits = parts.config["challenge_phase_splits"]
    parts.config["challenge_phase_splits"] = [s for s in splits if s["challenge_phase_id"] != 1]


@TABLE.case("unused-split", "dataset_splits[10]", "no phase shows it", WARNING)
def split_nobody_sees(parts):
    extra = {"id": 11, "name": "x", "codename": "x_split"}
    parts.config["dataset_splits"].append(extra)


@TABLE.case("unused-board", "leaderboard[5]", "no phase shows it", WARNING)
def board_nobody_sees(parts):
    extra = {"id": 6, "schema": {"labels": ["a"], "default_order_by": "a"}}
    parts.config["leaderboard"].append(extra)


@TABLE.case("order-contradiction", "is_leaderboard_order_descending", "the two must differ")
def board_with_two_orders(parts):
    parts.split["is_leaderboard_order_descending"] = False


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.change.__name__)
def test_a_broken_bundle_is_found(parts, tmp_path, case):
    assert_found(case, parts, tmp_path)
