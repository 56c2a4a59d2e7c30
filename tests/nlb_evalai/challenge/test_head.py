"""Heads: what they leave out, and what is wrong with them, all at once."""

from __future__ import annotations

import pytest

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.challenge.head import SECTIONS, HeadError, head_of, read_head
from nlb_evalai.errors import ToolError


def read(tmp_path, text):
    path = tmp_path / "head.yaml"
    path.write_text(text)
    return read_head(path, DEFAULT_SUITE)


def test_what_a_head_leaves_out_has_a_default(tmp_path):
    head = read(tmp_path, "end_date: 2030-01-01 00:00:00\n")
    assert head.top["title"] == DEFAULT_SUITE.title
    assert head.top["published"] is False
    assert {name: phase["public"] for name, phase in head.phases.items()} == {
        "val": False,
        "test": True,
    }
    assert {phase["end_date"].year for phase in head.phases.values()} == {2030}
    assert head.sections == dict.fromkeys(SECTIONS, "")
    assert head.logo.is_file()


def test_one_phase_goes_before_every_phase(tmp_path):
    text = "every_phase: {max_submissions: 7}\nphases: {val: {max_submissions: 9, public: true}}\n"
    phases = read(tmp_path, text).phases
    assert [phases[name]["max_submissions"] for name in ("val", "test")] == [9, 7]
    assert phases["val"]["public"] is True


def test_the_packages_own_head_has_every_section():
    head = head_of(DEFAULT_SUITE)
    assert not head.is_default
    assert all(head.sections.values())


def test_all_that_is_wrong_with_a_head_is_said_at_once(tmp_path):
    (tmp_path / "latin.html").write_bytes(b"\xe9")
    text = """
leaderboard: []
logo: none.png
sections: {overveiw: a.html, prizes: none.html, terms: latin.html}
every_phase: {max_submission: 3}
phases: {tset: {public: yes please}}
"""
    with pytest.raises(HeadError) as caught:
        read(tmp_path, text)
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == [
        "sections.overveiw",
        "sections.prizes",
        "sections.terms",
        "leaderboard",
        "every_phase.max_submission",
        "phases.tset",
        "phases.tset.public",
        "logo",
    ]
    for hint in ("did you mean overview?", "did you mean max_submissions?", "did you mean test?"):
        assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: [", "no YAML"),
        ("words", "found str, expected keys and values"),
        ("phases: 3", "phases: found 3, expected keys and values"),
        ("sections: 3", "sections: found 3, expected names and files"),
    ],
)
def test_a_head_of_another_form_is_refused(tmp_path, text, message):
    with pytest.raises(ToolError, match=message):
        read(tmp_path, text)


def test_a_head_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ToolError, match=r"none\.yaml: No such file"):
        read_head(tmp_path / "none.yaml", DEFAULT_SUITE)
