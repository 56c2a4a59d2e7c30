"""The check as a whole: clean bundles, odd ones, every rule, the command, and the build."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlb_evalai.challenge.evalai.bundle import BundleError, build_bundle
from nlb_evalai.challenge.evalai.rules.registry import RULES
from nlb_evalai.challenge.evalai.rules.run import check_bundle
from nlb_evalai.challenge.rules.finding import ERROR
from nlb_evalai.cli.bundle import bundle as bundle_command
from tests.nlb_evalai.challenge.evalai.rules import (
    test_archive,
    test_boards,
    test_config,
    test_pages,
    test_script,
    test_shape,
    test_suites,
    test_truth,
)
from tests.nlb_evalai.challenge.evalai.rules.parts import CONFIG, Parts
from tests.nlb_evalai.challenge.evalai.rules.test_diff import relabel
from tests.paths import ROOT

FAMILIES = (
    test_archive,
    test_boards,
    test_config,
    test_pages,
    test_script,
    test_shape,
    test_suites,
    test_truth,
)


def test_the_projects_own_bundle_is_clean(own_bundle):
    assert check_bundle(own_bundle) == []


def test_the_bundle_the_table_starts_from_is_clean(parts, all_parts, tmp_path):
    assert check_bundle(parts.write(tmp_path / "x.zip")) == []
    assert check_bundle(all_parts.write(tmp_path / "all.zip")) == []


def test_every_rule_is_broken_by_some_bundle():
    broken = {case.code for family in FAMILIES for case in family.TABLE}
    assert set(RULES.codes()) - broken == {
        "bundle-size",  # its test writes a file of 201 MiB
        "published-truth",  # tests/nlb_evalai/truth/test_complete.py, as truth is not a toy's
        "truth-as-published",
    }


def test_what_is_no_zip_is_said(tmp_path):
    path = tmp_path / "x.zip"
    path.write_text("words")
    (finding,) = check_bundle(path)
    assert (finding.code, finding.severity) == ("bundle-zip", ERROR)


_odd = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 12), st.text(max_size=5),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.none()),
)  # fmt: skip


def places(node, path=()):
    if isinstance(node, (dict, list)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield (*path, key)
            yield from places(value, (*path, key))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_config_however_odd_stops_the_check(own_bundle, tmp_path, data):
    parts = Parts(own_bundle).light()
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(list(places(parts.config))))
        node = parts.config
        for key in path:
            node = node[key]
        node[last] = data.draw(_odd)
    for finding in check_bundle(parts.write(tmp_path / "odd.zip")):
        assert finding.location
        assert finding.message


def run(*arguments):
    return CliRunner().invoke(bundle_command, ["check", *map(str, arguments)])


def test_the_command_names_code_place_and_remedy_and_fails_on_errors(parts, tmp_path):
    parts.config["title"] = "x" * 101
    parts.config["worker_memory"] = 1
    result = run(parts.write(tmp_path / "x.zip"))
    assert result.exit_code == 1
    first, *rest = result.output.splitlines()
    assert first == "error [title-length] challenge_config.yaml: title"
    assert "shorten the title" in " ".join(line.strip() for line in rest)
    assert "1 error, 1 warning" in result.output


def test_warnings_alone_do_not_fail(parts, tmp_path):
    parts.config["worker_memory"] = 1
    assert run(parts.write(tmp_path / "x.zip")).exit_code == 0


def test_the_json_is_for_scripts(parts, own_bundle, tmp_path):
    relabel(parts)
    result = run(parts.write(tmp_path / "x.zip"), "--diff", own_bundle, "--json")
    report = json.loads(result.output)
    assert result.exit_code == 1
    assert report["fit"] is False
    assert "live-labels" in {finding["code"] for finding in report["findings"]}


def test_a_bundle_that_breaks_a_rule_is_not_built(tmp_path, own_bundle):
    ignored = shutil.ignore_patterns(".*", "tests", "build", "__pycache__")
    copied = shutil.copytree(ROOT, tmp_path / "copy", ignore=ignored)
    config = copied / CONFIG
    text = config.read_text().replace("title: Neural", "title: " + "x" * 100 + " Neural", 1)
    config.write_text(text)
    with pytest.raises(BundleError, match="title-length"):
        build_bundle(tmp_path / "out.zip", own_bundle.parent, root=copied)
    assert not (tmp_path / "out.zip").exists()
    assert list(tmp_path.glob("*.partial")) == []


def test_the_list_has_every_rule_with_its_sentence_and_needs_no_bundle():
    listed = run("--list").output.splitlines()
    told = json.loads(run("--list", "--json").output)["rules"]
    assert [line.split()[:2] for line in listed] == [[one["code"], one["severity"]] for one in told]
    assert all(one["sentence"] in line for one, line in zip(told, listed))
    assert {*RULES.codes(), "config-yaml", "live-labels"} <= {one["code"] for one in told}
    assert run().exit_code == 2
