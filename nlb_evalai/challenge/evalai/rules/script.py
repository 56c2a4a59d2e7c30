"""Rules about evaluation_script.zip: whether the worker can load it, and live with it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple

from nlb_evalai.challenge.evalai.replica.pins import (
    module_problems,
    nested_requirements,
    requirement_problems,
)
from nlb_evalai.challenge.evalai.rules.contents import Bundle
from nlb_evalai.challenge.evalai.rules.registry import Fault, check
from nlb_evalai.challenge.rules.finding import WARNING

#: what parsing a file raises; endless nesting is a MemoryError or a RecursionError
_NO_MODULE = (SyntaxError, ValueError, OSError, MemoryError, RecursionError)
_ARGUMENTS = ("test_annotation_file", "user_submission_file", "phase_codename")


def _name(bundle: Bundle) -> str:
    return str(bundle.config.get("evaluation_script"))


@check("script-archive")
def the_script_can_be_read(bundle: Bundle) -> Iterator[Fault]:
    name = _name(bundle)
    if name in bundle.names and bundle.script is None and name not in bundle.too_large:
        fault = bundle.script_fault
        yield name, fault or "cannot be read as a zip with files in it; build the bundle again"


@check("script-root", sentence="The script's __init__.py is at the root of its zip.")
def the_script_is_at_the_root(bundle: Bundle) -> Iterator[Fault]:
    folder = bundle.script
    if folder is None or (folder / "__init__.py").is_file():
        return
    tops = sorted(path.name for path in folder.iterdir())
    found = f"all is in {tops[0]}/" if len(tops) == 1 else "it is not there"
    yield (
        _name(bundle),
        f"__init__.py must be at its root, but {found}: EvalAI loads such a zip, and then fails "
        "every submission. Zip the folder's content, not the folder",
    )


@check("script-evaluate")
def the_script_exposes_evaluate(bundle: Bundle) -> Iterator[Fault]:
    tree = _tree(bundle, "__init__.py")
    if tree is not None and not _exposed(tree):
        yield f"{_name(bundle)}: __init__.py", "must expose evaluate: import or define it there"


@check("script-signature", sentence="The script's evaluate takes what EvalAI gives it.")
def evaluate_takes_what_is_given(bundle: Bundle) -> Iterator[Fault]:
    found = _definition(bundle)
    if found is None:
        return
    where, function = found
    arguments = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    takes = len(arguments) >= len(_ARGUMENTS) or function.args.vararg is not None
    required = len(arguments) - len(function.args.defaults)
    if not takes or required > len(_ARGUMENTS) or function.args.kwarg is None:
        yield (
            where,
            f"evaluate is called with ({', '.join(_ARGUMENTS)}, submission_metadata=...): "
            "take these three arguments and **kwargs",
        )


@check("script-requirements")
def requirements_fit_the_worker(bundle: Bundle) -> Iterator[Fault]:
    yield from _located(bundle, requirement_problems)


@check("script-nested-requirements")
def requirements_are_at_the_root(bundle: Bundle) -> Iterator[Fault]:
    yield from _located(bundle, nested_requirements)


@check("script-modules")
def modules_can_be_imported_there(bundle: Bundle) -> Iterator[Fault]:
    yield from _located(bundle, module_problems)


@check("script-exit")
def the_script_does_not_end_the_worker(bundle: Bundle) -> Iterator[Fault]:
    for where, line, name in bundle.once(_risky):
        if name in _EXITS and _ELSEWHERE not in line:
            yield (
                where,
                f"{name}() kills EvalAI's worker, and the submission stays running for ever: raise "
                "an exception (or, where this runs in a process of its own, add the comment "
                f"`{_ELSEWHERE}`)",
            )


@check("script-fileno", WARNING)
def the_script_does_not_need_real_streams(bundle: Bundle) -> Iterator[Fault]:
    for where, _, name in bundle.once(_risky):
        if name in _FILENOS:
            yield (
                where,
                f"{name}: there, sys.stdout and sys.stderr are objects without fileno",
            )


_ELSEWHERE = "# not in the worker"
_EXITS = {"sys.exit", "os._exit", "os.abort", "exit", "quit"}
_MOST_DOTS = 2
_FILENOS = {"sys.stdout.fileno", "sys.stderr.fileno"}


def _risky(bundle: Bundle) -> List[Tuple[str, str, str]]:
    """(where, the line, what it names) of each call that ends a process, and each ``fileno``."""
    found = []
    for where, lines, tree in _worker_modules(bundle):
        for node in ast.walk(tree):
            if not isinstance(node, (ast.Call, ast.Attribute)):
                continue
            called = isinstance(node, ast.Call)
            name = _dotted(node.func if isinstance(node, ast.Call) else node)
            if name in (_EXITS if called else _FILENOS):
                found.append((f"{where}:{node.lineno}", lines[node.lineno - 1], name))
    return found


@check("script-data", WARNING)
def the_script_holds_no_data(bundle: Bundle) -> Iterator[Fault]:
    for path in _files(bundle, "*"):
        if path.suffix.lower() in (".h5", ".hdf5", ".nwb", ".mat", ".npz", ".npy"):
            yield (
                f"{_name(bundle)}: {_relative(bundle, path)}",
                "data in the evaluation script: name the truth as a phase's test_annotation_file, "
                "and leave everything else out",
            )


# ---- how the script is read -------------------------------------------------------------------


def _located(bundle: Bundle, problems: Callable[[Path], List[str]]) -> Iterator[Fault]:
    if bundle.script is None:
        return
    try:
        found = problems(bundle.script)
    except _NO_MODULE as error:
        found = [f"a file is no Python, or no text: {error}"]
    for problem in found:
        where, _, message = problem.partition(": ")
        yield f"{_name(bundle)}: {where}", message


def _files(bundle: Bundle, pattern: str) -> List[Path]:
    if bundle.script is None:
        return []
    return sorted(path for path in bundle.script.rglob(pattern) if path.is_file())


def _relative(bundle: Bundle, path: Path) -> str:
    assert bundle.script is not None
    return path.relative_to(bundle.script).as_posix()


def _parse(path: Path) -> Optional[ast.Module]:
    """None if it is no Python, which ``script-modules`` reports."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except _NO_MODULE:
        return None


def _tree(bundle: Bundle, name: str) -> Optional[ast.Module]:
    return _parse(bundle.script / name) if bundle.script is not None else None


def _worker_modules(bundle: Bundle) -> Iterator[Tuple[str, List[str], ast.Module]]:
    """(where, lines, tree) of what runs in the worker's process.

    A ``__main__.py`` is a process of its own; so is a line that says so in a comment.
    """
    for path in _files(bundle, "*.py"):
        tree = _parse(path)
        if tree is not None and path.name != "__main__.py":
            lines = path.read_text(encoding="utf-8").splitlines()
            yield f"{_name(bundle)}: {_relative(bundle, path)}", lines, tree


def _exposed(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if any((alias.asname or alias.name) in ("evaluate", "*") for alias in node.names):
                return True
        elif "evaluate" in (getattr(node, "name", None), getattr(node, "id", None)):
            return True
    return False


def _definition(bundle: Bundle) -> Optional[Tuple[str, ast.FunctionDef]]:
    """Where ``evaluate`` is defined: in ``__init__.py``, or in the module it comes from."""
    tree = _tree(bundle, "__init__.py")
    if tree is None:
        return None
    places = [("__init__.py", tree)]
    for node in tree.body:
        if not isinstance(node, ast.ImportFrom) or node.level != 1 or not node.module:
            continue
        if any(alias.name == "evaluate" for alias in node.names):
            name = node.module.replace(".", "/") + ".py"
            places.append((name, _tree(bundle, name) or ast.Module([], [])))
    for name, module in places:
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name == "evaluate":
                return f"{_name(bundle)}: {name}:{node.lineno}", node
    return None


def _dotted(node: ast.AST) -> str:
    names: List[str] = []
    while isinstance(node, ast.Attribute) and len(names) < _MOST_DOTS:
        names.append(node.attr)
        node = node.value
    names.append(node.id if isinstance(node, ast.Name) else "?")
    return ".".join(reversed(names))
