"""The pages: current, plain enough for EvalAI, and true to the suite."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Dict, List, Tuple
from urllib.parse import urlsplit

import pytest

from evaluation_script.suite import NLB21
from nlb_evalai.challenge.pages import PAGES, render_pages
from tests.paths import ROOT

TEMPLATES = ROOT / "templates"
#: survive a sanitizer; no attribute but a link's target
PLAIN_TAGS = {
    *("h2", "h3", "p", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
    *("a", "code", "pre", "strong", "em", "sub", "sup"),
}


class Page(HTMLParser):
    """Collects tags, links and table rows, and checks that tags close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: List[str] = []
        self.tags: List[Tuple[str, Dict[str, str]]] = []
        self.rows: List[List[str]] = []
        self.feed(html)
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


@pytest.fixture(scope="module")
def pages() -> Dict[str, Page]:
    return {name: Page((TEMPLATES / name).read_text(encoding="utf-8")) for name in PAGES}


def test_committed_pages_are_what_make_pages_renders() -> None:
    rendered = render_pages()
    assert {path.name for path in TEMPLATES.glob("*.html")} == set(rendered)
    for name, html in rendered.items():
        assert (TEMPLATES / name).read_text(encoding="utf-8") == html, f"{name}: run make pages"


def test_pages_hold_plain_tags_and_well_formed_links_only(pages: Dict[str, Page]) -> None:
    for name, page in pages.items():
        for tag, attributes in page.tags:
            assert tag in PLAIN_TAGS, (name, tag)
            assert set(attributes) <= ({"href"} if tag == "a" else set()), (name, tag)
            if tag == "a":
                link = urlsplit(attributes["href"])
                assert link.scheme == "https", attributes
                assert "." in link.netloc, attributes


@pytest.mark.parametrize("phase", [phase.codename for phase in NLB21.phases])
def test_table_of_shapes_holds_the_suites_numbers(pages: Dict[str, Page], phase: str) -> None:
    rows = pages["submission_guidelines.html"].rows
    tables = {"val": rows[8:22], "test": rows[23:37]}
    assert [row[0] for row in tables[phase]] == list(NLB21.groups())
    for row, (dataset, width) in zip(tables[phase], NLB21.groups().values()):
        expected = [
            dataset.n_train[phase],
            dataset.n_eval[phase],
            dataset.window_ms // width,
            dataset.forward_ms // width,
            dataset.n_heldin,
            dataset.n_heldout,
        ]
        assert [int(cell) for cell in row[1:]] == expected


def test_datasets_and_their_links_and_metrics_are_all_there(pages: Dict[str, Page]) -> None:
    overview = pages["description.html"]
    links = {attributes["href"] for tag, attributes in overview.tags if tag == "a"}
    metrics = dict(pages["evaluation_details.html"].rows[1:])
    for row, dataset in zip(overview.rows[1:], NLB21.datasets):
        assert row[0] == dataset.title
        assert row[2] == f"{dataset.n_heldin} + {dataset.n_heldout}"
        assert f"https://dandiarchive.org/dandiset/{dataset.dandiset}" in links
        assert metrics[dataset.title] == ", ".join(map(dataset.label, dataset.metrics))
