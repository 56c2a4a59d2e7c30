"""challenge_config.yaml says what suite.py says, and avoids what EvalAI trips over."""

from __future__ import annotations

import copy
import datetime
from typing import Any, Dict

import pytest
import yaml

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.challenge.evalai.bundle import checkout_root
from nlb_evalai.challenge.evalai.config import (
    CONFIG_NAME,
    ConfigError,
    parse_challenge,
    read_challenge,
)
from nlb_evalai.challenge.evalai.replica.pins import PYTHON

CONFIG: Dict[str, Any] = yaml.safe_load((checkout_root() / CONFIG_NAME).read_text("utf-8"))


def test_phases_are_those_of_the_suite():
    found = [(phase["codename"], phase["name"]) for phase in CONFIG["challenge_phases"]]
    assert found == [(phase.codename, phase.title) for phase in DEFAULT_SUITE.phases]


def test_splits_are_those_of_the_suite_in_its_order():
    assert [split["codename"] for split in CONFIG["dataset_splits"]] == DEFAULT_SUITE.splits()


def test_leaderboards_hold_the_labels_of_the_suite_and_order_by_the_first():
    schemas = [board["schema"] for board in CONFIG["leaderboard"]]
    assert [schema["labels"] for schema in schemas] == [
        DEFAULT_SUITE.labels(board) for board in DEFAULT_SUITE.boards()
    ]
    for schema in schemas:
        assert schema["default_order_by"] == schema["labels"][0]
        assert schema["default_order_by"].endswith("co-bps")


def test_each_phase_shows_each_split_on_the_board_of_both_bin_widths():
    challenge = read_challenge(checkout_root() / CONFIG_NAME)
    for phase in challenge.phases:
        shown = {split.split: split.leaderboard.pk for split in challenge.splits_of(phase)}
        expected = {
            DEFAULT_SUITE.split(board, width): number
            for number, board in enumerate(DEFAULT_SUITE.boards(), start=1)
            for width in DEFAULT_SUITE.bin_widths_ms
        }
        assert shown == expected
    assert len(challenge.phase_splits) == len(CONFIG["challenge_phase_splits"]) == 20


def test_only_boards_of_hidden_truth_are_public_and_show_the_decimals_of_the_phase():
    challenge = read_challenge(checkout_root() / CONFIG_NAME)
    for phase in challenge.phases:
        rules = DEFAULT_SUITE.phase(phase.codename)
        for split in challenge.splits_of(phase):
            assert split.is_public == (not rules.truth_is_public)
            assert split.visibility in (1, 3)
            assert split.decimals == 4
            assert rules.score_decimals in (None, split.decimals)
            assert split.descending


@pytest.mark.parametrize("number", range(len(DEFAULT_SUITE.boards())))
def test_sort_ascending_is_given_for_every_label_and_true_where_lower_is_better(number):
    schema = CONFIG["leaderboard"][number]["schema"]
    directions = {key: entry["sort_ascending"] for key, entry in schema["metadata"].items()}
    assert directions == {
        dataset.label(metric): metric.best < 0
        for dataset in DEFAULT_SUITE.board_datasets(DEFAULT_SUITE.boards()[number])
        for metric in dataset.metrics
    }


def test_limits_of_evalai_are_kept():
    assert len(CONFIG["title"]) <= 100
    assert len(CONFIG["tags"]) <= 4
    assert "domain" not in CONFIG
    assert CONFIG["worker_python_version"] == ".".join(map(str, PYTHON))
    for dated in (CONFIG, *CONFIG["challenge_phases"]):
        assert isinstance(dated["start_date"], datetime.datetime)
        assert dated["end_date"].year == 2099


def test_each_phase_asks_for_the_method_and_for_what_prizes_need():
    for phase in CONFIG["challenge_phases"]:
        visible = {
            entry["name"]
            for entry in phase["default_submission_meta_attributes"]
            if entry["is_visible"]
        }
        assert visible == {"method_name", "method_description", "project_url", "publication_url"}
        asked = {entry["name"]: entry for entry in phase["submission_meta_attributes"]}
        assert set(asked) == {
            "Code will be released",
            "External data used",
            "Interpretability statement",
        }
        for entry in asked.values():
            assert entry["description"]
            assert entry["type"] in ("boolean", "text")


def test_every_file_that_the_config_names_is_in_the_checkout():
    challenge = read_challenge(checkout_root() / CONFIG_NAME)
    built = {challenge.evaluation_script, *(phase.annotation for phase in challenge.phases)}
    missing = [
        name
        for name in challenge.files
        if name not in built and not (checkout_root() / name).is_file()
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: [", "is not valid YAML"),
        ("just words", "found str, expected keys and values"),
        ("title: x", "challenge_phases is missing"),
        ("challenge_phases: [{id: 1, name: x}]", r"challenge_phases\[0\]: codename is missing"),
        ("challenge_phases: 3", "not laid out as a challenge: challenge_phases: found 3, expected"),
        ("challenge_phases: []", "expected a list that is not empty"),
    ],
)
def test_a_config_that_cannot_be_read_says_why(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_challenge(text)


ODD = (
    ("title", None, r"title: found None, expected text"),
    ("image", 7, r"image: found 7, expected text"),
    (
        "challenge_phases",
        "test_annotation_file",
        r"test_annotation_file: found \[\], expected text",
    ),
    ("challenge_phases", "id", r"challenge_phases\[0\]\.id: found \[\], expected a whole number"),
    ("challenge_phase_splits", "leaderboard_decimal_precision", "expected a whole number"),
    ("challenge_phase_splits", "is_leaderboard_order_descending", "expected true or false"),
    ("dataset_splits", "codename", "dataset_splits.codename: found"),
)


@pytest.mark.parametrize(("key", "odd", "message"), ODD)
def test_a_value_of_another_kind_is_named(key, odd, message):
    config = copy.deepcopy(CONFIG)
    if isinstance(config[key], list):
        config[key][0][odd] = []
    else:
        config[key] = odd
    with pytest.raises(ConfigError, match=message):
        parse_challenge(yaml.safe_dump(config))


def test_an_unknown_phase_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="found 'tset', expected one of val, test"):
        read_challenge(checkout_root() / CONFIG_NAME).phase("tset")
