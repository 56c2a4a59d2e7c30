"""What EvalAI's worker has installed, and whether an evaluation script can live with it."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Set, Tuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

#: The newest Python that a challenge can choose.
PYTHON = (3, 9)
#: Installed in exactly these versions; they are constraints to whatever a challenge adds.
PINS: Dict[str, str] = {
    "numpy": "1.26.4",
    "scipy": "1.11.4",
    "scikit-learn": "1.4.2",
    "pandas": "2.2.3",
    "matplotlib": "3.8.4",
    "pyyaml": "5.4.1",
    "tqdm": "4.67.1",
    "networkx": "3.2.1",
    "boto3": "1.28.78",
}
#: Newest release for that Python of what is not there; a newer one cannot be installed.
NEWEST: Dict[str, str] = {"h5py": "3.14.0"}
#: import name -> the distribution that brings it, where they differ
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "botocore": "boto3",
    "s3transfer": "boto3",
}
#: In the standard library now, but not in that Python's.
_TOO_NEW = {"tomllib"}


def script_problems(folder: Path) -> List[str]:
    """Everything about an extracted evaluation script that the worker would trip over."""
    return [*requirement_problems(folder), *nested_requirements(folder), *module_problems(folder)]


def requirement_problems(folder: Path) -> List[str]:
    """What ``requirements.txt`` at the root asks for against the versions that are there."""
    return [problem for _, found in _requirements(folder) for problem in found]


def nested_requirements(folder: Path) -> List[str]:
    """Requirements that would never be installed."""
    return [
        f"{path.relative_to(folder)}: only the one at the root is installed"
        for path in sorted(folder.rglob("requirements.txt"))
        if path != folder / "requirements.txt"
    ]


def module_problems(folder: Path) -> List[str]:
    """Each import against what is there or required, and the syntax against the worker's Python."""
    required: Set[str] = {name for name, _ in _requirements(folder)}
    here = {path.stem if path.suffix else path.name for path in folder.iterdir()}
    problems = []
    for path in sorted(folder.rglob("*.py")):
        problems += _import_problems(path, str(path.relative_to(folder)), required, here)
    return problems


def _requirements(folder: Path) -> List[Tuple[str, List[str]]]:
    """(name, problems) of each requirement."""
    path = folder / "requirements.txt"
    if not path.is_file():
        return []
    texts = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        _requirement_problems(text, f"requirements.txt:{number}")
        for number, text in enumerate(texts, 1)
        if text
    ]


def _requirement_problems(text: str, where: str) -> Tuple[str, List[str]]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        return "", [f"{where}: {text!r} is no requirement: {error}"]
    name = canonicalize_name(requirement.name)
    version = PINS.get(name) or NEWEST.get(name)
    if version is None or requirement.specifier.contains(version, prereleases=True):
        return name, []
    why = "EvalAI's worker pins" if name in PINS else "the newest for the worker's Python is"
    return name, [f"{where}: found {text}, but {why} {name} {version}: the worker cannot load"]


def _import_problems(path: Path, where: str, required: Set[str], here: Set[str]) -> List[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=PYTHON)
    except SyntaxError as error:
        version = ".".join(map(str, PYTHON))
        return [f"{where}:{error.lineno}: not Python {version}: {error.msg}"]
    except (MemoryError, RecursionError):
        return [f"{where}: nests too deep for Python to read it"]
    problems = []
    for line, module in _imports(tree):
        top = module.partition(".")[0]
        distribution = canonicalize_name(_DISTRIBUTIONS.get(top, top))
        if _is_stdlib(top):
            if top in _TOO_NEW:
                problems.append(f"{where}:{line}: {top} is not in the worker's Python")
        elif top in here:
            problems.append(
                f"{where}:{line}: imports {top}: absolute imports of siblings fail on the worker, "
                "import it relatively"
            )
        elif distribution not in PINS and distribution not in required and _is_installed(top):
            problems.append(
                f"{where}:{line}: imports {top}: it is here but not on EvalAI's worker, "
                "add it to requirements.txt"
            )
    return problems


def _is_stdlib(name: str) -> bool:
    if sys.version_info >= (3, 10):
        return name in sys.stdlib_module_names
    if name in sys.builtin_module_names:  # before 3.10 there is no list
        return True
    spec = importlib.util.find_spec(name)
    origin = (spec.origin or "") if spec else ""
    return "-packages" not in origin and origin.startswith((sys.base_prefix, "built", "frozen"))


def _is_installed(name: str) -> bool:
    """What is nowhere fails by itself when the replica runs it."""
    return importlib.util.find_spec(name) is not None


def _imports(tree: ast.AST) -> Iterator[Tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
