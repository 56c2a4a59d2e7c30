"""What a participant sent: its structure judged whole, every problem named at once.

The file itself is only ever touched by the reader; here its description is held against the
layouts that the phase asks for.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence

import numpy as np

from ..errors import SubmissionError
from ..reader.process import ReaderProcess
from ..suite import VEL_R2, Suite
from .layout import ARRAYS, PARTS, Layout
from .plan import Block, blocks_of

#: gzip, shuffle, checksum, LZF: what h5py, MATLAB, Julia and R write without plug-ins
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
MAX_CHUNK_BYTES = 32 << 20
_MAX_CHUNKS = 1 << 20
_MAX_NEURONS = 4096
_MAX_ROOT_MEMBERS = 256


@dataclass
class Inspection:
    """The structure of a submission, judged.

    ``layouts`` are those of the groups that will be scored, with numbers of held-in neurons
    filled in from the submission where the truth did not tell them. ``parts`` says which parts
    each group brings. ``absent_truth`` are valid groups that the phase's truth does not hold.
    """

    layouts: Dict[str, Layout] = field(default_factory=dict)
    parts: Dict[str, List[str]] = field(default_factory=dict)
    absent_truth: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    plan: List[Block] = field(default_factory=list)


def safe_name(name: object, limit: int = 60) -> str:
    """A name from the file, fit to be shown: printable, escaped, cut."""
    text = str(name).encode("unicode_escape").decode("ascii")
    return text if len(text) <= limit else text[: limit - 3] + "..."


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
    facts = reader.describe(dict.fromkeys(known, ARRAYS))
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
            inspection.plan += blocks_of(group, inspector.parts, inspector.arrays)
    if not problems and not inspection.layouts:
        problems.append(_nothing_to_score(inspection.absent_truth))
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
        nearest = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        problems.append(f"{safe_name(name)}: not a dataset of this benchmark{hint}")
    return problems


def _nothing_to_score(absent: Sequence[str]) -> str:
    if absent:
        return f"nothing to score: this phase does not score {', '.join(absent)}"
    return "nothing to score: the file holds no dataset of this benchmark"


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
        self.parts: List[str] = []
        self.arrays: Dict[str, Mapping[str, Any]] = {}

    def run(self) -> None:
        """Collect problems, notes and parts."""
        self.arrays = dict(self.facts["arrays"])
        self._note_ignored()
        self._require()
        self._forward()
        used = [name for part in self.parts for name in PARTS[part] if name in self.arrays]
        self._settle_heldin(used)
        for name in used:
            problem = self._array_problem(name)
            if problem:
                self.problems.append(f"{self.group}/{name}: {problem}")
            else:
                self._note_unwritten(name)

    def _note_unwritten(self, name: str) -> None:
        facts = self.arrays[name]
        written = facts["chunks_written"]
        if written is not None:
            count = math.prod(-(-n // size) for n, size in zip(facts["shape"], facts["chunks"]))
            if written < count:
                self.notes.append(
                    f"{self.group}/{name}: {count - written} of {count} chunks were never "
                    "written; they count as the file's fill value (0 if it names none)"
                )
        elif facts["stored_bytes"] == 0:
            self.notes.append(
                f"{self.group}/{name}: was never written; all of it counts as the file's fill "
                "value (0 if it names none)"
            )

    def _note_ignored(self) -> None:
        other = self.facts["other"]
        if other:
            names = ", ".join(safe_name(name) for name in other[:5])
            more = self.facts["members"] - len(self.arrays) - len(other[:5])
            rest = f" and {more} more" if more > 0 else ""
            self.notes.append(f"{self.group}: ignored, not used by this benchmark: {names}{rest}")
        unused = [name for name in PARTS["train"] if name in self.arrays]
        if self.layout.n_train is None and unused:
            self.notes.append(f"{self.group}: {' and '.join(unused)} not needed, not read")

    def _require(self) -> None:
        for part in ("train", "eval"):
            needed = [name for name in PARTS[part] if name in self.layout.required()]
            if needed:
                self.parts.append(part)
            for name in needed:
                if name not in self.arrays:
                    self.problems.append(f"{self.group}: {name} is missing ({self._purpose(name)})")

    def _purpose(self, name: str) -> str:
        if name.startswith("train"):
            return f"needed for {VEL_R2.key}"
        return "needed for every score of this dataset"

    def _forward(self) -> None:
        heldin, heldout = PARTS["forward"]
        has_heldin, has_heldout = heldin in self.arrays, heldout in self.arrays
        if not (has_heldin or has_heldout):
            return
        if self.layout.n_forward is None:
            self.notes.append(f"{self.group}: forward predictions ignored, none are scored here")
        elif has_heldin and has_heldout:
            self.parts.append("forward")
        elif has_heldin:
            self.problems.append(f"{self.group}: {heldout} is missing (needed beside {heldin})")
        else:
            self.notes.append(f"{self.group}: {heldout} ignored, since {heldin} is missing")

    def _settle_heldin(self, used: Sequence[str]) -> None:
        """Where the truth does not tell the held-in neurons, the arrays must agree."""
        if self.layout.n_heldin is not None:
            return
        counts = {}
        for name in used:
            shape = self.arrays[name].get("shape")
            if "heldin" in name and shape and len(shape) == 3:
                counts[name] = shape[2]
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            self.problems.append(f"{self.group}: numbers of held-in neurons differ: {listed}")
        elif counts:
            count = next(iter(counts.values()))
            if not 1 <= count <= _MAX_NEURONS:
                self.problems.append(
                    f"{self.group}: {count} held-in neurons, expected 1 to {_MAX_NEURONS}"
                )
            self.layout = replace(self.layout, n_heldin=count)

    def _array_problem(self, name: str) -> Optional[str]:
        """The first thing wrong with an array, each check resting on those before it."""
        facts = self.arrays[name]
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
        return (
            _shape_problem(facts["shape"], self.layout, name)
            or _filter_problem(facts["filters"])
            or _chunk_problem(facts["chunks"], facts["shape"], dtype)
        )


def _shape_problem(found: Optional[Sequence[int]], layout: Layout, name: str) -> Optional[str]:
    expected = layout.shape(name)
    is_3d = found is not None and len(found) == 3
    if is_3d and all(want in (None, got) for got, want in zip(found or (), expected)):
        return None
    shown = "no shape" if found is None else f"shape {_tuple(found)}"
    hint = ""
    if is_3d and tuple(reversed(found or ())) == expected:
        hint = "; the axes are reversed, as MATLAB and Julia write them: permute before writing"
    return f"{shown}, expected {_tuple(expected)} {layout.axes(name)}{hint}"


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
