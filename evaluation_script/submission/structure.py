"""What a participant sent: its structure judged whole, every problem named at once.

The file itself is only ever touched by the reader; here its description is held against the
layouts that the phase asks for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Set

import numpy as np

from ..arrays import PARTS, RATE_ARRAYS, TRAIN, Axis, Part, RateArray
from ..errors import SubmissionError
from ..reader.process import ReaderProcess
from ..suites import Suite
from ..text import did_you_mean, printable
from .layout import Layout
from .plan import Block, blocks_of

#: gzip, shuffle, checksum, LZF: what h5py, MATLAB, Julia and R write without plug-ins
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
MAX_CHUNK_BYTES = 32 << 20
_MAX_CHUNKS = 1 << 20
#: held-in neurons where neither the truth nor the suite tells their number: a decoder's second
#: moments grow with its square, and scorer and reader stay under 640 MiB with as many
_MAX_NEURONS = 1536
_FILL = "the file's fill value (0 if it names none, or has it never filled in)"
_MAX_LENGTH = 1 << 20
_MAX_ROOT_MEMBERS = 256


@dataclass
class Inspection:
    """The structure of a submission, judged.

    ``layouts`` are those of the groups that will be scored, with lengths filled in from the
    submission where the truth did not tell them. ``parts`` says which parts each group brings,
    ``not_negative`` which arrays (``group/name``) must hold no negative rate. ``absent_truth`` are
    valid groups that the phase's truth does not hold.
    """

    layouts: Dict[str, Layout] = field(default_factory=dict)
    parts: Dict[str, List[Part]] = field(default_factory=dict)
    not_negative: Set[str] = field(default_factory=set)
    absent_truth: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    plan: List[Block] = field(default_factory=list)


def _name(name: object) -> str:
    """A name from the file, fit to be shown."""
    return printable(name, most=60)


def inspect(reader: ReaderProcess, suite: Suite, layouts: Mapping[str, Layout]) -> Inspection:
    """Check a submission's structure and plan the reading of it.

    Parameters
    ----------
    reader : ReaderProcess
    suite : Suite
    layouts : mapping of str to Layout
        What to expect in each group that the phase's truth holds.

    Raises
    ------
    SubmissionError
        Naming every structural problem.
    """
    known = suite.groups()
    facts = reader.describe(dict.fromkeys(known, RATE_ARRAYS))
    inspection = Inspection()
    problems = _root_problems(facts, known)
    for group in known:
        if group not in facts["groups"]:
            continue
        if not _is_real(facts["groups"][group], "group"):
            problems.append(f"{group}: found {_kind(facts['groups'][group])}, expected a group")
            continue
        if group not in layouts:
            inspection.absent_truth.append(group)
            continue
        inspector = _GroupInspector(group, layouts[group], facts["groups"][group])
        inspector.run()
        problems += inspector.problems
        inspection.notes += inspector.notes
        if not inspector.problems:
            inspection.layouts[group] = inspector.layout
            inspection.parts[group] = inspector.parts
            inspection.not_negative |= inspector.not_negative()
            inspection.plan += blocks_of(group, inspector.parts, inspector.arrays)
    if not problems and not inspection.layouts:
        problems.append(_nothing_to_score(inspection.absent_truth, layouts))
    if problems:
        raise SubmissionError(problems)
    for group in inspection.absent_truth:
        inspection.notes.append(f"{group}: left out, this phase does not score it")
    return inspection


def _root_problems(facts: Mapping[str, Any], known: Iterable[str]) -> List[str]:
    problems = []
    if facts["members"] > _MAX_ROOT_MEMBERS:
        return [f"{facts['members']} top-level groups found, expected dataset names only"]
    for name in facts["other"]:
        hint = did_you_mean(name, known)
        problems.append(f"{_name(name)}: not a dataset of this benchmark{hint}")
    return problems


def _nothing_to_score(absent: Sequence[str], scored: Iterable[str]) -> str:
    expected = f"expected one or more of the groups {', '.join(scored)}"
    if absent:
        return f"nothing to score: this phase does not score {', '.join(absent)}; {expected}"
    return f"nothing to score: the file holds no dataset of this benchmark; {expected}"


def _is_real(facts: Mapping[str, Any], kind: str) -> bool:
    return bool(facts["link"] == "hard" and facts["kind"] == kind)


def _kind(facts: Mapping[str, Any]) -> str:
    if facts["link"] != "hard":
        return f"a link ({facts['link']}); links are not followed"
    return f"a {facts['kind']}"


class _GroupInspector:
    """Judges one group of a submission against its layout."""

    def __init__(self, group: str, layout: Layout, facts: Mapping[str, Any]) -> None:
        self.group = group
        self.layout = layout
        self.facts = facts
        self.problems: List[str] = []
        self.notes: List[str] = []
        self.parts: List[Part] = []
        self.arrays: Dict[str, Mapping[str, Any]] = {}

    def run(self) -> None:
        """Collect problems, notes and parts."""
        self.arrays = dict(self.facts["arrays"])
        self._note_ignored()
        for part in self.layout.required():
            self._require(part)
        for part in (part for part in PARTS if part not in self.layout.required()):
            self._take_if_whole(part)
        self.parts.sort(key=PARTS.index)
        used = [a for part in self.parts for a in part.arrays if a.name in self.arrays]
        self._expect_published()
        for axis in Axis:
            if axis is not Axis.NEURONS and self.layout.size(axis) is None:
                self._settle(axis, used)
        for array in used:
            problem = self._array_problem(array)
            if problem:
                self.problems.append(f"{self.group}/{array.name}: {problem}")
            else:
                self._note_unwritten(array.name)

    def not_negative(self) -> Set[str]:
        """The arrays, as ``group/name``, that must hold no negative rate."""
        arrays = [array for part in self.parts for array in part.arrays]
        return {f"{self.group}/{a.name}" for a in arrays if self.layout.must_not_be_negative(a)}

    def _note_unwritten(self, name: str) -> None:
        facts = self.arrays[name]
        written = facts["chunks_written"]
        if written is not None:
            count = math.prod(-(-n // size) for n, size in zip(facts["shape"], facts["chunks"]))
            if written < count:
                self.notes.append(
                    f"{self.group}/{name}: {count - written} of {count} chunks were never "
                    f"written; they count as {_FILL}"
                )
        elif facts["stored_bytes"] == 0:
            self.notes.append(
                f"{self.group}/{name}: was never written; all of it counts as {_FILL}"
            )

    def _note_ignored(self) -> None:
        other = self.facts["other"]
        if other:
            names = ", ".join(_name(name) for name in other[:5])
            more = self.facts["members"] - len(self.arrays) - len(other[:5])
            rest = f" and {more} more" if more > 0 else ""
            self.notes.append(f"{self.group}: ignored, not used by this benchmark: {names}{rest}")

    def _require(self, part: Part) -> None:
        self.parts.append(part)
        for array in part.arrays:
            if array.name not in self.arrays:
                self.problems.append(f"{self.group}: {array.name} is missing (required)")

    def _take_if_whole(self, part: Part) -> None:
        """Take a part that may be left out; half of it is a fault, or of no use."""
        heldin, heldout = part.heldin.name, part.heldout.name
        found = [name for name in (heldin, heldout) if name in self.arrays]
        if not found:
            return
        if part is TRAIN and not self.layout.readers(part):
            self.notes.append(f"{self.group}: {' and '.join(found)} not needed, not read")
        elif not self.layout.readers(part):
            self.notes.append(f"{self.group}: {part.title} ignored, none are scored here")
        elif len(found) == 2:
            self.parts.append(part)
        elif heldin in found:
            self.problems.append(f"{self.group}: {heldout} is missing (required beside {heldin})")
        else:
            self.notes.append(f"{self.group}: {heldout} ignored, since {heldin} is missing")

    def _expect_published(self) -> None:
        """Held-in neurons that the truth does not tell are those of the published session.

        Unless its held-out neurons are others, or there are none: then it may be of a sample, or of
        another session.
        """
        figures, sizes = self.layout.dataset.published, self.layout.sizes
        n_heldout = self.layout.size(Axis.HELDOUT)
        is_published = bool(n_heldout) and n_heldout == figures.n_heldout
        if self.layout.size(Axis.HELDIN) is None and is_published and figures.n_heldin:
            self.layout = replace(self.layout, sizes={**sizes, Axis.HELDIN: figures.n_heldin})

    def _settle(self, axis: Axis, used: Sequence[RateArray]) -> None:
        """Where the truth does not tell the length of an axis, the arrays must agree on it."""
        counts = {}
        for array in used:
            shape = self.arrays[array.name].get("shape")
            if axis in array.axes and shape and len(shape) == 3:
                counts[array.name] = shape[array.axes.index(axis)]
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            self.problems.append(f"{self.group}: numbers of {axis.value} differ: {listed}")
        elif counts:
            count = next(iter(counts.values()))
            most = _MAX_NEURONS if axis is Axis.HELDIN else _MAX_LENGTH
            if not 1 <= count <= most:
                self.problems.append(f"{self.group}: {count} {axis.value}, expected 1 to {most}")
            self.layout = replace(self.layout, sizes={**self.layout.sizes, axis: count})

    def _array_problem(self, array: RateArray) -> Optional[str]:
        """The first thing wrong with an array, each check resting on those before it."""
        facts = self.arrays[array.name]
        return (
            _element_problem(facts)
            or _shape_problem(facts["shape"], self.layout, array)
            or _chunk_or_filter_problem(facts)
        )


def storage_problem(facts: Mapping[str, Any]) -> Optional[str]:
    """Why an array cannot be read block by block, whatever its shape; None if it can.

    Parameters
    ----------
    facts : mapping
        The reader's.
    """
    return _element_problem(facts) or _chunk_or_filter_problem(facts)


def _element_problem(facts: Mapping[str, Any]) -> Optional[str]:
    if not _is_real(facts, "dataset"):
        return f"found {_kind(facts)}, expected an array"
    if facts["layout"] == "virtual":
        return "found a virtual dataset, expected the numbers themselves"
    if facts["external"] or facts["layout"] == "unknown":
        return "found external storage, expected the numbers themselves"
    if facts["dtype"] is None:
        return f"found {facts['type_class']} elements, expected real numbers"
    dtype = np.dtype(facts["dtype"])
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        return f"dtype {dtype.name}, expected real numbers of at most 64 bits"
    return None


def _chunk_or_filter_problem(facts: Mapping[str, Any]) -> Optional[str]:
    return _filter_problem(facts["filters"]) or _chunk_problem(
        facts["chunks"], facts["shape"], np.dtype(facts["dtype"])
    )


def _shape_problem(
    found: Optional[Sequence[int]], layout: Layout, array: RateArray
) -> Optional[str]:
    expected = layout.shape(array)
    is_3d = found is not None and len(found) == 3
    if is_3d and all(want in (None, got) for got, want in zip(found or (), expected)):
        return None
    shown = "no shape" if found is None else f"shape {_tuple(found)}"
    hint = ""
    if is_3d and tuple(reversed(found or ())) == expected:
        hint = "; the axes are reversed, as MATLAB and Julia write them: permute before writing"
    return f"{shown}, expected {_tuple(expected)} {layout.axes(array)}{hint}"


def _tuple(shape: Sequence[Optional[int]]) -> str:
    shown = [("any" if n is None else str(n)) for n in shape[:8]]
    return f"({', '.join(shown)}{', ...' if len(shape) > 8 else ''})"


def _filter_problem(filters: Sequence[int]) -> Optional[str]:
    unknown = [code for code in filters if code not in _FILTERS]
    if not unknown and len(filters) == len(set(filters)):
        return None
    allowed = ", ".join(_FILTERS.values())
    if not unknown:
        return f"{len(filters)} filters in a row, expected each of {allowed} at most once"
    return f"compressed with HDF5 filter {unknown[0]}, expected only {allowed}"


def _chunk_problem(
    chunks: Optional[Sequence[int]], shape: Sequence[int], dtype: np.dtype
) -> Optional[str]:
    if chunks is None:
        return None
    n_bytes = dtype.itemsize
    count = 1
    for size, extent in zip(chunks, shape):
        n_bytes *= size
        count *= -(-extent // size)
    if n_bytes > MAX_CHUNK_BYTES:
        return f"chunks of {n_bytes >> 20} MiB, expected at most {MAX_CHUNK_BYTES >> 20} MiB each"
    if count > _MAX_CHUNKS:
        return f"stored in {count} chunks, expected at most {_MAX_CHUNKS}: write larger chunks"
    return None
