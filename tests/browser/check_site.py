"""The site in headless Chromium: sorted, filtered, searched, followed and judged by axe-core.

``make test-browser`` runs it, and fetches axe-core before; screenshots stay in build/browser.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest
from click.testing import CliRunner

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.cli.report import report
from nlb_evalai.cli.site_build import build
from tests.browser.chromium import Chromium
from tests.nlb_evalai.competition import crowd
from tests.paths import ROOT

SHOTS = ROOT / "build" / "browser"
AXE = SHOTS / "axe.min.js"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
MANY, FEW = 200, 8
MAZE = DEFAULT_SUITE.datasets[0].name
VIEWS = [(width, dark) for width in (390, 1280) for dark in (False, True)]
PAGES = [
    *("index.html", f"datasets/{MAZE}.html", "entries/1.html", "history.html"),
    *("interpretability.html", "about.html", "report.html"),
]


def publish(folder: Path, count: int) -> Tuple[Path, float]:
    """A site, with the report beside its overview, and how long it took to build."""
    store = folder / "results.sqlite"
    crowd.fill(store, count)
    award = crowd.award(store, count, private=[3])
    out = folder / "public"
    shared = ["--store", str(store), "--award", str(award)]
    start = time.monotonic()
    runner = CliRunner()
    runner.invoke(build, [*shared, "--history", "--out", str(out)], catch_exceptions=False)
    seconds = time.monotonic() - start
    page = ["--site", "index.html", "--out", str(out / "report.html")]
    runner.invoke(report, [*shared, *page], catch_exceptions=False)
    return out, seconds


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Tuple[Path, float]:
    return publish(tmp_path_factory.mktemp("many"), MANY)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("few"), FEW)[0]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    SHOTS.mkdir(parents=True, exist_ok=True)
    with Chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def names(browser: Chromium, table: str = "table.board") -> List[str]:
    """The first column of a table's rows, in the order in which they are shown."""
    found: List[str] = browser.run(
        f"[...document.querySelector({table!r}).tBodies[0].rows].map(r => r.cells[0].innerText)"
    )
    return found


def column(browser: Chromium, title: str) -> List[float]:
    """The numbers of a column, in the order in which they are shown; NaN where there is none."""
    found = browser.run(
        "(() => { const t = document.querySelector('table.board');"
        f"const i = [...t.tHead.rows[0].cells].findIndex(c => c.innerText.startsWith({title!r}));"
        "return [...t.tBodies[0].rows].map(r => r.cells[i].innerText) })()"
    )
    return [float(text.split()[0]) if text[0] in "-0123456789" else float("nan") for text in found]


def click(browser: Chromium, title: str) -> float:
    """Click a column's title, and wait until its rows are laid out anew.

    Returns
    -------
    float
        Milliseconds that the page's thread worked: what else the machine does is not in them.
    """
    start = browser.worked()
    browser.run(
        "(() => { const t = document.querySelector('table.board');"
        f"const c = [...t.tHead.rows[0].cells].find(c => c.innerText.startsWith({title!r}));"
        "const before = c.className; c.querySelector('[role=button]').click();"
        "return new Promise(done => { const look = () => c.className === before"
        " ? setTimeout(look) : done(t.getBoundingClientRect().height); look() }) })()"
    )
    return browser.worked() - start


def choose(browser: Chromium, label: str, text: str) -> str:
    """Choose of a filter the option that begins so; returns the option's whole text."""
    found: str = browser.run(
        "(() => { const l = [...document.querySelectorAll('.controls label')]"
        f".find(l => l.innerText.startsWith({label!r})); const s = l.querySelector('select');"
        f"const o = [...s.options].find(o => o.text.startsWith({text!r}));"
        "s.value = o.value; s.dispatchEvent(new Event('change')); return o.text })()"
    )
    return found


def search(browser: Chromium, text: str) -> None:
    browser.run(
        "(() => { const i = document.querySelector('input[type=search]');"
        f"i.value = {text!r}; i.dispatchEvent(new Event('input')) }})()"
    )


def said(browser: Chromium) -> str:
    found: str = browser.run("document.querySelector('output').innerText")
    return found


def test_two_hundred_teams_are_built_small_and_sorted_at_once(
    many: Tuple[Path, float], browser: Chromium
) -> None:
    out, seconds = many
    assert seconds < 60
    browser.view(1280)
    browser.open(out / "index.html")
    loaded = [Path(one[len("file://") :]) for one in browser.requests()]
    assert all(out in path.parents for path in loaded)
    assert sum(path.stat().st_size for path in loaded) < 1_000_000
    assert len(names(browser)) == MANY
    title = DEFAULT_SUITE.datasets[0].title
    taken = min(click(browser, title) for _ in range(6))
    print(f"built in {seconds:.1f} s, sorted in {taken:.0f} ms")
    assert taken < 100
    shown = column(browser, title)
    assert shown == sorted(shown)
    assert browser.complaints() == []


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_a_board_sorts_searches_and_filters(
    few: Path, browser: Chromium, width: int, dark: bool
) -> None:
    browser.view(width, dark=dark)
    browser.open(few / "datasets" / f"{MAZE}.html")
    metrics = [metric.key for metric in DEFAULT_SUITE.datasets[0].metrics]
    for metric in metrics:
        click(browser, metric)
        best_first = column(browser, metric)
        assert best_first == sorted(best_first, reverse=True), metric
        click(browser, metric)
        assert column(browser, metric) == best_first[::-1]
    assert said(browser) == f"Shown: {FEW} of {FEW}, {FEW} of {FEW}"
    search(browser, "Team 007")
    assert [name.split("\n")[0] for name in names(browser)] == ["Team 007"]
    search(browser, "")
    option = choose(browser, "Kind", "ensemble")
    kept = names(browser)
    assert option == f"ensemble ({len(kept)})"
    assert 0 < len(kept) < FEW
    assert all("[Ensemble]" in name for name in kept)
    choose(browser, "Kind", "all")
    option = choose(browser, "Code open", "yes")
    assert option == f"yes ({len(names(browser))})"
    choose(browser, "Code open", "all")
    assert len(names(browser)) == FEW
    assert browser.complaints() == []
    browser.screenshot(SHOTS / f"board-{width}-{'dark' if dark else 'light'}.png")


def test_what_is_shown_can_be_linked(few: Path, browser: Chromium) -> None:
    browser.view(1280)
    page = few / "datasets" / f"{MAZE}.html"
    browser.open(page)
    choose(browser, "Kind", "ensemble")
    click(browser, "vel R2")
    shown, address = names(browser), browser.run("location.href")
    assert "#kind=ensemble&order0=3.desc" in address
    browser.open(few / "about.html")
    browser.open(page, address.partition("#")[2])
    assert names(browser) == shown
    browser.open(few / "about.html")
    browser.open(page, "q=%3Cscript%3E&kind=odd&order0=99.up&order1=x.desc")
    assert names(browser) == ["No matching records found"]
    assert browser.complaints() == []


def test_the_team_stays_in_sight_on_a_phone(few: Path, browser: Chromium) -> None:
    browser.view(390)
    browser.open(few / "index.html")
    left, right = browser.run(
        "(() => { const box = document.querySelector('.scroll'); box.scrollLeft = 300;"
        "const rows = box.querySelector('tbody').rows; return [rows[0].cells[0], rows[0].cells[1]]"
        ".map(c => c.getBoundingClientRect().left - box.getBoundingClientRect().left) })()"
    )
    assert 0 <= left < 5
    assert right < 0
    assert browser.run("document.documentElement.scrollWidth") == 390


def test_every_page_opens_at_both_widths_without_a_complaint_or_a_question_to_anyone(
    few: Path, browser: Chromium
) -> None:
    seen, waiting = set(), ["index.html"]
    for width in (1280, 390):
        browser.view(width, dark=width == 390)
        while waiting:
            page = waiting.pop()
            seen.add(page)
            browser.open(few / page)
            assert browser.complaints() == [], page
            assert all(one.startswith(few.as_uri()) for one in browser.requests()), page
            assert browser.run("document.images.length == 0 || [...document.images].every(i => "
                               "i.complete && i.naturalWidth > 0)"), page  # fmt: skip
            assert browser.run("document.documentElement.scrollWidth") <= width, page
            if width == 390:
                continue
            links = browser.run(
                "[...document.links].map(a => a.href).filter(h => h.startsWith('file:'))"
            )
            for link in links:
                path = Path(link.split("#")[0][len("file://") :])
                assert path.is_file(), f"{page}: {link}"
                name = path.relative_to(few).as_posix()
                if path.suffix == ".html" and name not in seen and name not in waiting:
                    waiting.append(name)
        waiting = sorted(seen)
    on_disk = {path.relative_to(few).as_posix() for path in few.rglob("*.html")}
    assert seen == on_disk - {"report.html"}, "every page is linked"


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_axe_finds_nothing_serious(few: Path, browser: Chromium, width: int, dark: bool) -> None:
    script = AXE.read_bytes()
    assert hashlib.sha256(script).hexdigest() == AXE_SHA256
    browser.view(width, dark=dark)
    for page in PAGES:
        browser.open(few / page)
        browser.run(f"{script.decode()};0")
        # of the two other views only colors can differ
        rules = "" if dark == (width == 1280) else ", runOnly: ['color-contrast']"
        found: List[Dict[str, Any]] = browser.run(
            f"axe.run(document, {{resultTypes: ['violations']{rules}}}).then(r => r.violations)"
        )
        serious = [
            (one["id"], one["impact"], one["nodes"][0]["html"][:200], len(one["nodes"]))
            for one in found
            if one["impact"] in ("serious", "critical", "moderate")
        ]
        assert serious == [], page
        mode = "dark" if dark else "light"
        browser.screenshot(SHOTS / f"{page.replace('/', '-')[:-5]}-{width}-{mode}.png")


def test_axe_finds_what_is_wrong(browser: Chromium, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p style='color:#ccc;background:#fff'>pale</p><img src='x.png'>")
    browser.view(1280)
    browser.open(page)
    browser.run(f"{AXE.read_text('utf-8')};0")
    found = browser.run("axe.run(document).then(r => r.violations.map(v => v.id))")
    assert {"color-contrast", "image-alt"} <= set(found)
    assert browser.complaints() != [], "an image that is not there is complained of"


def test_without_scripts_everything_is_there(few: Path, browser: Chromium) -> None:
    browser.view(390, scripts=False)
    browser.open(few / "datasets" / f"{MAZE}.html")
    document = browser.call("DOM.getDocument", depth=-1)
    text = json.dumps(document)
    browser.view(390)
    site = json.loads((few / "data" / "site.json").read_text("utf-8"))
    for entry in site["entries"]:
        assert f'"{entry["team"]}"' in text
        for score in entry["scores"]:
            if score["dataset"] == MAZE:
                assert f"{score['value']:.4f}" in text
    assert "controls" not in text.replace("data-controls", "")


def test_the_report_is_no_longer_than_it_need_be(few: Path, browser: Chromium) -> None:
    browser.view(1280)
    browser.open(few / "report.html")
    height = browser.run("document.documentElement.scrollHeight")
    print(f"the report of {FEW} teams is {height} px tall")
    assert height < 8000
