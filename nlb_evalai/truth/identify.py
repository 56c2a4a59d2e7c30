"""What a file is: a published one by its hash, or a session, truth, submission by its structure.

Nothing here fails on a file that is something else: that is what it then says.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import h5py
import numpy as np

from evaluation_script.annotation import Annotation, root_text
from evaluation_script.arrays import PARTS, RATE_ARRAYS, SPIKES
from evaluation_script.errors import AnnotationError
from evaluation_script.files import file_sha256
from evaluation_script.storage import is_pointer
from evaluation_script.submission.layout import Layout, published_layouts
from evaluation_script.suites import Suite, SuiteError, find, names
from evaluation_script.text import plural, printable
from nlb_evalai.foreign import foreign
from nlb_evalai.lfs import LfsPointer, read_lfs_pointer
from nlb_evalai.truth.errors import SessionError
from nlb_evalai.truth.known import TRUTH, KnownFile, by_content, by_size, known_files
from nlb_evalai.truth.nwb import TRIALS, UNITS
from nlb_evalai.truth.series import find_series
from nlb_evalai.truth.sessions import SPLIT, columns, fitting

_INPUTS = ("train_spikes_heldin", "eval_spikes_heldin")
#: a table with more rows is looked at no further
_MOST_ROWS = 1_000_000


class Kind(Enum):
    """What a file is; the value names it in a sentence."""

    RECORDING = "NWB session"
    TRUTH = "ground truth"
    SUBMISSION = "submission"
    INPUTS = "model inputs"
    TRUTH_POINTER = "pointer to ground truth"
    LFS_POINTER = "Git LFS pointer"
    OTHER = "something else"


@dataclass(frozen=True)
class Identity:
    """What a file is.

    Attributes
    ----------
    kind : Kind
    words : str
        What it is, as the rest of a sentence that begins with its name.
    notes : tuple of str
        What else is to be said, a sentence each.
    known : KnownFile, optional
        The published file that it is, by its hash; or that a Git LFS pointer stands for.
    sha256 : str, optional
        Where it was asked for.
    suite, phases, datasets : str and tuples of str
        As far as its structure tells: ``phases`` are all whose published shapes it has, and
        ``datasets`` of a session all that it may be of.
    pointer : LfsPointer, optional
    """

    kind: Kind
    words: str
    notes: Tuple[str, ...] = ()
    known: Optional[KnownFile] = None
    sha256: Optional[str] = None
    suite: str = ""
    phases: Tuple[str, ...] = ()
    datasets: Tuple[str, ...] = ()
    pointer: Optional[LfsPointer] = field(default=None, repr=False)


def what_is(path: Path, by_hash: bool = True) -> Identity:
    """What a file is.

    Parameters
    ----------
    path : Path
    by_hash : bool
        Look it up among the published files by its hash, which reads all of it. Its structure is
        told either way.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        return Identity(Kind.OTHER, "a folder" if stat.S_ISDIR(mode) else "no regular file")
    found = _by_structure(path)
    digest = file_sha256(path) if by_hash else None
    known = found.known or (by_content(digest) if digest else None)
    words, notes = found.words, list(found.notes)
    if found.pointer is None:
        if known is not None:
            words = f"{known.name}: {known.what} ({known.file}, version {known.version})"
            notes[:0] = [f"it is {found.words}"]
            if known.replaced:
                words += f"; {known.replaced}"
            elif known.kind == TRUTH:
                notes.append("it is public: scores on it are not scores on hidden truth")
        else:
            notes += _likeness(path)
    return Identity(
        **{**vars(found), "words": words, "notes": tuple(notes), "known": known, "sha256": digest}
    )


def _likeness(path: Path) -> List[str]:
    """What size and name say where no hash does."""
    like = by_size(path.stat().st_size)
    if like is not None:
        said = f"; {like.replaced}" if like.replaced else ""
        return [f"by its size it is {like.name}, whose hash was never seen{said}"]
    gone = [one for one in known_files() if one.replaced]
    current = {one.file for one in known_files() if not one.replaced}
    for one in gone:
        if one.file == path.name and one.file not in current:
            return [f"by its name it is {one.name}; {one.replaced}"]
    return []


def _by_structure(path: Path) -> Identity:
    pointer = read_lfs_pointer(path)
    if pointer is not None:
        known = by_content(pointer.sha256)
        of = f" of {known.name}" if known else ""
        return Identity(
            Kind.LFS_POINTER, f"{pointer}{of and f'; the file is that{of}'}",
            known=known, pointer=pointer,
        )  # fmt: skip
    if is_pointer(path):
        return Identity(Kind.TRUTH_POINTER, "a pointer to ground truth that lies elsewhere")
    if not h5py.is_hdf5(path):
        found = foreign(path)
        return Identity(
            Kind.OTHER, found.words if found else "no HDF5 and nothing else of the benchmark"
        )
    try:
        with h5py.File(path, "r") as file:
            return _by_contents(path, file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        return Identity(
            Kind.OTHER, f"HDF5 that is damaged or not complete: {printable(error, most=200)}"
        )


def _by_contents(path: Path, file: h5py.File) -> Identity:
    if isinstance(_node(file, UNITS), h5py.Group) or root_text(file, "nwb_version"):
        return _session(file)
    for suite in _suites(file):
        groups = {
            name: node
            for name in suite.groups()
            for node in [_node(file, name)]
            if isinstance(node, h5py.Group)
        }
        held = {name for group in groups.values() for name in group}
        if held & set(RATE_ARRAYS):
            return _submission(suite, groups)
        if held & set(_INPUTS):  # before truth: inputs of a public phase have held-out spikes too
            return _inputs(file, suite, groups)
        if SPIKES.name in held:
            return _truth(path, file, suite, groups)
    found = ", ".join(printable(name, most=40) for name in list(file)[:8]) or "nothing"
    return Identity(Kind.OTHER, f"HDF5 that is nothing of the benchmark; it holds {found}")


def _node(parent: h5py.Group, name: str) -> object:
    """What lies there, but not in another file."""
    try:
        if isinstance(parent.get(name, getlink=True), h5py.ExternalLink):
            return None
        return parent.get(name)
    except (KeyError, OSError, RuntimeError):
        return None


def _suites(file: h5py.File) -> List[Suite]:
    said = root_text(file, "suite")
    try:
        return [find(said)] if said else [find(name) for name in names()]
    except SuiteError:
        return []


# -- truth and submissions -----------------------------------------------------------------------


def _truth(path: Path, file: h5py.File, suite: Suite, groups: Mapping[str, h5py.Group]) -> Identity:
    said = root_text(file, "phase")
    codenames = [phase.codename for phase in suite.phases]
    phases: List[str] = []
    notes = []
    try:
        with Annotation(path, said or codenames[0], suite) as annotation:
            phases = [p for p in codenames if _has_shapes(suite, p, annotation.layouts)]
    except AnnotationError as error:
        notes.append(f"it cannot be scored with: {error.detail}")
    if said is not None:
        if said not in codenames:
            notes.append(f"its phase {printable(said, most=40)!r} is none of {suite.name}")
        elif said not in phases and not notes:
            notes.append(f"its shapes are not the published ones of phase {said}")
        phases, of = [said], f"of {suite.name}, phase {printable(said, most=40)}"
    else:
        shapes = "" if notes else f", {_phases(phases)}"
        of = f"of {suite.name}; it does not say its phase{shapes}"
    notes.append(_which(suite, groups))
    return Identity(
        Kind.TRUTH, f"ground truth {of}", tuple(notes), suite=suite.name, phases=tuple(phases)
    )


def _submission(suite: Suite, groups: Mapping[str, h5py.Group]) -> Identity:
    phases = [
        phase.codename
        for phase in suite.phases
        if all(_fits(node, layout) for node, layout in _with_layouts(suite, phase.codename, groups))
    ]
    words = f"a submission to {suite.name}; {_phases(phases)}"
    notes = (_which(suite, groups),)
    return Identity(Kind.SUBMISSION, words, notes, suite=suite.name, phases=tuple(phases))


def _inputs(file: h5py.File, suite: Suite, groups: Mapping[str, h5py.Group]) -> Identity:
    said = root_text(file, "phase")
    of = f", phase {printable(said, most=40)}" if said else ""
    return Identity(
        Kind.INPUTS, f"model inputs of {suite.name}{of}; there is nothing to score in them",
        (_which(suite, groups),), suite=suite.name, phases=(said,) if said else (),
    )  # fmt: skip


def _with_layouts(
    suite: Suite, phase: str, groups: Mapping[str, h5py.Group]
) -> List[Tuple[h5py.Group, Layout]]:
    layouts = published_layouts(suite, phase)
    return [(node, layouts[name]) for name, node in groups.items()]


def _fits(group: h5py.Group, layout: Layout) -> bool:
    """Whether the rates have the published shapes, as far as these are known."""
    for part in PARTS:
        for array in part.arrays:
            shape = getattr(_node(group, array.name), "shape", None)
            if shape is not None and not _same(shape, layout.shape(array)):
                return False
    return True


def _has_shapes(suite: Suite, phase: str, layouts: Mapping[str, Layout]) -> bool:
    published = published_layouts(suite, phase)
    return all(
        _same([layout.sizes[axis]], [published[group].sizes.get(axis)])
        for group, layout in layouts.items()
        for axis in layout.sizes
    )


def _same(found: Sequence[Optional[int]], expected: Sequence[Optional[int]]) -> bool:
    return len(found) == len(expected) and all(
        None in (one, other) or one == other for one, other in zip(found, expected)
    )


def _phases(phases: Sequence[str]) -> str:
    if not phases:
        return "its shapes are the published ones of no phase"
    return f"its shapes are those of phase {' or '.join(phases)}"


def _which(suite: Suite, groups: Mapping[str, h5py.Group]) -> str:
    """Which groups there are of those there could be."""
    missing = [name for name in suite.groups() if name not in groups]
    if not missing:
        return f"it has all {len(groups)} groups"
    return f"it has {', '.join(groups)}; without {', '.join(missing)}"


# -- sessions ------------------------------------------------------------------------------------


def _session(file: h5py.File) -> Identity:
    trials, units = _node(file, TRIALS), _node(file, UNITS)
    if not isinstance(trials, h5py.Group) or not isinstance(units, h5py.Group):
        lacking = TRIALS if isinstance(units, h5py.Group) else UNITS
        return Identity(
            Kind.RECORDING, f"an NWB session without a table {lacking!r}: none of the benchmark"
        )
    found = {"end_time" if name == "stop_time" else name for name in trials}
    heldin, heldout = _count_units(units)
    datasets = []
    for suite in _suites(file):
        datasets = _datasets(suite, file, found, heldin, heldout)
        if datasets:
            break
    of = " or ".join(datasets) or "no dataset of the benchmark"
    notes = [
        f"it holds {plural(heldin, 'held-in unit')} and {plural(heldout, 'held-out unit')}, "
        f"and trials {_count_splits(trials)}"
    ]
    if datasets and not heldout:
        notes.append("it has held-in units alone: it gives model inputs, and no ground truth")
    return Identity(
        Kind.RECORDING, f"an NWB session of {of}", tuple(notes), datasets=tuple(datasets)
    )


def _count_units(units: h5py.Group) -> Tuple[int, int]:
    node = _node(units, "heldout")
    if not isinstance(node, h5py.Dataset) or node.ndim != 1 or len(node) > _MOST_ROWS:
        return 0, 0
    heldout = node[()].astype(bool)
    return int((~heldout).sum()), int(heldout.sum())


def _count_splits(trials: h5py.Group) -> str:
    node = _node(trials, SPLIT)
    if not isinstance(node, h5py.Dataset) or node.ndim != 1 or len(node) > _MOST_ROWS:
        return "of no split"
    if not h5py.check_string_dtype(node.dtype):
        return "of no split"
    values, counts = np.unique(node.asstr("utf-8", "replace")[()].astype(str), return_counts=True)
    shown = [f"{count} {printable(value, most=20)}" for value, count in zip(values, counts)]
    return ", ".join(shown[:8])


def _datasets(suite: Suite, file: h5py.File, found: set, heldin: int, heldout: int) -> List[str]:
    """The datasets whose sessions look like this; one, where counts of units tell them apart."""
    try:
        series = {name for name, _ in find_series(file)}
    except SessionError:
        series = set()
    fits = fitting(suite, found, series) if heldout else []
    if not fits:
        # test files have few columns: those with the most in common, else every session is mc_rtt
        needs = {
            dataset.name: columns(dataset, targets=False)
            for dataset in suite.datasets
            if dataset.session is not None and columns(dataset, targets=False) <= found
        }
        most = max(map(len, needs.values()), default=0)
        fits = [name for name, needed in needs.items() if len(needed) == most]
    counted: Dict[str, bool] = {}
    for name in fits:
        published = suite.dataset(name).published
        counted[name] = (published.n_heldin, published.n_heldout if heldout else 0) == (
            heldin,
            heldout,
        )
    exact = [name for name in fits if counted[name]]
    return exact or fits
