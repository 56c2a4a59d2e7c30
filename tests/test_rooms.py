"""``docs/rooms.md`` says of every package what the package says of itself."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.paths import ROOT


def first_sentence(package: Path) -> str:
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8")))
    found = re.match(r".+?\.(?=\s|$)", text or "", re.DOTALL)
    assert found, f"{package / '__init__.py'}: its docstring has no sentence"
    return " ".join(found[0].split()).replace("``", "`")


def test_the_page_of_rooms_is_made_of_the_docstrings() -> None:
    rooms = [
        f"- `{path.parent.relative_to(ROOT).as_posix()}/`: {first_sentence(path.parent)}"
        for package in ("evaluation_script", "nlb_evalai")
        for path in sorted((ROOT / package).rglob("__init__.py"), key=lambda path: path.parent)
    ]
    page = (ROOT / "docs" / "rooms.md").read_text("utf-8").splitlines()
    assert [line for line in page if line.startswith("- ")] == rooms
