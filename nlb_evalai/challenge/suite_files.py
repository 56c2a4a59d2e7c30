"""The modules that a suite stands in, which a package for a platform holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Dict

from evaluation_script import suites
from evaluation_script.suites import Suite

#: the suites of the package that is installed here
SUITES_FOLDER = Path(suites.__file__).parent


def suite_file(suite: Suite) -> Path:
    """The module that a suite stands in: of the package, or a file of one's own."""
    module = sys.modules[f"{suites.__name__}.{suite.name}"]
    assert module.__file__ is not None
    return Path(module.__file__)


def in_package(suite: Suite) -> bool:
    """Whether a suite is the package's own, and not loaded from another file."""
    return suite_file(suite).parent == SUITES_FOLDER


def script_modules(suite: Suite) -> Dict[str, bytes]:
    """Path in an evaluation script -> content of every module that a suite is made of."""
    paths = {*SUITES_FOLDER.glob("*.py"), suite_file(suite)}
    return {f"suites/{path.name}": path.read_bytes() for path in sorted(paths)}


def of_ones_own(suite: Suite) -> Dict[str, Path]:
    """The file of a suite that is not the package's, by its path in the evaluation script."""
    file = suite_file(suite)
    return {} if in_package(suite) else {f"suites/{file.name}": file}
