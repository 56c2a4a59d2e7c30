"""What fields of challenge_config.yaml may not be, by hand; ``test_fields`` has each in turn."""

from __future__ import annotations

import datetime

import pytest

from nlb_evalai.challenge.rules.finding import WARNING
from tests.nlb_evalai.challenge.evalai.rules.parts import (
    Table,
    assert_found,
    drop,
    rename,
)

TABLE = Table()


# ---- by hand: what EvalAI's validator has a message for -----------------------------------------


@TABLE.case(
    "config-shape", "challenge_config.yaml", "title is missing", breaks=["missing_challenge_title"]
)
def no_title(parts):
    drop(parts.config, "title")


@TABLE.case("config-shape", "", "description is missing", breaks=["missing_challenge_description"])
def no_description(parts):
    drop(parts.members, parts.config.pop("description"))


@TABLE.case(
    "config-shape", "", "evaluation_details is missing", breaks=["missing_evaluation_details"]
)
def no_details(parts):
    drop(parts.members, parts.config.pop("evaluation_details"))


@TABLE.case(
    "config-shape", "", "submission_guidelines is missing", breaks=["missing_submission_guidelines"]
)
def no_guidelines(parts):
    drop(parts.members, parts.config.pop("submission_guidelines"))


@TABLE.case(
    "config-shape", "", "evaluation_script is missing", breaks=["missing_evaluation_script_key"]
)
def no_key_for_the_script(parts):
    drop(parts.config, "evaluation_script")
    parts.script = None


@TABLE.case(
    "file-missing", "evaluation_script", "is not in the zip", breaks=["missing_evaluation_script"]
)
def no_script(parts):
    parts.script = None


@TABLE.case("config-shape", "leaderboard[5]", "id is missing", breaks=["missing_leaderboard_id"])
def board_without_id(parts):
    parts.config["leaderboard"].append({"schema": {"labels": ["a"], "default_order_by": "a"}})


@TABLE.case(
    "config-shape", "leaderboard[4]", "schema is missing", breaks=["missing_leaderboard_schema"]
)
def board_without_schema(parts):
    drop(parts.config["leaderboard"][4], "schema")


@TABLE.case(
    "config-shape",
    "leaderboard[0].schema",
    "labels is missing",
    breaks=["missing_leaderboard_labels"],
)
def board_without_labels(parts):
    drop(parts.schema, "labels")
    parts.expected_too = {"default-order", "metadata-label"}


@TABLE.case(
    "config-shape",
    "leaderboard[0].schema",
    "default_order_by is missing",
    breaks=["missing_leaderboard_default_order_by"],
)
def board_without_order(parts):
    drop(parts.schema, "default_order_by")


@TABLE.case(
    "number-range", "leaderboard[5].id", "1 to 2147483647", breaks=["leaderboard_schema_error"]
)
def board_with_an_id_of_33_bits(parts):
    board = {"id": 2**31, "schema": {"labels": ["a"], "default_order_by": "a"}}
    parts.config["leaderboard"].append(board)
    parts.expected_too = {"unused-board"}


@TABLE.case(
    "config-json",
    "leaderboard[0].schema",
    "put dates in quotes",
    breaks=["leaderboard_schema_error"],
)
def board_with_a_date(parts):
    parts.schema["since"] = datetime.date(2021, 9, 1)


@TABLE.case("config-json", "leaderboard[0].schema", "no NaN", breaks=["leaderboard_schema_error"])
def board_with_nan(parts):
    parts.schema["best"] = float("nan")


@TABLE.case("config-shape", "", "leaderboard is missing", breaks=["missing_leaderboard_key"])
def no_boards(parts):
    drop(parts.config, "leaderboard")
    parts.expected_too = {"split-reference"}


@TABLE.case("config-shape", "", "challenge_phases is missing", breaks=["missing_challenge_phases"])
def no_phases(parts):
    drop(parts.config, "challenge_phases")
    pages = ("templates/phase_val.html", "templates/phase_test.html")
    for name in (*pages, "annotations/val.h5", "annotations/test.h5"):
        drop(parts.members, name)
    parts.expected_too = {"split-reference"}


@TABLE.case(
    "config-shape",
    "challenge_phases[0]",
    "codename is missing",
    breaks=["no_codename_for_challenge_phase"],
)
def phase_without_codename(parts):
    drop(parts.phase, "codename")
    parts.truth("annotations/val.h5")


@TABLE.case("config-shape", "", "dataset_splits is missing", breaks=["missing_dataset_splits_key"])
def no_splits(parts):
    drop(parts.config, "dataset_splits")
    parts.expected_too = {"split-reference", "suite-split"}


@TABLE.case(
    "config-shape", "dataset_splits[0]", "name is missing", breaks=["missing_dataset_split_name"]
)
def split_without_name(parts):
    drop(parts.config["dataset_splits"][0], "name")


@TABLE.case(
    "config-shape",
    "dataset_splits[0]",
    "codename is missing",
    breaks=["missing_dataset_split_codename"],
)
def split_without_codename(parts):
    drop(parts.config["dataset_splits"][0], "codename")
    parts.expected_too = {"suite-split"}


@TABLE.case(
    "text-length", "dataset_splits[0].name", "at most 100", breaks=["dataset_split_schema_errors"]
)
def split_with_a_long_name(parts):
    parts.config["dataset_splits"][0]["name"] = "x" * 101


@TABLE.case(
    "text-length",
    "challenge_phases[0].name",
    "at most 100",
    breaks=["challenge_phase_schema_errors"],
)
def phase_with_a_long_name(parts):
    parts.phase["name"] = "x" * 101


@TABLE.case(
    "quota-missing",
    "challenge_phases[0]",
    "give one of them",
    breaks=["challenge_phase_schema_errors"],
)
def phase_without_quota(parts):
    drop(parts.phase, "max_submissions_per_month")
    drop(parts.phase, "max_submissions")


@TABLE.case(
    "config-shape",
    "",
    "challenge_phase_splits is missing",
    breaks=["no_key_for_challenge_phase_splits"],
)
def no_phase_splits(parts):
    drop(parts.config, "challenge_phase_splits")
    parts.expected_too = {"phase-without-split", "unused-split", "unused-board"}


@TABLE.case(
    "split-reference",
    "challenge_phase_splits[0].dataset_split_id",
    "no entry with id 99",
    breaks=["challenge_phase_split_dataset_split_not_allowed"],
)
def reference_to_no_split(parts):
    parts.split["dataset_split_id"] = 99
    parts.expected_too = {"suite-split"}


@TABLE.case(
    "duplicate-codename",
    "challenge_phases[1].codename",
    "is also that of challenge_phases[0]",
    breaks=["duplicate_codename_for_phase"],
)
def phase_codename_twice(parts):
    parts.config["challenge_phases"][1]["codename"] = "val"
    parts.truth("annotations/test.h5", "val")


@TABLE.case(
    "split-shown-twice",
    "challenge_phase_splits[20]",
    "is shown in phase 1 already",
    breaks=["duplicate_combinations_in_challenge_phase_splits"],
)
def phase_split_twice(parts):
    parts.config["challenge_phase_splits"].append(dict(parts.split))


@TABLE.case(
    "public-restricted",
    "challenge_phases[0]",
    "exclude each other",
    breaks=["is_submission_public_restricted"],
)
def public_and_restricted(parts):
    parts.phase["is_submission_public"] = True
    parts.phase["is_restricted_to_select_one_submission"] = True


@TABLE.case("config-shape", "", "start_date is missing", breaks=["missing_date"])
def challenge_without_dates(parts):
    drop(parts.config, "start_date")


@TABLE.case(
    "date-order", "challenge_config.yaml", "ends", breaks=["start_date_greater_than_end_date"]
)
def challenge_ends_before_it_starts(parts):
    parts.config["start_date"] = datetime.datetime(2100, 1, 1)
    parts.expected_too = {"phase-outside-challenge"}


@TABLE.case("date-order", "challenge_phases[0]", "letter by letter")
def dates_in_quotes_of_two_forms(parts):
    parts.phase.update(start_date="2021-09-01T00:00:00", end_date="2021-09-01 23:00:00")


@TABLE.case("date-mix", "challenge_phases[0]", "one is in quotes and one is not")
def dates_with_and_without_quotes(parts):
    parts.phase["end_date"] = "2099-12-31 23:59:59"


@TABLE.case("config-shape", "sponsors[0]", "website is missing", breaks=["sponsor_not_found"])
def sponsor_without_website(parts):
    parts.config["sponsors"] = [{"name": "A"}]


@TABLE.case("config-shape", "prizes[0]", "amount is missing", breaks=["prize_not_found"])
def prize_without_amount(parts):
    parts.config["prizes"] = [{"rank": 1, "description": "x"}]


@TABLE.case("config-shape", "prizes[0]", "keys and values")
def prize_as_text(parts):
    parts.config["prizes"] = ["1000 USD"]


@TABLE.case("prize-rank", "prizes[1].rank", "is also that of prizes[0]", breaks=["duplicate_rank"])
def two_first_prizes(parts):
    prize = {"rank": 1, "amount": "100.00USD", "description": "x"}
    parts.config["prizes"] = [prize, dict(prize)]


@TABLE.case("prize-amount", "prizes[0].amount", "as 100.00USD", breaks=["prize_amount_wrong"])
def prize_with_a_space(parts):
    parts.config["prizes"] = [{"rank": 1, "amount": "100 USD", "description": "x"}]


@TABLE.case("number-range", "prizes[0].rank", "expected 1 to", breaks=["prize_rank_wrong"])
def prize_for_rank_zero(parts):
    parts.config["prizes"] = [{"rank": 0, "amount": "100.00USD", "description": "x"}]


# ---- by hand: what no message names ------------------------------------------------------------


@TABLE.case("config-shape", "dataset_splits[0].id", "expected a whole number")
def id_as_a_float(parts):
    parts.config["dataset_splits"][0]["id"] = 1000000000.0
    parts.config["challenge_phase_splits"][0]["dataset_split_id"] = 1000000000
    parts.expected_too = {"split-reference", "unused-split", "suite-split"}


@TABLE.case("image-type", "image", "in small letters")
def logo_in_capitals(parts):
    parts.config["image"] = "logo.PNG"
    rename(parts.members, "logo.png", "logo.PNG")


@TABLE.case("worker-image", "worker_image_url", "images of its own")
def image_from_elsewhere(parts):
    parts.config["worker_image_url"] = "docker.io/python:3.9"


@TABLE.case("choice", "challenge_usage_type", "paid, internal")
def unknown_usage(parts):
    parts.config["challenge_usage_type"] = "free"


@TABLE.case("config-shape", "default_submission_meta_attributes[0].is_visible", "true or false")
def visible_as_a_list(parts):
    parts.phase["default_submission_meta_attributes"][0]["is_visible"] = [True]


@TABLE.case("text-characters", "short_description", "cannot store")
def text_with_a_nul(parts):
    parts.config["short_description"] = "a\0b"


@TABLE.case("unknown-key", r"a\x1b[2Jb", "reads no such key", WARNING)
def key_with_an_escape(parts):
    parts.config["a\x1b[2Jb"] = 1


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.change.__name__)
def test_a_broken_bundle_is_found(parts, tmp_path, case):
    assert_found(case, parts, tmp_path)
