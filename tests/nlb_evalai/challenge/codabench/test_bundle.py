"""The competition bundle, and what a head says for it."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any, Dict

import pytest
import yaml
from click.testing import CliRunner

from evaluation_script import suites
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.challenge.build import BundleError
from nlb_evalai.challenge.codabench.bundle import build_bundle
from nlb_evalai.challenge.codabench.compose import as_block, told_files
from nlb_evalai.challenge.codabench.offer import offer_of
from nlb_evalai.challenge.codabench.program.columns import columns
from nlb_evalai.challenge.head import HEADS, HeadError, head_of, read_head
from nlb_evalai.cli.bundle import bundle as bundle_command
from tests.paths import FINGERS


def head_with(folder: Path, **own: Any) -> Path:
    """The project's head with other words for Codabench; None takes a key away."""
    copied = shutil.copytree(HEADS / DEFAULT_SUITE.name, folder / "head")
    path = copied / "head.yaml"
    head = yaml.safe_load(path.read_text(encoding="utf-8"))
    said = {**head["codabench"], **own}
    head["codabench"] = {key: value for key, value in said.items() if value is not None}
    path.write_text(yaml.safe_dump(head), encoding="utf-8")
    return path


def days(start: str, end: str) -> Dict[str, str]:
    """The dates of a phase."""
    return {"start_date": f"{start} 00:00:00", "end_date": f"{end} 00:00:00"}


def offered(path: Path) -> Any:
    return offer_of(DEFAULT_SUITE, read_head(path, DEFAULT_SUITE))


def test_the_same_checkout_gives_the_same_bytes(own_bundle, own_truth, tmp_path):
    again = build_bundle(tmp_path / "deeper" / "again.zip", own_truth, suite=DEFAULT_SUITE)
    assert again.path.read_bytes() == own_bundle.read_bytes()
    assert again.warnings == []


def test_no_bundle_is_built_without_an_image(own_truth, tmp_path):
    head = head_with(tmp_path, docker_image=None)
    with pytest.raises(HeadError, match=r"docker_image: is missing.*has no h5py"):
        build_bundle(tmp_path / "x.zip", own_truth, suite=DEFAULT_SUITE, head=head)
    assert not (tmp_path / "x.zip").exists()


def test_a_suite_without_head_is_told_what_it_must_say(tmp_path):
    suite = suites.load(FINGERS)
    with pytest.raises(HeadError, match="the plain head of suite fingers: no head for codabench"):
        build_bundle(tmp_path / "x.zip", suite=suite)


def test_a_suite_of_ones_own_gets_its_board_and_its_program(tmp_path):
    suite = suites.load(FINGERS)
    head = tmp_path / "head.yaml"
    phases = [
        {"phase": phase.codename, **days(f"20{i}0-01-01", f"20{i}9-01-01")}
        for i, phase in enumerate(suite.phases, 2)
    ]
    head.write_text(yaml.safe_dump({"codabench": {"docker_image": "a/b:1", "phases": phases}}))
    built = build_bundle(tmp_path / "x.zip", suite=suite, head=head)
    with zipfile.ZipFile(built.path) as bundle:
        config = yaml.safe_load(bundle.read("competition.yaml"))
        program = next(name for name in bundle.namelist() if name.startswith("scoring_program"))
        with bundle.open(program) as inner, zipfile.ZipFile(inner) as files:
            assert "evaluation_script/suites/fingers.py" in files.namelist()
    keys = [column["key"] for column in config["leaderboards"][0]["columns"]]
    assert keys == [column.key for column in columns(suite)]
    assert "embedded sample" in built.warnings[-1]
    assert "never put this bundle on Codabench" in built.warnings[-1]


def test_phases_at_once_are_refused_in_words(own_truth, tmp_path):
    head = head_with(tmp_path, phases=None)
    with pytest.raises(BundleError, match=r"phase-order.*Codabench runs one phase after the other"):
        build_bundle(tmp_path / "x.zip", own_truth, suite=DEFAULT_SUITE, head=head)


def test_dates_quotas_and_time_limit_come_from_the_head(tmp_path):
    phases = [
        {"phase": "val", "end_date": "2022-01-01 00:00:00"},
        {"phase": "test", "start_date": "2022-01-02 00:00:00", "max_submissions": 7},
    ]
    head = read_head(head_with(tmp_path, phases=phases, execution_time_limit=300), DEFAULT_SUITE)
    files = told_files(DEFAULT_SUITE, head, offer_of(DEFAULT_SUITE, head))
    val, test = yaml.safe_load(files["competition.yaml"])["phases"]
    assert (val["start"], val["end"]) == ("2021-09-01 00:00:00", "2022-01-01 00:00:00")
    assert (val["max_submissions_per_day"], val["max_submissions"]) == (20, 2000)
    assert (test["max_submissions_per_day"], test["max_submissions"]) == (5, 7)
    assert {val["execution_time_limit"], test["execution_time_limit"]} == {300}
    assert "ends after 240 s" in files["pages/submission_guidelines.html"].decode()


def test_a_phase_for_each_board_has_its_own_program_and_shares_the_truth(own_truth, tmp_path):
    phases = [
        {"phase": "test", "board": board, **days(f"2030-0{i}-01", f"2030-0{i}-20")}
        for i, board in enumerate(DEFAULT_SUITE.boards(), 1)
    ]
    head = head_with(tmp_path, phases=phases)
    built = build_bundle(tmp_path / "x.zip", own_truth, suite=DEFAULT_SUITE, head=head)
    programs = [name for name in built.members if name.startswith("scoring_program")]
    assert programs == sorted(f"scoring_program-test-{b}.zip" for b in DEFAULT_SUITE.boards())
    assert [name for name in built.members if name.startswith("reference")] == [
        "reference_data-test.zip"
    ]
    with zipfile.ZipFile(built.path) as bundle:
        config = yaml.safe_load(bundle.read("competition.yaml"))
        page = bundle.read("pages/submission_guidelines.html").decode()
    assert config["phases"][1]["name"] == "Test: MC_RTT"
    assert "The phase Test: MC_RTT takes submissions with all of MC_RTT in 5 ms bins" in page


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"docker_imge": "x"}, "did you mean docker_image?"),
        ({"execution_time_limit": 30}, "expected whole seconds, 120 or more"),
        ({"phases": "test"}, "expected a list of phases"),
        ({"phases": [{"phase": "tset"}]}, "did you mean test?"),
        ({"phases": [{"phase": "test", "board": "mc_mase"}]}, "did you mean mc_maze?"),
        ({"phases": [{"phase": "test", "start": "x"}]}, "did you mean start_date?"),
        ({"phases": [{"phase": "test"}, {"phase": "test"}]}, "offer it once"),
        ({"sections": {"prices": "x.html"}}, "did you mean prizes?"),
        ({"sections": {"prizes": "nowhere.html"}}, "nowhere.html"),
    ],
)
def test_what_a_head_cannot_say_is_named(tmp_path, own, said):
    with pytest.raises(HeadError) as caught:
        offered(head_with(tmp_path, **own))
    assert said in str(caught.value)


def test_truth_that_must_not_leave_the_host_does_not_go_there(remote_head):
    with pytest.raises(HeadError, match="truth stays on your machines"):
        offered(remote_head)


def test_missing_and_wrong_truth_are_named_before_anything_is_written(own_truth, tmp_path):
    shutil.copyfile(own_truth / "val.h5", tmp_path / "test.h5")
    with pytest.raises(BundleError) as caught:
        build_bundle(tmp_path / "x.zip", tmp_path, suite=DEFAULT_SUITE)
    assert "val.h5: the ground truth of phase val is missing" in str(caught.value)
    assert "found ground truth of phase val, expected phase test" in str(caught.value)


def test_the_command_builds_it_and_push_does_not_send_it(own_truth, own_bundle, tmp_path):
    out = tmp_path / "x.zip"
    arguments = ["build", "--platform", "codabench", "--annotations", own_truth, "--out", out]
    result = CliRunner().invoke(bundle_command, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output
    assert out.read_bytes() == own_bundle.read_bytes()
    pushed = ["push", str(out), "--host-team", "1", "--repository", "a/b"]
    error = CliRunner(env={"AUTH_TOKEN": "x"}).invoke(bundle_command, pushed).exception
    assert "is a bundle for Codabench, which is uploaded on its website" in str(error)


def test_pages_are_one_block_of_html_which_markdown_leaves_alone():
    head = head_of(DEFAULT_SUITE)
    files = told_files(DEFAULT_SUITE, head, offer_of(DEFAULT_SUITE, head))
    pages = {name: text.decode() for name, text in files.items() if name.endswith(".html")}
    assert len(pages) == 4
    for name, text in pages.items():
        assert "\n\n" not in text, name
        assert text.startswith("<"), name
        assert "$" not in text, name
        assert "EvalAI" not in text.replace("nlb-evalai", ""), name
    assert "no average rank" in pages["pages/evaluation_details.html"]
    assert "complete submissions only" in pages["pages/submission_guidelines.html"]


def test_a_script_keeps_its_lines_and_dollars_as_characters():
    page = as_block("<p>a</p>\n\n<pre>x = 1\n\ny = $x</pre>\n")
    assert page == "<p>a</p>\n<pre>x = 1&#10;&#10;y = &#36;x</pre>\n"
