"""Cards as people write them: read in bounded time, judged whole, and turned into entries."""

from __future__ import annotations

import copy
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List

import hypothesis
import hypothesis.strategies as st
import pytest
import yaml
from click.testing import CliRunner, Result

from evaluation_script.scoring import score
from evaluation_script.suites import DEFAULT_SUITE
from evaluation_script.suites.suite import PublishedTruth
from evaluation_script.text import printable
from nlb_evalai.cli.site import site
from nlb_evalai.competition.cards.entries import entries_of
from nlb_evalai.competition.cards.folder import read_cards
from nlb_evalai.competition.cards.judge import judge
from nlb_evalai.competition.cards.layout import SCHEMA, dump_card, parse_card, template
from nlb_evalai.competition.cards.names import file_name, folded, free_name
from nlb_evalai.errors import ToolError
from nlb_evalai.submission.receipts import phase_of, public_receipt
from tests.nlb_evalai.competition.hostile import FILE_NAMES, HOSTILE
from tests.paths import GOLDEN, ROOT

TRUTH, SUBMISSION = GOLDEN / "target_test.h5", GOLDEN / "submission_test_b.h5"
BASE = {"schema": SCHEMA, "suite": "nlb21", "phase": "test"}


@pytest.fixture(scope="module")
def full() -> Dict[str, Any]:
    """A receipt of hidden truth, as the host has it."""
    receipt: Dict[str, Any] = json.loads(json.dumps(score(TRUTH, SUBMISSION, "test").receipt))
    return receipt


@pytest.fixture
def receipt(full: Dict[str, Any]) -> Dict[str, Any]:
    """What everyone may see of it."""
    return copy.deepcopy(public_receipt(full, phase_of(full, DEFAULT_SUITE)))


def put(folder: Path, where: str, receipt: Any = None, **values: Any) -> Path:
    path = folder / f"{where}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    team, _, method = where.partition("/")
    card = {**BASE, "team": team, "method": method, **values}
    path.write_text(yaml.safe_dump(card, allow_unicode=True), encoding="utf-8")
    if receipt is not None:
        path.with_suffix(".receipt.json").write_text(json.dumps(receipt), encoding="utf-8")
    return path


def other(receipt: Dict[str, Any], letter: str, **changed: Any) -> Dict[str, Any]:
    """The receipt as if it were of another submission."""
    made = {**copy.deepcopy(receipt), **changed}
    made["files"]["submission"]["sha256"] = letter * 64
    return made


def check(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(site, ["check", str(folder), *options])


def problems_of(result: Result) -> List[str]:
    return list(getattr(result.exception, "problems", []))


# ---- one card ---------------------------------------------------------------------------------


def test_the_template_is_a_card_and_the_docs_show_it() -> None:
    values, problems, notes = parse_card(template().encode())
    assert (problems, notes) == ([], [])
    assert values["kind"] == "single"
    assert CliRunner().invoke(site, ["check", "--template"]).output == template()
    shown = "".join(f"    {line}\n" if line else "\n" for line in template().splitlines())
    assert shown in (ROOT / "docs" / "leaderboard.md").read_text("utf-8")


def test_every_fault_of_a_card_is_told_at_once() -> None:
    text = """
schema: nlb-evalai/card/2
suite: nlb21
teem: A
method: 2
authors: Ada
kind: both
code: ftp://x
links: {Paper: javascript:alert(1), a: 1}
submitted: yesterday
description: {a: b}
source: me
"""
    _, problems, _ = parse_card(text.encode())
    assert sorted(problems) == [
        "authors: found 'Ada', expected a list of names",
        "boards is missing: an imported card has it",
        "description: found a mapping, expected what the method is, as text",
        "evalai is missing: an imported card has it",
        "found teem; did you mean team?, expected only schema, suite, phase, team, method, "
        "authors, description, kind, code, links, submitted, source, evalai, boards",
        "kind: found 'both', expected single or ensemble",
        "links/a: found 1, expected an address that begins with https:// or http://; put it in "
        "quotes",
        "links: found 'Paper', expected a short word, as paper",
        "method: found 2, expected the method's name, as text; put it in quotes",
        "phase is missing",
        "schema: found 'nlb-evalai/card/2', expected nlb-evalai/card/1",
        "source: found 'me', expected as `nlb-evalai site import` writes it",
        "submitted: found 'yesterday', expected a date, as 2026-11-26",
        "team is missing",
    ]


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "lab.edu", "//lab.edu", "https://", "https://a b.org", "file:///x",
     "https://x.org/\x1b", "http://[", "https://a@b.org:x/", " https://x.org", "data:text/html,x"],
)  # fmt: skip
def test_a_link_that_is_none_of_the_web_is_refused(address: str) -> None:
    card = {**BASE, "team": "t", "method": "m", "links": {"paper": address}, "code": address}
    _, problems, _ = parse_card(json.dumps(card).encode())
    assert len(problems) == 2
    assert all("expected an address that begins with https://" in one for one in problems)


def test_text_that_would_harm_a_reader_is_refused_in_bounded_time() -> None:
    doubling = "\n".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))
    attacks = [
        b"a0: &a0 [x, x]\n" + doubling.encode(),
        b"a: &a [*a]",
        b"[" * 60_000,
        b"{a: " * 10_000,
        b"x" * 70_000,
        b"authors: [" + b"1, " * 18_000 + b"]",
        b"team: " + b"9" * 50_000,
        b"!!python/object/apply:os.system ['id']",
        b"team: a\nteam: b",
        b"\xff\xfe",
        b"- a",
        b"null",
        b"",
    ]
    started = time.process_time()
    for content in attacks:
        _, problems, _ = parse_card(content)
        assert 1 <= len(problems) <= 51
        assert all(len(one) < 600 for one in problems)
    assert time.process_time() - started < 3


@pytest.mark.parametrize("text", [*HOSTILE, *FILE_NAMES])
def test_hostile_text_goes_through_a_card_as_text(text: str) -> None:
    text = text.replace("\ud800", "\ufffd")[:150]
    card = {**BASE, "team": f"T{text}", "method": f"M{text}", "authors": [f"A{text}"]}
    card["description"] = text
    content = dump_card(card)
    assert parse_card(content)[:2] == (card, [])
    lines = content.decode("utf-8").split("\n")
    assert lines == [printable(line) for line in lines]


def test_what_no_card_can_hold_is_not_written() -> None:
    with pytest.raises(ToolError, match="team: found 10,000 characters, expected at most 200"):
        dump_card({**BASE, "team": "x" * 10_000, "method": "m"})


@hypothesis.given(st.text(max_size=100))
@hypothesis.settings(max_examples=25, deadline=None)
def test_any_text_is_a_safe_file_name_and_any_name_goes_through_a_card(text: str) -> None:
    name = file_name(text)
    assert name == file_name(name)
    assert name == Path(name).name
    assert name == printable(name)
    assert 0 < len(name.encode()) <= 161
    assert not set(name) & set('<>:"/\\|?*')
    assert {name[0], name[-1]}.isdisjoint("-.")
    assert folded(free_name(text, {folded(name)})) != folded(name)
    card = {**BASE, "team": f"T{text}", "method": f"M{text}"}
    assert parse_card(dump_card(card))[0] == card


# ---- a folder of cards ------------------------------------------------------------------------


def test_cards_without_fault_are_said_to_be_so(tmp_path: Path, receipt: Dict[str, Any]) -> None:
    put(tmp_path, "lab/one", receipt)
    put(tmp_path, "lab/two", other(receipt, "a"), kind="ensemble")
    (tmp_path / "README.md").write_text("# Entries")
    result = check(tmp_path)
    assert result.exit_code == 0, problems_of(result)
    assert result.output.splitlines()[-1] == f"{tmp_path}: 2 cards without fault"
    assert "a receipt that was edited with care cannot be told from a true one" in result.output


def test_every_problem_of_a_folder_is_told_at_once(
    tmp_path: Path, receipt: Dict[str, Any], full: Dict[str, Any]
) -> None:
    put(tmp_path, "A/bare")
    put(tmp_path, "A/phase", other(receipt, "1", phase="val"))
    put(tmp_path, "A/rules", other(receipt, "2", rules_version="0.9"))
    put(tmp_path, "A/suite", other(receipt, "3", suite="other"))
    put(tmp_path, "A/full", other(full, "4"))
    put(tmp_path, "A/twice", receipt)
    put(tmp_path, "B/twice", receipt)
    put(tmp_path, "B/elsewhere", team="C")
    put(tmp_path, "B/card-suite", suite="other")
    put(tmp_path, "B/card-phase", phase="tset")
    put(tmp_path, "B/no-json", receipt).with_suffix(".receipt.json").write_text("{")
    digits = other(receipt, "5")
    digits["groups"]["dmfc_rsg"]["scores"]["co-bps"]["value"] = 0.123456
    put(tmp_path, "B/digits", digits)
    unknown = other(receipt, "6")
    unknown["groups"]["dmfc_rgs"] = unknown["groups"].pop("dmfc_rsg")
    put(tmp_path, "B/unknown", unknown)
    (tmp_path / "B" / "gone.receipt.json").write_text(json.dumps(receipt))
    (tmp_path / "B" / "note.yml").write_text("")
    (tmp_path / "B" / "figure.png").write_text("")
    (tmp_path / "stray.yaml").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "B")
    (tmp_path / "B" / "linked.yaml").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "B" / "pipe.yaml")
    result = check(tmp_path)
    assert result.exit_code == 1
    assert "note: B/figure.png: is neither card nor receipt" in result.output
    public = "its public form, which `nlb-evalai receipt public` writes"
    expected = "expected <team>/<method>.yaml and <team>/<method>.receipt.json"
    problems = sorted([
        "A/bare.yaml: has no receipt, so no scores; expected A/bare.receipt.json beside it",
        "A/phase.receipt.json: phase: found val, the card says test: they do not belong together",
        "A/rules.receipt.json: rules_version: found 0.9, expected "
        f"{DEFAULT_SUITE.rules_version}: scores of other rules cannot be compared; score the file "
        "again",
        "A/suite.receipt.json: suite: found other, expected nlb21: it is another benchmark's "
        "receipt",
        "A/full.receipt.json: schema: found a receipt with unrounded scores on hidden truth, "
        f"expected {public}",
        "A/twice.receipt.json, B/twice.receipt.json: are of one submission "
        f"({receipt['files']['submission']['sha256'][:12]}…), expected one card of it",
        "B: found the teams B and C, expected one in a folder",
        "B/elsewhere.yaml: has no receipt, so no scores; expected B/elsewhere.receipt.json beside "
        "it",
        "B/card-suite.yaml: suite: found other, expected nlb21",
        "B/card-phase.yaml: phase: found tset, expected val or test; did you mean test?",
        "B/no-json.receipt.json: is no JSON: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)",
        "B/digits.receipt.json: groups: found digits that no board of phase test shows, "
        "expected scores with 4 decimals, none below -1",
        "B/unknown.receipt.json: groups/dmfc_rgs: is no group of suite nlb21; did you mean "
        "dmfc_rsg?",
        "B/gone.receipt.json: belongs to no card; expected gone.yaml beside it",
        f"B/note.yml: is neither card nor receipt; {expected}",
        f"stray.yaml: is no team's folder; {expected}",
        "link: is a symbolic link, which is not followed",
        "B/linked.yaml: is a symbolic link, which is not followed",
        "B/pipe.yaml: is no plain file",
    ])  # fmt: skip
    assert sorted(problems_of(result)) == problems
    as_json = json.loads(check(tmp_path, "--json").stdout)
    assert sorted(as_json.pop("problems")) == problems
    assert len(as_json.pop("notes")) == 2
    assert as_json == {"cards": str(tmp_path), "fit": False, "checked": 2, "verified": []}


def test_names_that_coincide_are_told(tmp_path: Path, receipt: Dict[str, Any]) -> None:
    put(tmp_path, "a/one", other(receipt, "1"), team="T\u00e9am  X")
    put(tmp_path, "b/one", other(receipt, "2"), team="te\u0301am x")
    put(tmp_path, "a/two", other(receipt, "3"), team="T\u00e9am  X", method="ONE")
    result = check(tmp_path)
    ends = "whose names coincide, whatever their case and accents"
    assert problems_of(result)[0].startswith(
        "a/one.yaml (T\u00e9am  X), b/one.yaml (te\u0301am x): teams "
    )
    assert all(one.endswith(ends) for one in problems_of(result))
    methods = next(one for one in problems_of(result) if "methods" in one)
    assert "a/one.yaml (one), a/two.yaml (ONE)" in methods


def test_no_card_at_all_and_no_folder_at_all(tmp_path: Path) -> None:
    assert problems_of(check(tmp_path)) == ["found no card, expected <team>/<method>.yaml"]
    assert check(tmp_path / "none").exit_code == 2


def test_receipts_on_several_truths_are_noted(tmp_path: Path, receipt: Dict[str, Any]) -> None:
    put(tmp_path, "a/one", other(receipt, "1"))
    second = other(receipt, "2")
    second["files"]["ground_truth"]["sha256"] = "b" * 64
    put(tmp_path, "a/two", second)
    assert "note: phase test: receipts name 2 files of truth (1 on " in check(tmp_path).output


# ---- scoring again ----------------------------------------------------------------------------


def test_an_edited_receipt_is_caught_where_the_file_and_the_truth_are_there(
    tmp_path: Path, receipt: Dict[str, Any]
) -> None:
    cards = tmp_path / "cards"
    put(cards, "lab/true", receipt)
    options = ["--annotations", str(TRUTH), "--files", str(SUBMISSION.parent)]
    result = check(cards, *options)
    assert result.exit_code == 0, problems_of(result)
    assert result.output.splitlines()[-1].endswith("1 card without fault, 1 receipt scored again")
    receipt["groups"]["dmfc_rsg"]["scores"]["co-bps"]["value"] = 0.9999
    put(cards, "lab/true", receipt)
    assert check(cards).exit_code == 0
    assert check(cards, *options[:2]).exit_code == 0
    (problem,) = problems_of(check(cards, *options))
    assert problem.startswith(
        "lab/true.receipt.json: dmfc_rsg: score of co-bps: the receipt says 0.9999, found 0."
    )


# ---- entries ----------------------------------------------------------------------------------


def test_a_card_becomes_an_entry(tmp_path: Path, receipt: Dict[str, Any]) -> None:
    put(
        tmp_path, "lab/one", receipt, authors=["Ada <ada@example.org>"], kind="ensemble",
        code="https://example.org/code", links={"paper": "https://example.org/p"},
        description="What\x1b it is.", submitted="2026-11-26",
    )  # fmt: skip
    put(tmp_path, "lab/two", other(receipt, "1"), code="promised")
    put(tmp_path, "lab/bad")
    (one, two), problems = entries_of(tmp_path, DEFAULT_SUITE, "test")
    assert len(problems) == 1
    assert one.links == {"paper": "https://example.org/p", "code": "https://example.org/code"}
    assert (one.kind, one.is_code_open, one.submitted_at) == ("ensemble", True, "2026-11-26")
    assert one.authors == ("Ada <[e-mail removed]>",)
    assert (one.description, one.notes) == ("What\\x1b it is.", ())
    cell = one.scores["dmfc_rsg", 5, "co-bps"]
    said = receipt["groups"]["dmfc_rsg"]["scores"]["co-bps"]
    assert (cell.value, cell.standard_error) == (said["value"], said["standard_error"])
    assert one.receipt == receipt
    assert (
        one.origin == f"receipt of {receipt['created_at'][:10]}, rules {receipt['rules_version']}"
    )
    assert (two.kind, two.is_code_open) == ("unknown", None)
    assert two.notes == ("The team has promised to release the code.",)
    assert two.submitted_at == receipt["created_at"]
    assert {one.key, two.key} == {"lab-one", "lab-two"}


def test_scores_on_known_public_truth_keep_every_digit(
    tmp_path: Path, full: Dict[str, Any]
) -> None:
    sha256 = full["files"]["ground_truth"]["sha256"]
    known = PublishedTruth("t.h5", "test", sha256, 1, "2024", "https://example.org")
    suite = replace(DEFAULT_SUITE, published_truth=(known,))
    put(tmp_path, "lab/one", full)
    assert judge(read_cards(tmp_path), DEFAULT_SUITE).cards == []
    (entry,), problems = entries_of(tmp_path, suite, "test")
    assert problems == []
    exact = full["groups"]["dmfc_rsg"]["scores"]["co-bps"]["value"]
    assert entry.scores["dmfc_rsg", 5, "co-bps"].value == exact


def test_numbers_without_end_in_a_receipt_are_a_problem_and_no_crash(
    tmp_path: Path, receipt: Dict[str, Any]
) -> None:
    for text in ("1" + "0" * 4000, "1e400", "-1e999"):
        path = put(tmp_path, "lab/one", receipt).with_suffix(".receipt.json")
        value = receipt["groups"]["dmfc_rsg"]["scores"]["co-bps"]["value"]
        path.write_text(json.dumps(receipt).replace(f'"value": {value}', f'"value": {text}', 1))
        (problem,) = problems_of(check(tmp_path))
        assert "expected finite numbers" in problem


def test_a_receipt_with_any_value_replaced_is_judged_in_words(
    tmp_path: Path, receipt: Dict[str, Any]
) -> None:
    odd: List[Callable[[Any], Any]] = [lambda _: None, lambda _: [], lambda value: [value]]
    put(tmp_path, "lab/one", receipt)
    for path in _paths(receipt):
        for change in odd[: 1 + len(path) % 3]:
            broken = copy.deepcopy(receipt)
            below = broken
            for key in path[:-1]:
                below = below[key]
            below[path[-1]] = change(below[path[-1]])
            (tmp_path / "lab" / "one.receipt.json").write_text(json.dumps(broken))
            judged = judge(read_cards(tmp_path), DEFAULT_SUITE)
            assert bool(judged.cards) != bool(judged.problems), path


def _paths(value: Any, above: tuple[Any, ...] = ()) -> List[tuple[Any, ...]]:
    if not isinstance(value, dict):
        return []
    own = [(*above, key) for key in value]
    return own + [path for key in value for path in _paths(value[key], (*above, key))]
