"""What belongs to one benchmark, or to one metric, is named in its own file alone."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, Iterator, Set, Tuple

import pytest

from evaluation_script.suites import DEFAULT_SUITE
from tests.paths import ROOT

SUITES = ROOT / "evaluation_script" / "suites"
METRICS = ROOT / "evaluation_script" / "metrics"
MODULES = [
    path
    for package in ("evaluation_script", "nlb_evalai")
    for path in sorted((ROOT / package).rglob("*.py"))
]

BENCHMARK = {dataset.name for dataset in DEFAULT_SUITE.datasets} | set(DEFAULT_SUITE.boards())
#: key -> where its metric stands
KEYS = {
    metric.key: METRICS / f"{metric.__module__.rpartition('.')[2]}.py"
    for metric in DEFAULT_SUITE.metrics()
}


def texts(path: Path) -> Iterator[Tuple[int, str]]:
    """Every string literal of a module but its docstrings, with its line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings: Set[int] = set()
    for node in ast.walk(tree):
        # also the strings that stand below an attribute: they are statements by themselves
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.add(id(node.value))
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            yield node.lineno, node.value


def homeless(path: Path) -> Dict[str, str]:
    """Line -> what is named there and has its home elsewhere."""
    found = {}
    for line, text in texts(path):
        if text in BENCHMARK and path != SUITES / f"{DEFAULT_SUITE.name}.py":
            found[f"{path.relative_to(ROOT)}:{line}"] = text
        if text in KEYS and path != KEYS[text] and path.parent != SUITES:
            found[f"{path.relative_to(ROOT)}:{line}"] = text
    return found


def test_the_names_that_are_looked_for_are_found_at_home() -> None:
    at_home = {text for _, text in texts(SUITES / f"{DEFAULT_SUITE.name}.py")}
    assert at_home >= BENCHMARK
    for key, path in KEYS.items():
        assert key in {text for _, text in texts(path)}, path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_names_what_has_its_home_elsewhere(path: Path) -> None:
    assert homeless(path) == {}
