"""Benchmarks are data: each suite is a module of this folder, with a ``SUITE``.

They are found when the package is imported, so that one that is broken shows at once. Ground truth
says of which suite it is (root attribute ``suite``; without one it is of :data:`DEFAULT`).
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from pathlib import Path
from typing import Dict, List

from ..text import did_you_mean
from .suite import Dataset, MetricType, Phase, Suite, SuiteError

#: the name of the suite of ground truth that does not say it
DEFAULT = "nlb21"

_known: Dict[str, Suite] = {}


for _found in pkgutil.iter_modules(__path__):
    _suite = getattr(importlib.import_module(f".{_found.name}", __name__), "SUITE", None)
    if isinstance(_suite, Suite):
        _known[_suite.name] = _suite

#: that suite, which is also meant where none is named
DEFAULT_SUITE = _known[DEFAULT]


def names() -> List[str]:
    """The names of all suites that are known."""
    return sorted(_known)


def find(name: str) -> Suite:
    """The suite of that name.

    Raises
    ------
    SuiteError
        If none is called so; names those that are known.
    """
    if name not in _known:
        hint = did_you_mean(name, _known)
        raise SuiteError(f"suite: found {name!r}, expected {' or '.join(names())}{hint}")
    return _known[name]


def load(path: Path) -> Suite:
    """Take in a suite from a file of one's own, as the module of this folder that it will be.

    The file runs: it is code. It imports its metrics and dataclasses as the modules here do
    (``from ..metrics import CoSmoothing``, ``from .suite import Suite``).

    Raises
    ------
    SuiteError
        If it cannot be imported, has no ``SUITE``, is not named after it, or takes the name of
        another one.
    """
    name = f"{__name__}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.stem.isidentifier():
        raise SuiteError(f"{path}: found {path.name!r}, expected a Python file named NAME.py")
    ours = Path(__file__).parent / path.name
    if ours.exists():
        return _same_file(path, ours)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where the classes that it defines are looked for
    try:
        spec.loader.exec_module(module)
        suite = _suite_of(module, path)
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, SuiteError):
            raise
        raise SuiteError(f"{path}: cannot be imported: {type(error).__name__}: {error}") from error
    _known[suite.name] = suite
    return suite


def _suite_of(module: object, path: Path) -> Suite:
    suite = getattr(module, "SUITE", None)
    if not isinstance(suite, Suite):
        raise SuiteError(f"{path}: found no SUITE in it, expected SUITE = Suite(...)")
    if suite.name != path.stem:
        raise SuiteError(f"{path}: its suite is called {suite.name!r}, expected {path.stem!r}")
    return suite


def _same_file(path: Path, ours: Path) -> Suite:
    """The suite of that name that is here already; another file under its name is refused."""
    if path.stem not in _known:
        raise SuiteError(f"{path}: {path.stem!r} is a module of this package: take another name")
    if path.read_bytes() != ours.read_bytes():
        raise SuiteError(f"{path}: {path.stem!r} is a suite of this package: take another name")
    return _known[path.stem]


__all__ = [
    "DEFAULT", "DEFAULT_SUITE", "Dataset", "MetricType", "Phase", "Suite", "SuiteError",
    "find", "load", "names",
]  # fmt: skip
