"""What challenge_config.yaml may not say."""

from __future__ import annotations

import copy
import datetime

import pytest
import yaml

from nlb_evalai.challenge.rules.finding import WARNING
from tests.nlb_evalai.challenge.evalai.rules.parts import (
    CONFIG,
    Table,
    assert_found,
    drop,
    rename,
    zipped,
)

TABLE = Table()


@TABLE.case("config-at-root", CONFIG, "found it as challenge/challenge_config.yaml")
def config_in_a_folder(parts):
    parts.members["challenge/" + CONFIG] = yaml.dump(parts.config).encode()
    parts.config = None


@TABLE.case("config-at-root", CONFIG, "it is not there", breaks=["no_yaml_file"])
def config_missing(parts):
    parts.config = None


@TABLE.case("config-yaml", CONFIG + ":2", "is not valid YAML", breaks=["yaml_file_read_error"])
def config_no_yaml(parts):
    parts.config, parts.members[CONFIG] = None, b"title: [a\n"


@TABLE.case("config-yaml", CONFIG + ":2", "'title' is given twice")
def key_twice(parts):
    parts.config, parts.members[CONFIG] = None, b"title: a\ntitle: b\n"


@TABLE.case("config-yaml", CONFIG, "expected keys and values")
def config_is_a_list(parts):
    parts.config, parts.members[CONFIG] = None, b"- a\n"


@TABLE.case("config-yaml", CONFIG, "is not UTF-8 text")
def config_not_utf8(parts):
    parts.config, parts.members[CONFIG] = None, b"title: \xff\n"


@TABLE.case(
    "config-shape",
    CONFIG,
    "terms_and_conditions is missing",
    breaks=["missing_terms_and_conditions"],
)
def required_key_missing(parts):
    name = parts.config.pop("terms_and_conditions")
    drop(parts.members, name)


@TABLE.case("config-shape", "is_public", 'found "yes"; expected true or false, without quotes')
def wrong_type(parts):
    parts.phase["is_public"] = "yes"


@TABLE.case(
    "title-length",
    "title",
    "shorten the title to at most 100",
    breaks=["challenge_metadata_schema_errors"],
)
def long_title(parts):
    parts.config["title"] = "x" * 101


@TABLE.case("tags", "tags", "at most 4 tags", breaks=["extra_tags"])
def five_tags(parts):
    parts.config["tags"] = list("abcde")


@TABLE.case("domain", "domain", "leave domain out", breaks=["wrong_domain"])
def unknown_domain(parts):
    parts.config["domain"] = "NEURO"


@TABLE.case("image-type", "image", "give a .jpg, .jpeg or .png file")
def svg_logo(parts):
    parts.config["image"] = "logo.svg"
    rename(parts.members, "logo.png", "logo.svg")


@TABLE.case("page-type", "description", "name an .html file")
def markdown_page(parts):
    parts.config["description"] = "templates/description.md"
    rename(parts.members, "templates/description.html", "templates/description.md")


@TABLE.case("script-zip", "evaluation_script", "name a .zip", breaks=["evaluation_script_not_zip"])
def script_no_zip_name(parts):
    parts.config["evaluation_script"] = "evaluation_script.tar"
    parts.members["evaluation_script.tar"] = zipped(parts.script)
    parts.script = None


@TABLE.case("worker-python", "worker_python_version", "nothing newer")
def newer_python(parts):
    parts.config["worker_python_version"] = "3.12"


@TABLE.case("worker-python", "worker_python_version", "in quotes")
def python_without_quotes(parts):
    parts.config["worker_python_version"] = 3.9


@TABLE.case("date-format", "end_date", "give date and time")
def date_without_time(parts):
    parts.config["end_date"] = "2099-12-31"


@TABLE.case(
    "config-shape",
    "challenge_phases[0]",
    "start_date is missing",
    breaks=["missing_dates_challenge_phase"],
)
def phase_without_dates(parts):
    drop(parts.phase, "start_date")


@TABLE.case(
    "date-order",
    "challenge_phases[0]",
    "ends",
    breaks=["start_date_greater_than_end_date_challenge_phase"],
)
def ends_before_it_starts(parts):
    parts.phase["start_date"], parts.phase["end_date"] = (
        "2030-01-02 00:00:00",
        "2030-01-01 00:00:00",
    )


@TABLE.case("phase-outside-challenge", "challenge_phases[0]", "the challenge is not", WARNING)
def phase_outlives_challenge(parts):
    parts.phase["end_date"] = datetime.datetime(2199, 1, 1)


@TABLE.case(
    "duplicate-id",
    "challenge_phases[2].id",
    "1 is also that of challenge_phases[0]",
)
def id_twice(parts):
    phase = {**copy.deepcopy(parts.phase), "codename": "test", "name": "Again"}
    parts.config["challenge_phases"].append(phase)
    parts.expected_too = {"duplicate-codename", "truth-shared", "truth-phase"}


@TABLE.case(
    "duplicate-codename",
    "dataset_splits[10].codename",
    "choose another",
    breaks=["duplicate_dataset_split_codename"],
)
def codename_twice(parts):
    extra = {"id": 11, "name": "x", "codename": "mc_maze_split"}
    parts.config["dataset_splits"].append(extra)
    parts.expected_too = {"unused-split"}


@TABLE.case("quotas", "max_submissions_per_month", "less than max_submissions_per_day", WARNING)
def monthly_quota_below_daily(parts):
    parts.phase["max_submissions_per_month"] = 1


@TABLE.case("submission-types", "allowed_submission_file_types", "add .h5", WARNING)
def hdf5_not_offered(parts):
    parts.phase["allowed_submission_file_types"] = ".json"


@TABLE.case("unknown-key", "submision_guidelines", "did you mean submission_guidelines?", WARNING)
def misspelled_key(parts):
    parts.config["submision_guidelines"] = "x"


@TABLE.case("ignored-key", "worker_memory", "EvalAI ignores it", WARNING)
def worker_memory(parts):
    parts.config["worker_memory"] = 4096


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.change.__name__)
def test_a_broken_bundle_is_found(parts, tmp_path, case):
    assert_found(case, parts, tmp_path)
