"""The static site: complete, private names nowhere, hidden digits nowhere, and text stays text."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import urlsplit
from xml.etree import ElementTree

import jsonschema
import pytest
from click.testing import CliRunner

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.cli.site_build import build as build_command
from nlb_evalai.competition.site.boards import boards_of
from nlb_evalai.competition.site.history import citation_of, history_of, read_history
from nlb_evalai.competition.site.model import (
    Comparison,
    Entry,
    Site,
    cell_of,
)
from nlb_evalai.competition.site.render import HERE, page_of, render
from nlb_evalai.errors import ProblemsError, ToolError
from tests.nlb_evalai.competition import crowd
from tests.nlb_evalai.competition.conftest import of_csv
from tests.nlb_evalai.competition.test_award import run
from tests.nlb_evalai.competition.test_award import scenario as scenario  # a fixture
from tests.nlb_evalai.competition.test_cards import full as full  # a fixture
from tests.nlb_evalai.competition.test_cards import other, put
from tests.nlb_evalai.competition.test_cards import receipt as receipt  # a fixture

PHASE = DEFAULT_SUITE.phase("test")
MAIN = DEFAULT_SUITE.ranked_by.key
MAZE = DEFAULT_SUITE.datasets[0]
TEAMS = 8
#: one dataset at both bin widths, and one that has another metric
GROUPS = ("mc_maze", "mc_maze_20", "dmfc_rsg")


def build(*arguments: object) -> None:
    result = CliRunner().invoke(build_command, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output


def contents(folder: Path) -> Dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, str]:
    """The site of eight teams, of which two are private, from a store and its award."""
    folder = tmp_path_factory.mktemp("crowd")
    store = folder / "results.sqlite"
    crowd.fill(store, TEAMS, GROUPS)
    award = crowd.award(store, TEAMS, private=[2, 4])
    build("--store", store, "--award", award, "--history", "--out", folder / "public")
    return contents(folder / "public")


class Page(HTMLParser):
    """Tags with their attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: List[Tuple[str, Dict[str, Optional[str]]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, *names: str) -> List[str]:
        return [value for _, found in self.tags for name in names if (value := found.get(name))]


def floats(value: Any) -> List[float]:
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return [number for one in inner for number in floats(one)]
    return [value] if isinstance(value, float) else []


def pages(files: Mapping[str, str]) -> Iterator[Tuple[str, Page]]:
    for name, text in files.items():
        if name.endswith(".html"):
            yield name, Page(text)


# ---- what is shown ----------------------------------------------------------------------------


def test_every_entry_is_on_its_boards_and_has_a_page_unless_it_is_private(
    published: Dict[str, str],
) -> None:
    site = json.loads(published["data/site.json"])
    jsonschema.validate(site, json.loads(published["data/site-1.json"]))
    assert len(site["entries"]) == TEAMS
    for entry in site["entries"]:
        board = published[f"datasets/{MAZE.name}.html"]
        assert f'data-entry="{entry["key"]}"' in board
        assert entry["is_anonymous"] == (entry["page"] is None)
        assert entry["is_anonymous"] or entry["page"] in published
        for score in entry["scores"]:
            shown = f"{score['value']:.4f}"
            assert shown in published[f"datasets/{score['dataset']}.html"]
            assert entry["is_anonymous"] or shown in published[entry["page"]]
    names = sorted(one["team"] for one in site["entries"] if one["is_anonymous"])
    assert names == ["Anonymous 1", "Anonymous 2"]
    table = list(csv.DictReader(io.StringIO(published["data/entries.csv"])))
    assert len(table) == sum(len(one["scores"]) for one in site["entries"])


def test_private_teams_are_nowhere(published: Dict[str, str]) -> None:
    for name, text in published.items():
        for secret in ("Team 003", "Team 005", "model 3", "model 5", "hash 3"):
            assert not re.search(rf"{secret}(?!\d)", text), f"{name} holds {secret}"


def test_hidden_scores_have_their_boards_digits_also_in_receipts(
    published: Dict[str, str],
) -> None:
    receipts = [text for name, text in published.items() if name.endswith(".receipt.json")]
    assert len(receipts) == TEAMS - 2
    site = json.loads(published["data/site.json"])
    numbers = floats([site["entries"], site["comparisons"], list(map(json.loads, receipts))])
    assert len(numbers) > 200
    assert all(number == round(number, 4) for number in numbers)
    for text in [*receipts, published["data/site.json"]]:
        assert not re.search("secret-host|peak_memory|per_trial|log_likelihood", text)
    first = json.loads(receipts[0])
    assert first["groups"][MAZE.name]["scores"][MAIN]["standard_error"] == 0.006


def test_nothing_is_asked_of_anyone_and_no_script_or_style_is_in_a_page(
    published: Dict[str, str],
) -> None:
    found = dict(pages(published))
    assert len(found) > TEAMS
    for name, page in found.items():
        assert "default-src 'none'" in published[name], name
        for tag, attributes in page.tags:
            assert "style" not in attributes, name
            assert not any(key.startswith("on") for key in attributes), name
            if tag == "script":
                assert attributes.get("src"), name
            for key in ("src", "href"):
                address = urlsplit(attributes.get(key) or "")
                if address.scheme or address.netloc:
                    assert tag == "a", f"{name}: {tag}"
                    assert address.scheme in ("http", "https")
                    assert attributes["rel"] == "nofollow noopener"
        assert [tag for tag, _ in page.tags].count("style") == 0, name
        headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert headings[0] == 1, name
        assert all(b - a <= 1 for a, b in zip(headings, headings[1:])), f"{name} skips a level"
    assert "url(" not in published["assets/site.css"]


def test_every_link_within_the_site_leads_somewhere(published: Dict[str, str]) -> None:
    found = dict(pages(published))
    anchors = {name: set(page.values("id")) for name, page in found.items()}
    for name, page in found.items():
        for value in page.values("href", "src"):
            address = urlsplit(value)
            if address.scheme:
                continue
            target = name
            if address.path:
                parts: List[str] = []
                for part in (PurePosixPath(name).parent / address.path).parts:
                    parts = parts[:-1] if part == ".." else [*parts, part]
                target = "/".join(parts)
            assert target in published, f"{name}: {value}"
            assert not address.fragment or address.fragment in anchors[target], f"{name}: {value}"


def test_neighbors_that_cannot_be_told_apart_are_marked_and_the_chain_is_spoken_of(
    published: Dict[str, str],
) -> None:
    site = json.loads(published["data/site.json"])
    marked = [one for one in site["comparisons"] if not one["is_clear"]]
    assert marked
    assert len(marked) < len(site["comparisons"])
    overview = published["index.html"]
    assert overview.count("<abbr") == len(marked)
    assert "Marks are not to be chained" in overview


def test_figures_are_well_formed_and_their_text_is_text(published: Dict[str, str]) -> None:
    figures = {name: text for name, text in published.items() if name.endswith(".svg")}
    assert len(figures) > 7
    for text in figures.values():
        ElementTree.fromstring(text)
    assert "Team 001" in figures[f"figures/{MAZE.name}.svg"]
    for name, page in pages(published):
        for tag, attributes in page.tags:
            if tag == "img":
                assert len(attributes["alt"] or "") > 40, name
                assert attributes["width"], name
                assert attributes["height"], name


def test_an_award_s_private_withdrawn_and_late_entries_are_as_in_the_report(
    scenario: Path,
) -> None:
    judges = [("team", "judge", "criterion", "score")]
    judges += [(team, "one", "interpretability", 3) for team in ("Ants", "Bees", "Crabs")]
    of_csv(scenario / "judges.csv", judges)
    assert run(scenario).exit_code == 0
    out = scenario / "public"
    build("--store", scenario / "results.sqlite", "--award", scenario / "award", "--out", out)
    found = contents(out)
    for name, text in found.items():
        for secret in ("Crabs", "model 5", "c.org", "Eels", "Person", "asked for it"):
            assert secret not in text, f"{name} holds {secret}"
    site = json.loads(found["data/site.json"])
    by_team = {one["key"]: (one["team"], one["remark"]) for one in site["entries"]}
    assert by_team["6"] == ("Doves", "late")
    assert by_team["anonymous-1"] == ("Anonymous 1", "")
    assert {"7", "5", "11"}.isdisjoint(by_team)
    judged = found["interpretability.html"]
    assert "Anonymous 1" in judged


# ---- ranks and neighbors without an award -----------------------------------------------------


def entry(key: str, value: float, error: Optional[float] = 0.01) -> Entry:
    return Entry(key, key.title(), scores={(MAZE.name, 5, MAIN): cell_of(value, error, PHASE)})


def test_without_an_award_equal_numbers_share_a_place_and_error_bars_tell_neighbors_apart() -> None:
    entries = (entry("a", 0.3), entry("b", 0.30001), entry("c", 0.2), entry("d", 0.1, None))
    site = Site(DEFAULT_SUITE, PHASE, "x", MAIN, 5, entries)
    (board,) = boards_of(site)
    assert [(row.entry.key, row.place) for row in board.rows] == [
        ("a", 1), ("b", 1), ("c", 3), ("d", 4),
    ]  # fmt: skip
    found = [row.below and (row.below.worse, row.below.is_clear) for row in board.rows]
    assert found == [("b", False), ("c", True), None, None]
    assert not board.rows[0].below.is_paired
    paired = Comparison(MAZE.name, 5, "a", "c", 0.1, 0.2, False)
    (board,) = boards_of(replace(site, comparisons=(paired,)))
    assert [row.below for row in board.rows] == [paired, None, None, None]


def test_a_store_without_an_award_compares_neighbors_on_their_trials(tmp_path: Path) -> None:
    crowd.fill(tmp_path / "results.sqlite", 3, GROUPS[:2])
    build("--store", tmp_path / "results.sqlite", "--out", tmp_path / "public")
    site = json.loads((tmp_path / "public" / "data" / "site.json").read_text("utf-8"))
    assert {one["is_paired"] for one in site["comparisons"]} == {True}
    assert len(site["comparisons"]) == 2 * 2


# ---- where it is written ----------------------------------------------------------------------


def test_pages_of_entries_that_are_no_more_go_and_other_folders_are_left_alone(
    tmp_path: Path,
) -> None:
    store, out = tmp_path / "results.sqlite", tmp_path / "public"
    crowd.fill(store, 2, GROUPS[:1])
    out.mkdir()
    (out / "CNAME").write_text("nlb.example")
    build("--store", store, "--out", out)
    (out / "entries" / "gone.html").write_text("a private name")
    build("--store", store, "--out", out)
    assert not (out / "entries" / "gone.html").exists()
    assert (out / "CNAME").read_text() == "nlb.example"
    other = tmp_path / "other"
    (other / "data").mkdir(parents=True)
    with pytest.raises(ToolError, match="found data, but not of a site"):
        build("--store", store, "--out", other)
    with pytest.raises(ToolError, match=r"would publish and replace .*results.sqlite"):
        build("--store", store, "--out", tmp_path)
    assert store.exists()


def test_pages_have_plain_names_that_differ() -> None:
    keys = ["12", "Ants/one", "ants/one", "../../x", "", "日本", "a" * 500, "con", "a.b", "a-b"]
    names = [page_of(key) for key in keys]
    assert len(set(names)) == len(keys)
    assert all(re.fullmatch(r"entries/[a-z0-9-]{1,80}\.html", name) for name in names)
    assert names[0] == "entries/12.html"
    twice = (entry("a", 0.3), entry("a", 0.2))
    with pytest.raises(ToolError, match="two entries of one key, 1 key:\n  a"):
        render(Site(DEFAULT_SUITE, PHASE, "x", MAIN, 5, twice))


def test_the_vendored_library_is_the_one_that_is_pinned() -> None:
    text = (HERE / "assets" / "dataTables.min.js").read_bytes()
    assert text.startswith(b"/*! DataTables 3.1.5\n")
    assert hashlib.sha256(text).hexdigest() == (
        "38017a5586acd9c6eb6bbfe8b6938e1a25bdc717c5acfcb07e0c9d663282c59d"
    )
    assert "MIT" in (HERE / "assets" / "dataTables.LICENSE.txt").read_text("utf-8")


# ---- published scores -------------------------------------------------------------------------


def test_published_scores_name_their_source_and_kind(published: Dict[str, str]) -> None:
    path = history_of(DEFAULT_SUITE)
    assert path is not None
    rows = read_history(path, DEFAULT_SUITE)
    assert {row.kind for row in rows} == {"paper", "board", "self-reported"}
    assert all(row.source and row.date for row in rows)
    assert all("copied from a public note" in row.note for row in rows if row.kind == "paper")
    page = published["history.html"]
    assert "copied from a public note" in page
    assert "STNDT[Ensemble]" in page
    table = list(csv.DictReader(io.StringIO(published["data/history.csv"])))
    assert len(table) == len(rows)
    assert citation_of(DEFAULT_SUITE).startswith("@inproceedings")
    assert "@inproceedings" in published["about.html"]


def test_every_fault_of_published_scores_is_told_at_once(tmp_path: Path) -> None:
    row = "{model: A, dataset: mc_mase, bin_width_ms: 5, metric: co-bps, value: 0.1}"
    odd = "{model: A, dataset: mc_maze, bin_width_ms: 7, metric: R2, value: 0.1}"
    path = tmp_path / "history.yaml"
    head = "schema: nlb-evalai/history/1\nsuite: fingers\nsources:\n"
    source = f"  - {{kind: paper, source: x, date: '2021', rows: [{row}, {odd}]}}\n"
    path.write_text(head + source)
    with pytest.raises(ProblemsError) as caught:
        read_history(path, DEFAULT_SUITE)
    assert [one.split(": found")[0] for one in caught.value.problems] == [
        "suite",
        "sources/0/rows/0: dataset",
        "sources/0/rows/1: metric",
        "sources/0/rows/1: bin_width_ms",
    ]
    path.write_text(head + source.replace("paper", "hearsay").replace("'2021'", "21"))
    with pytest.raises(ProblemsError) as caught:
        read_history(path, DEFAULT_SUITE)
    assert len(caught.value.problems) == 2


# ---- cards ------------------------------------------------------------------------------------


def test_cards_become_a_site_once_none_is_faulty(tmp_path: Path, receipt: Dict[str, Any]) -> None:
    cards, out = tmp_path / "cards", tmp_path / "public"
    put(cards, "Ants/one", receipt, kind="ensemble", links={"paper": "https://a.org/paper"})
    put(cards, "Bees/two", other(receipt, "b"), authors=["Bo"], submitted="2026-11-01")
    build("--cards", cards, "--history", "--out", out)
    found = contents(out)
    jsonschema.validate(json.loads(found["data/site.json"]), json.loads(found["data/site-1.json"]))
    site = json.loads(found["data/site.json"])
    assert {(one["team"], one["kind"]) for one in site["entries"]} == {
        ("Ants", "ensemble"),
        ("Bees", "unknown"),
    }
    pages = {one["team"]: found[one["page"]] for one in site["entries"]}
    assert 'href="https://a.org/paper"' in pages["Ants"]
    assert "<dd>Bo</dd>" in pages["Bees"]
    assert "by their error bars" in pages["Bees"]
    assert "Trials are not at hand here" in found["index.html"]
    put(cards, "Crabs/three", {**receipt, "suite": "fingers"})
    with pytest.raises(ProblemsError, match="no site is made of faulty cards"):
        build("--cards", cards, "--out", out)
    result = CliRunner().invoke(build_command, ["--out", str(out)])
    assert result.exit_code == 2
    assert "expected either --store or --cards" in result.output
