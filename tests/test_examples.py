"""The examples in docstrings of public functions are run, and hold."""

from __future__ import annotations

import doctest
import importlib
import inspect
from typing import Any, List

import pytest

from evaluation_script import metrics
from nlb_evalai import compare, evaluate, extras
from nlb_evalai.submission import Writer, save

#: what people call from their own code
PUBLIC: List[Any] = [
    *(one for one in map(vars(metrics).get, metrics.__all__) if inspect.isfunction(one)),
    Writer,
    save,
    compare,
    evaluate,
    extras.install,
]
MODULES = sorted({one.__module__ for one in PUBLIC})


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize("public", PUBLIC, ids=lambda one: str(one.__name__))
def test_every_public_function_has_an_example(public: Any) -> None:
    assert ">>> " in (public.__doc__ or "")
