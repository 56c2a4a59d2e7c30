"""Which room of the tools may know which."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Set

import pytest

import nlb_evalai

ROOT = Path(nlb_evalai.__file__).parent
ROOMS = {path.parent.name for path in ROOT.glob("*/__init__.py")}


def known_to(room: str) -> Set[str]:
    """The rooms that a room's modules import, at their top or inside."""
    found = set()
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            parts = [name.split(".") for name in names]
            found |= {part[1] for part in parts if part[0] == "nlb_evalai" and part[1] in ROOMS}
    return found - {room}


def test_what_all_need_of_the_web_knows_no_other_room():
    assert known_to("web") == set()


@pytest.mark.parametrize("room", sorted(ROOMS - {"remote", "cli"}))
def test_only_the_command_line_knows_the_worker(room):
    assert "remote" not in known_to(room)
    assert "cli" not in known_to(room)
