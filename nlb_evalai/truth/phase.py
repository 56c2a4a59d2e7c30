"""Of which phase a truth file is: as its attribute says, as people say, or as its shapes tell."""

from __future__ import annotations

from pathlib import Path
from typing import List, Mapping, Optional

import h5py

from evaluation_script.annotation import Annotation, root_text
from evaluation_script.arrays import Axis
from evaluation_script.storage import is_pointer, read_pointer
from evaluation_script.submission.layout import Layout, published_layouts
from evaluation_script.suites import DEFAULT, Suite, find
from nlb_evalai.errors import ToolError


def suite_of_truth(path: Path, suite: Optional[Suite] = None) -> Suite:
    """The suite that a truth file says it is of, unless one is given.

    Raises
    ------
    SuiteError
        If nobody knows that suite.
    ToolError
        If the file is no HDF5 that can be read.
    """
    if suite is not None or is_pointer(path):
        return suite or find(DEFAULT)
    return find(_attribute(path, "suite") or DEFAULT)


def phase_of_truth(path: Path, suite: Suite, named: Optional[str] = None) -> str:
    """The codename of a truth file's phase.

    It comes from ``named``, from the file's attribute (files of the reference have none), from the
    files that are known to be published, or from the shapes where they fit one phase only.

    Raises
    ------
    ToolError
        If the suite has no such phase, the file says otherwise, or several phases fit; they are
        named then.
    AnnotationError
        If the file is not laid out as ground truth.
    """
    known = [phase.codename for phase in suite.phases]
    if named is not None and named not in known:
        raise ToolError(f"phase: found {named!r}, expected one of {', '.join(known)}")
    if is_pointer(path):
        said: Optional[str] = read_pointer(path).phase
    else:
        said = _attribute(path, "phase")
    if said is not None and named is not None and said != named:
        raise ToolError(f"{path}: holds the truth of phase {said!r}, expected {named!r}")
    if said is not None and said not in known:
        raise ToolError(f"{path}: its phase is {said!r}, expected one of {', '.join(known)}")
    chosen = named or said
    if chosen is not None:
        return chosen
    with Annotation(path, known[0], suite) as annotation:
        published = annotation.published
        if published is not None:
            return published.phase
        fitting = [name for name in known if _fits(annotation.layouts, suite, name)]
    if len(fitting) != 1:
        which = " and ".join(fitting or known)
        raise ToolError(
            f"{path}: does not say its phase, and its shapes "
            f"{'fit' if fitting else 'are of none that is published'}"
            f"{' ' + which if fitting else ''}: add --phase ({' or '.join(fitting or known)})"
        )
    return fitting[0]


def _fits(found: Mapping[str, Layout], suite: Suite, phase: str) -> bool:
    """Whether every published figure is the file's, and a number of eval trials among them."""
    published = published_layouts(suite, phase)
    trials: List[bool] = []
    for group, layout in found.items():
        for axis in Axis:
            expected, length = published[group].size(axis), layout.size(axis)
            if expected is not None and length is not None and expected != length:
                return False
        trials.append(published[group].size(Axis.EVAL_TRIALS) is not None)
    return any(trials)


def _attribute(path: Path, name: str) -> Optional[str]:
    try:
        with h5py.File(path, "r") as file:
            return root_text(file, name)
    except OSError as error:
        raise ToolError(f"{path}: cannot be read as HDF5: {error}") from None
