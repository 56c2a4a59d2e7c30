"""Every rule for a competition bundle, with a bundle that breaks it."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import pytest
from click.testing import CliRunner

from nlb_evalai.challenge.codabench.rules.registry import RULES
from nlb_evalai.challenge.codabench.rules.run import check_bundle
from nlb_evalai.cli.bundle import bundle as bundle_command
from tests.nlb_evalai.challenge.codabench import broken_files  # noqa: F401 (adds to the table)
from tests.nlb_evalai.challenge.codabench.broken import TABLE
from tests.nlb_evalai.challenge.codabench.parts import OTHER_PROGRAM


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.change.__name__)
def test_a_broken_bundle_is_found(parts, tmp_path, one):
    one.change(parts)
    findings = check_bundle(parts.write(tmp_path / "broken.zip"))
    assert {finding.code for finding in findings} == {one.code, *one.too}, findings
    found = [f for f in findings if f.code == one.code and one.where in f.location]
    assert any(one.message in finding.message for finding in found), findings
    assert {finding.severity for finding in found} == {one.severity}


def test_every_rule_is_broken_by_some_bundle():
    assert set(RULES.codes()) - {one.code for one in TABLE} == {
        "damaged-member",  # the same check as EvalAI's, whose tests flip a byte and repeat a name
        "duplicate-member",
        "published-truth",  # tests/nlb_evalai/truth/test_complete.py, as truth is not a toy's
        "truth-as-published",
    }
    assert len(TABLE) > 60


def test_the_projects_own_bundle_is_clean_whole_and_with_little_of_its_scorer(
    own_bundle, parts, tmp_path
):
    assert check_bundle(own_bundle) == []
    assert check_bundle(parts.write(tmp_path / "light.zip")) == []


def test_what_cannot_be_opened_is_said(parts, tmp_path):
    broken = tmp_path / "x.zip"
    broken.write_text("words")
    assert [one.code for one in check_bundle(broken)] == ["bundle-zip"]
    parts.text = "title: [unclosed"
    assert [one.code for one in check_bundle(parts.write(broken))] == ["config-yaml"]
    parts.config = None
    parts.members["folder/competition.yaml"] = b"version: 2"
    (finding,) = check_bundle(parts.write(broken))
    assert finding.code == "config-at-root"
    assert "found it as folder/competition.yaml" in finding.message


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(bundle_command, ["check", *map(str, arguments)])


def test_the_command_sees_whose_bundle_it_is(parts, own_bundle, tmp_path):
    assert run(own_bundle).exit_code == 0
    parts.column["sorting"] = "asc"
    result = run(parts.write(tmp_path / "x.zip"), "--json")
    assert result.exit_code == 1
    assert [one["code"] for one in json.loads(result.output)["findings"]] == ["suite-column"]
    parts.config = None
    parts.members["folder/competition.yaml"] = b"version: 2"
    assert "competition.yaml" in run(parts.write(tmp_path / "x.zip")).output


def test_the_rules_of_each_platform_are_listed():
    told = json.loads(run("--list", "--platform", "codabench", "--json").output)["rules"]
    assert {*RULES.codes()} <= {one["code"] for one in told}
    assert "suite-split" not in {one["code"] for one in told}
    assert run("--platform", "codabench", __file__).exit_code == 2


def test_odd_values_stop_no_rule(parts, tmp_path):
    keys = ("pages", "tasks", "phases", "leaderboards", "image", "terms")
    before = parts.config
    for odd in (None, 7, {}, [7], [{"index": "x", "tasks": 7, "columns": [[1]]}]):
        for chosen in ((one,) for one in keys) if isinstance(odd, list) else [keys]:
            parts.config = {**before, **dict.fromkeys(chosen, odd)}
            findings = check_bundle(parts.write(tmp_path / "odd.zip"))
            assert all(finding.location and finding.message for finding in findings)


def test_programs_of_a_bundle_are_only_read(parts, tmp_path):
    trap = tmp_path / "ran"
    parts.inner[OTHER_PROGRAM]["score.py"] = f"open({str(trap)!r}, 'w')".encode()
    check_bundle(parts.write(tmp_path / "x.zip"))
    assert not trap.exists()
    assert zipfile.is_zipfile(tmp_path / "x.zip")
