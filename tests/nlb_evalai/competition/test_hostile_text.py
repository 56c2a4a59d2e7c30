"""What strangers wrote goes through export, award, tables and terminal, and stays text."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Dict, List

import pytest

from evaluation_script.text import printable
from nlb_evalai.competition.award.explain import cell, sentence
from nlb_evalai.competition.award.export import read_export
from nlb_evalai.tables import as_written
from tests.nlb_evalai.competition.conftest import of_csv
from tests.nlb_evalai.competition.hostile import HOSTILE as EVERYWHERE
from tests.nlb_evalai.competition.test_award import CODE, HEADER, IN_TIME, fill, run

#: besides what pages are tried with
MORE = [
    # scripts of the world, which are to stay as they are
    "Ünïcödé", "Мозг", "뇌", "עצבים", "สมอง", "نورون\u200cها",
    # places of other text, and other markup
    "{0}", "{1}", "{#0}", "{team}", "\\1 \\g<0>", "\\x1b", "[red]x[/]", "`code` **bold** _it_",
    "$x$ ~~gone~~", "| a | b |",
    # formulas, and what looks like one that was made harmless
    "'=1+1", "\uff1d1+1", "-2+3", "@x",
    # what a terminal, a reader of lines or a reader of CSV acts on
    "a\x1b]0;title\x07", "a\x9b2J", "a\rb", "a\nerror: b", "a\tb", "a\0b", "a\u2028b", "a\u2029b",
    "a\x85b", "a\x0bb\x0cc", "a\x1cb\x1dc\x1ed", '"""', "'", "a,b;c", "\\", "NULL", "nan",
    # what cannot be seen
    "a\u202eb", "a\u2066b\u2069", "a\u200bb", "a\ufeffb", "a\u00adb", "a\U000e0041b",
]  # fmt: skip
#: as cells of a file in UTF-8 hold them; spaces at the ends of a cell are no part of a name
HOSTILE: List[str] = list(
    dict.fromkeys(
        text.strip() for text in (*EVERYWHERE, *MORE) if text.strip() and "\ud800" not in text
    )
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten scored entries, by teams of hostile names in turn, and an unscored one of each other."""
    folder = tmp_path_factory.mktemp("hostile")
    fill(folder / "results.sqlite")
    listed: List[Any] = [(*HEADER, "Method Description")]
    for i, text in enumerate(HOSTILE, 1):
        facts = ("Test", "finished", "https://x.org/f.h5", IN_TIME, text, text, text, CODE, text)
        listed.append((str(i), text, text, f"p{i}@x.org", *facts))
    of_csv(folder / "entries.csv", listed)
    of_csv(folder / "overrides.csv", [("team", "action", "reason")] + [
        (text, "code released", text) for text in HOSTILE
    ])  # fmt: skip
    of_csv(folder / "judges.csv", [("team", "judge", "criterion", "score")] + [
        (text, text, "usability", i % 10) for i, text in enumerate(HOSTILE)
    ])  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def said(folder: Path) -> str:
    result = run(folder)
    assert result.exit_code == 0, result.output
    return str(result.output)


@pytest.fixture(scope="module")
def award(folder: Path, said: str) -> Dict[str, Any]:
    found: Dict[str, Any] = json.loads((folder / "award" / "award.json").read_text("utf-8"))
    return found


def is_visible(text: str) -> bool:
    return all(char.isprintable() or char in "\u200c\u200d\u3000" for char in text)


def test_every_name_is_one_team_of_its_own(folder: Path, award: Dict[str, Any]) -> None:
    assert len(HOSTILE) >= 80
    teams = {one["id"]: one["team"] for one in award["entries"]}
    assert len(set(teams.values())) == len(HOSTILE)
    assert teams == {str(i): printable(text) for i, text in enumerate(HOSTILE, 1)}
    assert [one.team for one in read_export(folder / "entries.csv", ["Test"]).entries] == [
        *teams.values()
    ]


def test_nothing_that_acts_reaches_a_terminal_or_a_file(
    folder: Path, said: str, award: Dict[str, Any]
) -> None:
    assert all(is_visible(line) for line in said.split("\n"))
    assert not any(line.startswith("error: b") for line in said.split("\n"))
    for path in (folder / "award").iterdir():
        text = path.read_text("utf-8")
        assert all(is_visible(line) for line in text.split("\n")), path.name
    words = (folder / "award" / "award.md").read_text("utf-8")
    assert "<script" not in words
    assert "<img" not in words


def test_every_cell_of_the_ranks_is_text(folder: Path, award: Dict[str, Any]) -> None:
    text = (folder / "award" / "ranks.csv").read_bytes().decode("utf-8")
    header, *cells = csv.reader(io.StringIO(text, newline=""))
    ranked = [row["team"] for ranking in award["rankings"].values() for row in ranking]
    assert [as_written(row[header.index("team")]) for row in cells] == ranked
    assert not any(row[2][:1] in tuple("=+-@\uff1d") for row in cells)


def test_formulas_win_prizes_and_stay_text(tmp_path: Path) -> None:
    fill(tmp_path / "results.sqlite")
    names = ["=1+1", "{1}", "{0}", "-2", "@x", "\x1b[2J"]
    listed: List[Any] = [HEADER]
    for i, text in enumerate(names, 1):
        facts = ("Test", "finished", "https://x.org/f.h5", IN_TIME, text, "https://a.org", "", CODE)
        listed.append((str(i), text, "", "", *facts))
    of_csv(tmp_path / "entries.csv", listed)
    of_csv(tmp_path / "overrides.csv", [("team", "action", "reason"), ("'-2", "withdrawn", "x")])
    of_csv(tmp_path / "judges.csv", [
        ("team", "judge", "criterion", "score"), ("=1+1", "one", "usability", 1),
        ("'@x", "one", "usability", 2), ("\\x1b[2J", "one", "usability", 3),
    ])  # fmt: skip
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "MC_Maze: \\x1b[2J (1000 USD)" in result.output
    assert "ahead of {0}: a real lead" in result.output
    found = json.loads((tmp_path / "award" / "award.json").read_text("utf-8"))
    assert [row["team"] for row in found["judging"]["table"]] == ["\\x1b[2J", "@x", "=1+1"]
    assert next(one for one in found["entries"] if one["id"] == "4")["hidden"]
    rows = (tmp_path / "award" / "ranks.csv").read_text("utf-8")
    assert ",'=1+1,1," in rows
    assert ",=1+1," not in rows


def test_braces_in_names_are_names() -> None:
    said = {"text": "{#0} ahead of {0} and {1}", "teams": ["{1}", "{#0}"], "numbers": [0.5]}
    assert sentence(said, decimals=1) == "0.5 ahead of {1} and {#0}"


def test_names_that_escapes_would_make_one_stay_two(tmp_path: Path) -> None:
    header = ("id", "Team Name", "Challenge Phase", "Submitted At")
    names = ["a\x1bb", "a\\x1bb", "c\\d"]
    listed = [header] + [(str(i), name, "Test", IN_TIME) for i, name in enumerate(names)]
    export = read_export(of_csv(tmp_path / "e.csv", listed), ["Test"])
    assert [one.team for one in export.entries] == ["a\\x1bb", "a\\\\x1bb", "c\\\\d"]


def test_markdown_of_strangers_is_shown_as_they_wrote_it() -> None:
    assert cell("*a* [b](c) <d> &amp; ~~e~~ $f$ |g|") == (
        "\\*a\\* \\[b](c) &lt;d> &amp;amp; \\~\\~e\\~\\~ \\$f\\$ \\|g\\|"
    )
