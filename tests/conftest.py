"""Fixtures for all tests: a store over HTTP that can go wrong (see store.py), known suites."""

from __future__ import annotations

import sys
from typing import Iterator

import pytest

from evaluation_script import suites

pytest_plugins = ["tests.store"]


@pytest.fixture(scope="module", autouse=True)
def forget_suites() -> Iterator[None]:
    """Suites of one's own that a module's tests loaded are unknown to the next module's."""
    yield
    for name in list(suites._loaded):
        del suites._known[name], suites._loaded[name]
        sys.modules.pop(f"{suites.__name__}.{name}", None)
