"""Snapshots of ``bundle check``: which rules each broken bundle breaks, and in which words."""

from __future__ import annotations

import copy
import json
import re
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List

import h5py

from tests.nlb_evalai.challenge.evalai.rules import (
    test_archive,
    test_boards,
    test_config,
    test_diff,
    test_pages,
    test_script,
    test_suites,
    test_truth,
)
from tests.nlb_evalai.challenge.evalai.rules.parts import Parts, write_broken

from .entry import OLD, command, plain_lines, said, succeeded

FAMILIES = (
    test_archive, test_boards, test_config, test_pages, test_script, test_suites, test_truth,
)  # fmt: skip
UPDATES = (
    test_diff.relabel,
    test_diff.new_codename,
    test_diff.show_val,
    test_diff.add_a_phase_split,
    test_diff.drop_a_phase_split,
    test_diff.drop_a_phase,
)
#: stands for the scorer where a rule is about something else, with the suites alone; the real one
#: takes long to look at
_SCRIPT = {"__init__.py": b"def evaluate(*args, **kwargs):\n    pass\n"}


def own_bundle(folder: Path) -> Path:
    """The project's own bundle, with truth that is not the sample's."""
    truth = folder / "truth"
    truth.mkdir()
    for phase in ("val", "test"):
        with h5py.File(truth / f"{phase}.h5", "w") as file:
            file.attrs["phase"] = phase
    path = folder / "own.zip"
    succeeded("bundle", "build", "--annotations", truth, "--out", path)
    return path


def broken(folder: Path) -> Dict[str, Any]:
    """The findings of every bundle of the tables, and of every forbidden update."""
    own = own_bundle(folder)
    whole = Parts(own)
    small = copy.deepcopy(whole)
    suites = {n: text for n, text in whole.script.items() if n.startswith("suites/")}
    small.script = {**_SCRIPT, **suites}
    found: Dict[str, Any] = {
        "own": _findings(folder, own),
        "own, in words": said(command("bundle", "check", own), folder),
        "without the scorer": _findings(folder, small.write(folder / "bundle.zip")),
        "of an earlier version": _findings(folder, OLD / "bundle.zip"),
    }
    for family in FAMILIES:
        base = whole if family is test_script else small
        for case in family.TABLE:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a member twice
                path = write_broken(case, copy.deepcopy(base), folder)
            name = f"{family.__name__.rpartition('.test_')[2]}: {case.change.__name__}"
            found[name] = _findings(folder, path)
    live = small.write(folder / "live.zip")
    for change in UPDATES:
        parts = copy.deepcopy(small)
        change(parts)
        path = parts.write(folder / "bundle.zip")
        found[f"update: {change.__name__}"] = _findings(folder, path, "--diff", live)
    return found


def _findings(folder: Path, path: Path, *arguments: object) -> List[str]:
    """One line for each finding, and the exit code."""
    ran = command("bundle", "check", path, "--json", *arguments)
    report = json.loads(ran.out)
    lines = [
        "{severity} [{code}] {location}: {message}".format(**finding)
        for finding in report["findings"]
    ]
    lines.append(f"exit {ran.code}, fit {report['fit']}")
    return list(dict.fromkeys(_lasting(line) for line in plain_lines("\n".join(lines), folder)))


def _lasting(line: str) -> str:
    """A line without what passes: in which module of ours it stands, a Python's own words."""
    line = re.sub(r"evaluation_script/[\w/]+\.py:\d+: imports", "a module imports", line)
    return re.sub("(not Python 3.9: ).*", r"\1...", line)


#: name of the snapshot -> what collects it, given an empty folder
SNAPSHOTS: Dict[str, Callable[[Path], Any]] = {"bundles": broken}
