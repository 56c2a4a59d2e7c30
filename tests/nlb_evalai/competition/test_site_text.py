"""Text that strangers wrote stays text on every page, figure and download of the site."""

from __future__ import annotations

import base64
import csv
import io
import re
import unicodedata
from pathlib import Path
from typing import Any, Dict, List, Tuple
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.cli.report import report as report_command
from nlb_evalai.competition.site.model import Entry, Point, Site, cell_of, link_of, text_of
from nlb_evalai.competition.site.render import render
from tests.nlb_evalai.competition import crowd
from tests.nlb_evalai.competition.conftest import of_csv
from tests.nlb_evalai.competition.test_award import CODE, HEADER, IN_TIME, run
from tests.nlb_evalai.competition.test_hostile_text import HOSTILE
from tests.nlb_evalai.competition.test_site import GROUPS, MAIN, MAZE, PHASE, build, contents, pages


def hostile_site() -> Site:
    """Every hostile text as a team, a method, a note and a link; all on two boards."""
    entries = []
    for i, text in enumerate(HOSTILE):
        value = 0.5 - i / 200
        entries.append(
            Entry(
                f"entry {i}",
                text_of(text, 120),
                text_of(text, 120),
                (text_of(text),),
                {"code": link_of(text)} if link_of(text) else {},
                description=text_of(text),
                notes=(text_of(text),),
                submitted_at=f"2022-01-{1 + i % 28:02d}T00:00:00",
                scores={
                    (MAZE.name, 5, metric.key): cell_of(value, 0.01, PHASE)
                    for metric in MAZE.metrics
                },
                remark=text_of(text) if i % 5 == 4 else "",
                origin=text_of(text),
            )
        )
    points = tuple(Point(one.team, 0.3 + i / 999, (i % 7) / 3) for i, one in enumerate(entries))
    return Site(
        DEFAULT_SUITE, PHASE, "Hostile", MAIN, 5, tuple(entries), fronts={MAZE.name: points}
    )


@pytest.fixture(scope="module")
def hostile() -> Dict[str, str]:
    return render(hostile_site())


def test_text_of_strangers_stays_text_on_every_page(hostile: Dict[str, str]) -> None:
    assert len(HOSTILE) >= 40
    harmless = {name: text for name, text in hostile.items() if not name.startswith("assets/")}
    for name, text in harmless.items():
        odd = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs", "Cn")}
        assert odd <= {"\n", "\r", "\xad", "\u200c", "\u200d"}, f"{name}: {odd}"
        assert "someone@example.org" not in text, name
        assert len(text) < 400_000, name
    for name, page in pages(hostile):
        tags = [tag for tag, _ in page.tags]
        assert not {"iframe", "base", "object", "style"} & set(tags), name
        for tag, attributes in page.tags:
            assert not any(key.startswith("on") for key in attributes), f"{name}: {tag}"
            if tag == "script":
                assert (attributes["src"] or "").lstrip("./").startswith("assets/"), name
            assert not (attributes.get("href") or "").startswith("javascript"), name
    assert "&lt;script&gt;" in hostile["index.html"]
    assert "{{ 7 * 7 }}" in hostile["index.html"]


def test_every_figure_with_hostile_names_parses(hostile: Dict[str, str]) -> None:
    figures = [text for name, text in hostile.items() if name.endswith(".svg")]
    assert len(figures) >= 4
    for text in figures:
        ElementTree.fromstring(text)
    front = "".join(
        node.text or ""
        for node in ElementTree.fromstring(hostile[f"figures/front-{MAZE.name}.svg"]).iter()
    )
    for name in ("チーム日本語", "فريق عربي", "$x^2$", "\\x1b[31mred", "{{ 7 * 7 }}"):
        assert name in front


def test_hostile_names_go_from_the_export_to_the_site_and_the_report(tmp_path: Path) -> None:
    names = ["a\x1b[31mred", "a\0b", "a\u2028b", "a\u202eb", "{1}", "$x$", "<script>", "=1+1"]
    names += ["x" * 10_000, "脳の回路"]
    crowd.fill(tmp_path / "results.sqlite", len(names), GROUPS[:1])
    listed: List[Tuple[Any, ...]] = [HEADER]
    for i, name in enumerate(names, 1):
        facts = ("Test", "finished", "", IN_TIME, name, "https://a.org/", name, CODE)
        listed.append((str(i), name, "", "", *facts))
    of_csv(tmp_path / "entries.csv", listed)
    of_csv(tmp_path / "overrides.csv", [("team", "action", "reason"), ("$x$", "organizer", "x")])
    of_csv(
        tmp_path / "judges.csv",
        [("team", "judge", "criterion", "score")]
        + [(name, "one", "interpretability", i) for i, name in enumerate(names)],
    )
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    given = ["--store", tmp_path / "results.sqlite", "--award", tmp_path / "award"]
    build(*given, "--out", tmp_path / "public")
    report = tmp_path / "public" / "report.html"
    arguments = list(map(str, [*given, "--out", report, "--site", "index.html"]))
    assert CliRunner().invoke(report_command, arguments, catch_exceptions=False).exit_code == 0
    found = contents(tmp_path / "public")
    figures = [text for name, text in found.items() if name.endswith(".svg")]
    images = re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", found["report.html"])
    figures += [base64.b64decode(image).decode() for image in images]
    assert len(images) >= 2
    for figure in figures:
        ElementTree.fromstring(figure)
    for name, text in found.items():
        if not name.startswith("assets/"):
            assert not re.search("[\0\x1b\u2028\u202e]", text), name
            assert "<script>" not in text or name.endswith((".json", ".csv")), name
            assert "x" * 200 not in text, name
    assert "a\\x1b[31mred" in found["report.html"]
    assert 'href="index.html"' in found["report.html"]


def test_no_cell_of_a_download_is_a_formula(hostile: Dict[str, str]) -> None:
    table = list(csv.reader(io.StringIO(hostile["data/entries.csv"])))
    assert len(table) == 1 + len(HOSTILE) * len(MAZE.metrics)
    for row in table:
        for one in row:
            assert one[:1] not in ("=", "@", "\t", "\r", "+")
            assert not one.startswith("-") or re.fullmatch(r"-?[\d.]+", one)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://lab.edu/model", "https://lab.edu/model"),
        ("arXiv:2109.04463", "https://arxiv.org/abs/2109.04463"),
        *(
            (text, "")
            for text in (
                "javascript:alert(1)", "data:text/html,x", "//evil.example", "https://", "http://[",
                "https://a.org/\u202e", "https://a.org/\x1b", "https://me@lab.edu/", "ftp://a.org",
                "https://a.org/" + "x" * 3000, None,
            )
        ),
    ],
)  # fmt: skip
def test_only_addresses_of_the_web_become_links(text: Any, expected: str) -> None:
    assert link_of(text) == expected
