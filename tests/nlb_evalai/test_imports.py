"""How the modules hang together: no circle, and nothing imported for its types alone."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Dict, Set

from tests.paths import ROOT

PACKAGES = ("evaluation_script", "nlb_evalai")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for name in PACKAGES for path in (ROOT / name).rglob("*.py")}


def imports_of(module: str) -> Set[str]:
    """The project's modules that a module names in an import, wherever in the file it stands."""
    path = FILES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - (node.level - 1)]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else base for name in names}
    return found & set(FILES)


def test_no_module_needs_itself() -> None:
    graph: Dict[str, Set[str]] = {module: imports_of(module) for module in FILES}
    assert (
        "nlb_evalai.challenge.rules.package" in graph["nlb_evalai.challenge.evalai.rules.registry"]
    )
    list(TopologicalSorter(graph).static_order())  # CycleError names the modules of a circle
