"""Stores, receipts and bundles that an earlier version wrote are read like today's."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.snapshot import compare, tools
from tests.snapshot.entry import GOLDEN, OLD, command, evaluated, lasting, succeeded

BUNDLE, SUBMISSION = OLD / "bundle.zip", OLD / "submission_val.h5"


def read(name: str) -> Any:
    return json.loads((OLD / name).read_text(encoding="utf-8"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A copy: SQLite writes beside what it reads."""
    return shutil.copyfile(OLD / "results.sqlite", tmp_path / "results.sqlite")


def test_an_old_store_gives_the_award_and_report_that_it_gave(tmp_path: Path) -> None:
    compare.assert_unchanged("old_store", tools.old_store, tmp_path)


def _without_news(value: Any) -> Any:
    """What today's receipts and notes have besides."""
    if isinstance(value, dict):
        news = ("rules_version", "rates", "truth")
        return {key: _without_news(one) for key, one in value.items() if key not in news}
    if isinstance(value, list):
        return [_without_news(one) for one in value if "EvalAI shows no error bars" not in str(one)]
    return value


def _only_bars_of_new_rules_differ(found: Any, old: Any) -> None:
    """Rules 1.2 changed the error bars of psth R2 and of mc_rtt, and no score."""
    lines = list(compare.differences(_without_news(found), _without_news(old)))
    bar = re.compile(r"[^:]*(psth R2|mc_rtt)[^:]*(standard_error|\[1\]): found ")
    assert lines
    assert [line for line in lines if not bar.match(line)] == []


def test_what_an_old_store_holds_is_scored_again_by_new_rules_alone(store: Path) -> None:
    truth = ["--phase", "test", "--annotations", GOLDEN / "target_test.h5"]
    before = tools.contents(store)
    again = shutil.copyfile(GOLDEN / "submission_test_a.h5", store.with_name("1.h5"))
    ran = succeeded("score", again, *truth, "--store", store, "--workers", 1)
    assert "1 scored, 0 failed, 0 there already" in ran.out
    after = tools.contents(store)
    _only_bars_of_new_rules_differ(after, before)
    ran = succeeded("score", again, *truth, "--store", store, "--workers", 1)
    assert "0 scored, 0 failed, 1 there already" in ran.out
    assert tools.contents(store) == after


def test_an_old_receipt_keeps_to_todays_schema() -> None:
    schema = resources.files("nlb_evalai.submission").joinpath("receipt-1.json").read_text("utf-8")
    jsonschema.Draft202012Validator(json.loads(schema)).validate(read("receipt.json"))


def test_an_old_receipt_can_be_checked_with_its_files(tmp_path: Path) -> None:
    """The truth of the old bundle and the old submission give the old receipt."""
    with zipfile.ZipFile(BUNDLE) as archive:
        truth = Path(archive.extract("annotations/val.h5", tmp_path))
    found = evaluated(truth, SUBMISSION, "val", files=True)
    expected = lasting(read("receipt.json"), files=True)
    _only_bars_of_new_rules_differ(found["submission_metadata"], expected)
    result = {split: scores for row in read("result.json") for split, scores in row.items()}
    assert list(compare.differences(found["result"], result)) == []


def test_an_old_bundle_is_fit_and_runs_with_its_own_scorer(tmp_path: Path) -> None:
    ran = command("bundle", "check", BUNDLE, "--json")
    assert ran.code == 0, ran.out
    found = {finding["code"] for finding in json.loads(ran.out)["findings"]}
    assert found == {"sample-truth", "suite-unknown"}
    options = ["--bundle", BUNDLE, "--submission", SUBMISSION, "--phase", "val"]
    succeeded("dry-run", *options, "--keep", tmp_path)
    [kept] = (tmp_path / "val").iterdir()
    found = json.loads((kept / "result.json").read_text(encoding="utf-8"))
    assert list(compare.differences(found, read("result.json"))) == []


def test_an_update_of_an_old_bundle_by_todays_is_compared(tmp_path: Path) -> None:
    new = tmp_path / "new.zip"
    succeeded("bundle", "build", "--out", new)
    ran = command("bundle", "check", new, "--diff", BUNDLE, "--json")
    assert [f for f in json.loads(ran.out)["findings"] if f["code"].startswith("live-")] == []
