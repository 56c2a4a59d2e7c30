"""An annotation file against the suite and against itself.

Files that the reference wrote carry no attributes and may lack arrays that no metric reads: that
is noted, not a problem.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import h5py
import numpy as np

from evaluation_script.annotation import root_text
from evaluation_script.submission.layout import published_layouts
from evaluation_script.suites import DEFAULT, Suite, SuiteError, find
from evaluation_script.text import printable
from nlb_evalai.errors import NOT_SEEN
from nlb_evalai.truth.checks import CHECKS, Group, official_shapes, unusual
from nlb_evalai.truth.errors import AnnotationFileError
from nlb_evalai.truth.files import read_arrays


@dataclass
class Report:
    """What is wrong (``problems``) and what is only unusual (``notes``), a line each.

    ``suite`` is what the file was held to; None where it is of an unknown one.
    """

    problems: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    suite: Optional[Suite] = None


def check_path(
    path: Path,
    suite: Optional[Suite] = None,
    official: bool = False,
    phase: Optional[str] = None,
) -> Report:
    """Check a file; see :func:`check_file`.

    Raises
    ------
    AnnotationFileError
        If it cannot be opened as HDF5.
    """
    try:
        with h5py.File(path, "r") as file:
            return check_file(file, suite, official, phase)
    except (OSError, RuntimeError) as error:
        raise AnnotationFileError(
            f"{path}:",
            [f"cannot be read as HDF5; is it complete? HDF5 says: {error}"],
            exit_code=NOT_SEEN,
        ) from error


def check_file(
    file: h5py.File,
    suite: Optional[Suite] = None,
    official: bool = False,
    phase: Optional[str] = None,
) -> Report:
    """Everything wrong with an annotation file.

    Parameters
    ----------
    file : h5py.File
    suite : Suite, optional
        Left out, the file says of which suite it is.
    official : bool
        Also hold every array to the shapes of the published datasets.
    phase : str, optional
        Where the file does not say it (or must say so).
    """
    report = Report()
    said, found = root_text(file, "phase"), root_text(file, "suite")
    if said is None:
        report.notes.append("no attributes: the file does not say its phase, suite or sources")
    try:
        report.suite = suite = suite or find(found or DEFAULT)
    except SuiteError as error:
        report.problems.append(f"attribute {error}")
        return report
    if said is not None and said not in [known.codename for known in suite.phases]:
        report.problems.append(f"attribute phase: found {said!r}, not a phase of {suite.name}")
    elif said is not None and phase is not None and said != phase:
        report.problems.append(f"attribute phase: found {said!r}, expected {phase!r}")
    if found is not None and found != suite.name:
        report.problems.append(f"attribute suite: found {found!r}, expected {suite.name!r}")
    phase = phase or said
    if official and phase is None:
        report.problems.append("phase unknown: official shapes differ by phase, please name it")

    known = suite.groups()
    groups = [name for name in known if name in file]
    for name in file:
        if name not in known:
            report.problems.append(f"{printable(name)}: not a group of {suite.name}")
    if not groups:
        report.problems.append(f"no group of {suite.name}")
    trials: Dict[str, Dict[int, Tuple[int, int]]] = {}
    for name in groups:
        dataset, width = known[name]
        group = Group(name, dataset, width, read_arrays(file[name]))
        for one in CHECKS:
            report.problems += [f"{name}/{line}" for line in one(group)]
        if official and phase is not None:
            layout = published_layouts(suite, phase)[name]
            report.problems += [f"{name}/{line}" for line in official_shapes(group, layout)]
        report.notes += [f"{name}/{line}" for line in unusual(group)]
        trials.setdefault(dataset.name, {})[width] = _trials(group)
    for dataset_name, counts in trials.items():
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{n} at {width} ms" for width, n in counts.items())
            report.problems.append(f"{dataset_name}: (train, eval) trials differ: {found}")
        for width in suite.bin_widths(suite.dataset(dataset_name)):
            if width not in counts:
                report.notes.append(f"{dataset_name}: no group for {width} ms")
    return report


def _trials(group: Group) -> Tuple[int, int]:
    def count(side: str, *names: str) -> int:
        for name in names:
            value = group.arrays.get(f"{side}_{name}")
            if isinstance(value, np.ndarray) and value.ndim:
                return len(value)
        return 0

    return count("train", "behavior"), count("eval", "spikes_heldout", "behavior")
