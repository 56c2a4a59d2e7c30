"""Rules about the scoring program: whether Codabench can run it, and what is in it."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any, Iterator, List, Tuple

from nlb_evalai.challenge.codabench.program.task import TRUTH_NAME
from nlb_evalai.challenge.codabench.rules.contents import Bundle
from nlb_evalai.challenge.codabench.rules.registry import Fault, check
from nlb_evalai.challenge.rules.limits import MIB
from nlb_evalai.truth.folder import HDF5_SUFFIXES
from nlb_evalai.yamltext import YamlProblem, read_yaml

_METADATA = ("metadata.yaml", "metadata")
_OF_A_SHELL = {"&&", "||", ";", "|", ">", ">>", "<", "cd", "&"}
_DATA = (*HDF5_SUFFIXES, ".nwb", ".mat", ".npz", ".npy")
#: Codabench's names for folders, and what they are there
_FOLDERS = (("$program", "/app/program"), ("$input", "/app/input"), ("$output", "/app/output"))
_NO_MODULE = (SyntaxError, ValueError, OSError, MemoryError, RecursionError)


@check("program-zip", sentence="Each scoring program is a zip that can be read.")
def programs_can_be_read(bundle: Bundle) -> Iterator[Fault]:
    readable = bundle.programs()
    for where, task in bundle.entries("tasks"):
        name = task.get("scoring_program")
        if name in bundle.names and name not in readable and name not in bundle.too_large:
            fault = bundle.program_faults.get(str(name))
            yield f"{where}.scoring_program", f"{name}: {fault or 'cannot be read as a zip'}"


@check("program-command", sentence="metadata.yaml at the program's root has a command that runs.")
def programs_have_a_command(bundle: Bundle) -> Iterator[Fault]:
    for name, folder in bundle.programs().items():
        found = [folder / one for one in _METADATA if (folder / one).is_file()]
        if not found:
            nested = [path for one in _METADATA for path in folder.rglob(one)]
            there = f"it is in {nested[0].parent.relative_to(folder)}/" if nested else "it is not"
            yield (
                name,
                f"metadata.yaml must be at the root of the zip, but {there}: the run would hang to "
                "the time limit",
            )
            continue
        where = f"{name}: {found[0].name}"
        command, fault = _command(found[0])
        if fault:
            yield where, fault
            continue
        shell = [word for word in command if word in _OF_A_SHELL or "&&" in word]
        if shell:
            yield (
                where,
                f"its command has {' '.join(shell)}, and no shell runs it: name one program with "
                "its arguments",
            )
            continue
        for word in command[1:]:
            path = word.replace("$program/", "").replace("/app/program/", "")
            if path.endswith(".py") and not (folder / path).is_file():
                yield where, f"its command runs {word}, which is not in the zip"


def _command(path: Path) -> Tuple[List[str], str]:
    """The words of a command, or why it is none."""
    try:
        found: Any = read_yaml(path.read_bytes())
        command = found.get("command") if isinstance(found, dict) else None
        words = shlex.split(command) if isinstance(command, str) else []
    except (YamlProblem, OSError, ValueError) as error:
        return [], f"cannot be read: {error}"
    if not words:
        return [], "has no command: the run would hang to the time limit"
    return words, ""


@check("program-folders", sentence="The command is told where input and output are.")
def commands_name_input_and_output(bundle: Bundle) -> Iterator[Fault]:
    for name, folder in bundle.programs().items():
        for path in [folder / one for one in _METADATA if (folder / one).is_file()][:1]:
            words, _ = _command(path)
            text = " ".join(words)
            lacking = [one for one, real in _FOLDERS[1:] if not re.search(rf"\{one}|{real}", text)]
            if words and lacking:
                yield (
                    f"{name}: {path.name}",
                    f"its command does not name {' and '.join(lacking)}",
                )


@check("program-syntax", sentence="Every module of a scoring program is Python.")
def modules_are_python(bundle: Bundle) -> Iterator[Fault]:
    seen = set()  # programs of several phases share their modules
    for name, folder in bundle.programs().items():
        for path in sorted(folder.rglob("*.py")):
            try:
                text = path.read_text(encoding="utf-8")
                if text not in seen:
                    ast.parse(text)
                seen.add(text)
            except _NO_MODULE as error:
                yield f"{name}: {path.relative_to(folder)}", f"is no Python: {error}"


@check("program-data", sentence="A scoring program holds no truth and no other data.")
def programs_hold_no_data(bundle: Bundle) -> Iterator[Fault]:
    for name, folder in bundle.programs().items():
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in _DATA:
                yield (
                    f"{name}: {path.relative_to(folder)}",
                    f"is data ({path.stat().st_size / MIB:.1f} MiB): truth belongs into "
                    "reference_data, which nobody can download",
                )


@check("reference-zip", sentence="Reference data are a zip with the truth in it.")
def reference_data_can_be_read(bundle: Bundle) -> Iterator[Fault]:
    held = {inner.partition(": ")[0] for inner, _, _ in bundle.truths()}
    for where, task in bundle.entries("tasks"):
        name = task.get("reference_data")
        if name in bundle.names and name not in bundle.too_large and str(name) not in held:
            yield f"{where}.reference_data", f"{name} is no zip with a file in it"


@check("truth-name", sentence="The truth is where the scoring program looks for it.")
def truth_is_where_it_is_looked_for(bundle: Bundle) -> Iterator[Fault]:
    for where, task in bundle.entries("tasks"):
        name = str(task.get("reference_data"))
        inner = [one.partition(": ")[2] for one, _, _ in bundle.truths() if one.startswith(name)]
        if bundle.told(task) and inner and TRUTH_NAME not in inner:
            yield (
                f"{where}.reference_data",
                f"{name} holds {', '.join(inner[:3])}, expected {TRUTH_NAME}",
            )
