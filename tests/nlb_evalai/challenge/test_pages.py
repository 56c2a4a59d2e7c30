"""The pages: plain enough for EvalAI, and true to the suite, whichever it is."""

from __future__ import annotations

import html
from dataclasses import replace
from html.parser import HTMLParser
from typing import Dict, List, Optional, Tuple
from urllib.parse import urlsplit

import pytest

from evaluation_script import suites
from evaluation_script.suites import DEFAULT_SUITE, Suite
from nlb_evalai.challenge.head import head_of
from nlb_evalai.challenge.pages import render_pages
from tests.paths import FINGERS

#: survive a sanitizer; no attribute but a link's target
PLAIN_TAGS = {
    *("h2", "h3", "p", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
    *("a", "code", "pre", "strong", "em", "sub", "sup"),
}


class Page(HTMLParser):
    """Collects tags, links and table rows, and checks that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: List[str] = []
        self.tags: List[Tuple[str, Dict[str, str]]] = []
        self.rows: List[List[str]] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.open.append(tag)
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


def pages_of(suite: Suite) -> Dict[str, Page]:
    return {name: Page(text) for name, text in render_pages(suite, head_of(suite)).items()}


@pytest.fixture(scope="module", params=["nlb21", "fingers"])
def suite(request: pytest.FixtureRequest) -> Suite:
    return DEFAULT_SUITE if request.param == "nlb21" else suites.load(FINGERS)


@pytest.fixture(scope="module")
def pages(suite: Suite) -> Dict[str, Page]:
    return pages_of(suite)


def test_there_is_a_page_for_each_phase(suite: Suite, pages: Dict[str, Page]) -> None:
    expected = {f"phase_{phase.codename}.html" for phase in suite.phases}
    assert {name for name in pages if name.startswith("phase_")} == expected
    assert len(pages) == len(expected) + 4


def test_pages_hold_plain_tags_and_well_formed_links_only(pages: Dict[str, Page]) -> None:
    for name, page in pages.items():
        for tag, attributes in page.tags:
            assert tag in PLAIN_TAGS, (name, tag)
            assert set(attributes) <= ({"href"} if tag == "a" else set()), (name, tag)
            if tag == "a":
                link = urlsplit(attributes["href"])
                assert link.scheme == "https", attributes
                assert "." in link.netloc, attributes


def test_table_of_shapes_holds_the_suites_numbers(suite: Suite, pages: Dict[str, Page]) -> None:
    rows = [row for row in pages["submission_guidelines.html"].rows if len(row) == 7]
    per_phase = len(suite.groups()) + 1  # its head
    assert len(rows) == per_phase * len(suite.phases)
    for number, phase in enumerate(suite.phases):
        table = rows[number * per_phase + 1 : (number + 1) * per_phase]
        assert [row[0] for row in table] == list(suite.groups())
        for row, (dataset, width) in zip(table, suite.groups().values()):
            figures = dataset.published
            expected = [
                _known(figures.n_train.get(phase.codename)),
                _known(figures.n_eval.get(phase.codename)),
                str(dataset.window_ms // width),
                str(dataset.forward_ms // width) if dataset.forward_ms else "none",
                _known(figures.n_heldin),
                _known(figures.n_heldout),
            ]
            assert row[1:] == expected


def _known(figure: Optional[int]) -> str:
    return "not published" if figure is None else str(figure)


def test_datasets_and_their_links_and_metrics_are_all_there(
    suite: Suite, pages: Dict[str, Page]
) -> None:
    overview, details = pages["description.html"], pages["evaluation_details.html"]
    links = {attributes["href"] for tag, attributes in overview.tags if tag == "a"}
    metrics = dict(row for row in details.rows if len(row) == 2)
    for row, dataset in zip(overview.rows[1:], suite.datasets):
        assert row[0] == dataset.title
        figures = dataset.published
        both = f"{figures.n_heldin} + {figures.n_heldout}"
        assert row[2] == ("not published" if figures.n_heldin is None else both)
        if dataset.dandiset:
            assert f"https://dandiarchive.org/dandiset/{dataset.dandiset}" in links
        assert metrics[dataset.title] == ", ".join(map(dataset.label, dataset.metrics))
    boards = [row for row in details.rows if len(row) == 4][1:]
    assert [row[0] for row in boards] == [suite.board_title(board) for board in suite.boards()]


def test_what_is_said_of_a_metric_is_the_metrics_own_text(suite: Suite) -> None:
    page = html.unescape(render_pages(suite, head_of(suite))["evaluation_details.html"])
    (forward_ms,) = {dataset.forward_ms for dataset in suite.datasets} - {None}
    for metric in suite.metrics():
        assert f"<h3>{metric.key}: {metric.title} ({metric.unit})</h3>" in page
        assert metric.about.replace("{forward}", f"{forward_ms} ms") in page
        assert metric.about


def test_what_a_suite_says_comes_as_text_and_sections_that_it_has_not_are_left_out() -> None:
    odd = replace(suites.load(FINGERS), title="<b>A</b> & 'B'")
    pages = render_pages(odd, head_of(odd))
    assert "&lt;b&gt;A&lt;/b&gt; &amp; &#39;B&#39; has 2 datasets" in pages["description.html"]
    for heading in ("Questions", "Citation", "Contact", "prizes"):
        assert heading not in "".join(pages.values())
