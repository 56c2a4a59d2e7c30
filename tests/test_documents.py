"""What documents and pages point at is there, and they tell one way to install."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Iterator, List, Set
from urllib.parse import unquote

import pytest

from nlb_evalai.extras import SOURCE, install
from tests.paths import ROOT

DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "annotations" / "README.md",
]
PAGES = sorted((ROOT / "templates").glob("*.html"))
_CODE = re.compile(r"^```.*?^```|^(?: {4}|\t).*?$|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def links_of(text: str) -> Iterator[str]:
    """Targets of a document's links and pictures."""
    for found in re.finditer(r"\]\(([^()\s]+)\)", _CODE.sub("", text)):
        yield found[1]


def anchors_of(text: str) -> Set[str]:
    """The names that GitHub gives to headings."""
    anchors: Set[str] = set()
    seen: Dict[str, int] = {}
    for heading in re.findall(
        r"^#+ (.+?)\s*$", re.sub(r"(?ms)^```.*?^```", "", text), re.MULTILINE
    ):
        shown = re.sub(r"\]\([^)]*\)", "", heading).lower()
        name = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        times = seen[name] = seen.get(name, -1) + 1
        anchors.add(f"{name}-{times}" if times else name)
    return anchors


def broken(path: Path, text: str) -> List[str]:
    """Links of a document that lead nowhere inside of the checkout."""
    faults = []
    for target in links_of(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / unquote(name)).resolve() if name else path
        if not file.exists() or ROOT not in [file, *file.parents]:
            faults.append(f"{target}: no such file")
        elif anchor and anchor not in anchors_of(text if file == path else file.read_text("utf-8")):
            faults.append(f"{target}: no such heading")
    return faults


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_documents_lead_somewhere(path: Path) -> None:
    assert broken(path, path.read_text("utf-8")) == []


def test_a_broken_link_is_found() -> None:
    path = ROOT / "README.md"
    text = "# Here `x` (now)\n[a](#here-x-now) [b](docs/nothing.md) [c](docs/scoring.md#nothing)"
    text += " `[d](in/code.md)`"
    assert broken(path, text) == [
        "docs/nothing.md: no such file",
        "docs/scoring.md#nothing: no such heading",
    ]
    assert sum(1 for one in DOCUMENTS for _ in links_of(one.read_text("utf-8"))) > 40


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_of_pages_are_whole_addresses(path: Path) -> None:
    """EvalAI shows pages inside of its own, so nothing relative leads anywhere."""
    targets = re.findall(r"(?:href|src)=[\"']([^\"']*)", path.read_text("utf-8"))
    assert [one for one in targets if not re.match(r"https://|mailto:", one)] == []


def test_all_documents_and_pages_tell_one_way_to_install() -> None:
    commands = {install(extra) for extra in ("", "score", "diagnostics", "host", "dask")}
    told = {}
    for path in [*DOCUMENTS, *PAGES]:
        text = path.read_text("utf-8").replace("&#34;", '"')
        found = re.findall(r"pip install (?:nlb-tools .numpy<2. )?\S*nlb-evalai[^\n`<]*", text)
        told[path] = {one.replace('nlb-tools "numpy<2" ', "") for one in found}
        assert told[path] <= commands, path
    for name in ("README.md", "docs/installing.md", "docs/submitting.md"):
        assert install() in told[ROOT / name], name
    assert install() in told[ROOT / "templates" / "submission_guidelines.html"]


def test_the_package_names_the_source_that_the_documents_name() -> None:
    assert f'Source = "{SOURCE}"' in (ROOT / "pyproject.toml").read_text("utf-8")
    text = (ROOT / "docs" / "installing.md").read_text("utf-8")
    assert set(re.findall(r"git\+([^\s\"]+)", text)) == {SOURCE}
