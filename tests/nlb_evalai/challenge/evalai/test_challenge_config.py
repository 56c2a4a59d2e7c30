"""challenge_config.yaml says what suite and head say, and avoids what EvalAI trips over."""

from __future__ import annotations

import copy
import datetime
import json
import re
from dataclasses import replace
from typing import Any, Dict

import pytest
import yaml

from evaluation_script import suites
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.challenge.evalai.compose import challenge_files
from nlb_evalai.challenge.evalai.config import (
    CONFIG_NAME,
    ConfigError,
    parse_challenge,
    read_challenge,
)
from nlb_evalai.challenge.evalai.replica.pins import PYTHON
from nlb_evalai.challenge.head import head_of
from tests.paths import FINGERS, ROOT
from tests.snapshot.compare import SNAPSHOTS

CONFIG: Dict[str, Any] = yaml.safe_load((ROOT / CONFIG_NAME).read_text("utf-8"))


def test_the_committed_files_are_what_make_challenge_writes():
    made = challenge_files(DEFAULT_SUITE, head_of(DEFAULT_SUITE))
    committed = {path.relative_to(ROOT).as_posix() for path in (ROOT / "templates").iterdir()}
    assert {name for name in made if "/" in name} == committed
    for name, content in made.items():
        assert (ROOT / name).read_bytes() == content, f"{name}: run make challenge"


def test_the_config_says_what_the_live_challenge_was_made_with():
    pinned = json.loads((SNAPSHOTS / "pages.json").read_text("utf-8"))[CONFIG_NAME]
    plain = json.dumps(CONFIG, default=lambda value: f"{type(value).__name__} {value}")
    assert json.loads(plain) == pinned


def test_its_first_lines_say_where_to_edit():
    text = (ROOT / CONFIG_NAME).read_text("utf-8").partition("\n\n")[0]
    assert "make challenge" in text
    for path in re.findall(r"#   (\S+/\S*):", text):
        assert (ROOT / path).exists(), path
    assert "heads/nlb21/head.yaml" in text


def test_the_config_of_another_suite_holds_its_phases_boards_and_directions():
    suite = suites.load(FINGERS)
    backwards = type("Backwards", (suite.ranked_by,), {"key": "less", "best": -1.0, "summary": ""})
    squeezes = replace(suite.datasets[1], metrics=(backwards, suite.ranked_by))
    odd = replace(suite, title="A: b\n# c", datasets=(suite.datasets[0], squeezes))
    odd = replace(odd, ranked_by=backwards)
    config = yaml.safe_load(challenge_files(odd, head_of(odd))[CONFIG_NAME])
    assert config["title"] == odd.title
    assert [p["codename"] for p in config["challenge_phases"]] == ["practice", "qualifier", "final"]
    assert [s["codename"] for s in config["dataset_splits"]] == odd.splits()
    shown = config["challenge_phase_splits"]
    assert [s["visibility"] for s in shown] == [1] * 4 + [3] * 8
    assert [s["leaderboard_decimal_precision"] for s in shown] == [4] * 4 + [3] * 8
    assert [s["is_leaderboard_order_descending"] for s in shown[:4]] == [True, True, False, False]
    schema = config["leaderboard"][1]["schema"]
    assert schema["labels"] == ["less", "co-bps"]
    assert schema["default_order_by"] == "less"
    assert schema["metadata"]["less"] == {
        "sort_ascending": True,
        "description": "co-smoothing (best -1)",
    }


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
    challenge = read_challenge(ROOT / CONFIG_NAME)
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
    challenge = read_challenge(ROOT / CONFIG_NAME)
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
    challenge = read_challenge(ROOT / CONFIG_NAME)
    built = {challenge.evaluation_script, *(phase.annotation for phase in challenge.phases)}
    missing = [
        name for name in challenge.files if name not in built and not (ROOT / name).is_file()
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
        read_challenge(ROOT / CONFIG_NAME).phase("tset")
