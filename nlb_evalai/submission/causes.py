"""Why a file is refused for its structure: names and places in it, and what it is instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence

from evaluation_script.arrays import PARTS, RATE_ARRAYS
from evaluation_script.errors import LimitError, SubmissionError
from evaluation_script.reader.process import ReaderProcess
from evaluation_script.submission.layout import Layout
from evaluation_script.suites import Suite
from evaluation_script.text import did_you_mean
from nlb_evalai.foreign import MATLAB_HDF5_MARK, foreign, missing_bytes
from nlb_evalai.submission.finding import Finding
from nlb_evalai.submission.shapes import Group, known_shapes, shape_findings

#: what a model reads, and what truth holds -> the rates that belong there
_SPIKES = {name.replace("rates", "spikes"): name for name in RATE_ARRAYS}
#: at the root of every NWB session
_NWB = {"acquisition", "general", "intervals", "units"}
#: of strangers' groups so many are looked into
_MOST_NAMES = 8

Facts = Mapping[str, Any]


def file_findings(path: Path) -> List[Finding]:
    """What a file is that the HDF5 library cannot open."""
    missing = missing_bytes(path)
    if missing:
        what = f"the HDF5 file is cut short: {missing:,} bytes are missing at its end"
        mend = "with h5py.File('submission.h5', 'w') as file: ...  # closes it; then copy it whole"
        return [Finding("cut short", "", what, mend)]
    found = foreign(path)
    return [Finding("no HDF5", "", f"it is {found.words}", found.mend)] if found else []


def structure_findings(
    reader: ReaderProcess, path: Path, suite: Suite, phase: str, layouts: Mapping[str, Layout]
) -> List[Finding]:
    """Likely causes of a structure that is refused, what explains most first.

    Parameters
    ----------
    reader : ReaderProcess
        Has the file open.
    path : Path
    suite : Suite
    phase : str
    layouts : mapping of str to Layout
        What the phase asks for, by group.
    """
    try:
        facts = reader.describe(dict.fromkeys(suite.groups(), RATE_ARRAYS))
        found = [*_of_the_root(reader, facts, suite)]
        for name, group in facts["groups"].items():
            if group.get("arrays") is not None and name in layouts:
                found += _of_a_group(reader, name, group, layouts[name])
                found += shape_findings(
                    Group(
                        name,
                        layouts[name],
                        _shapes(group["arrays"]),
                        known_shapes(suite, phase, name, layouts),
                    )
                )
    except (SubmissionError, LimitError):  # the file is worse than its structure
        return []
    with path.open("rb") as file:
        if file.read(len(MATLAB_HDF5_MARK)) == MATLAB_HDF5_MARK and not found:
            what = "it is a MATLAB file of version 7.3, which holds variables and not these groups"
            mend = "h5create and h5write, as the submission guidelines show"
            found.append(Finding("MATLAB 7.3", "", what, mend))
    return found


def _shapes(arrays: Mapping[str, Facts]) -> Dict[str, tuple]:
    shapes = {name: one.get("shape") for name, one in arrays.items()}
    return {name: tuple(shape) for name, shape in shapes.items() if shape is not None}


# ---- the root ---------------------------------------------------------------------------------


def _of_the_root(reader: ReaderProcess, facts: Facts, suite: Suite) -> Iterator[Finding]:
    groups, other = list(suite.groups()), list(facts["other"])
    example = groups[0]
    if not facts["members"]:
        yield Finding(
            "nothing in it", "", "the HDF5 file holds nothing at all",
            f"file['{example}/{RATE_ARRAYS[0]}'] = rates",
        )  # fmt: skip
    if {*other} >= _NWB:
        yield Finding(
            "NWB", "", "it is an NWB session: the data, and no predictions",
            "nlb-evalai inputs build makes arrays of it; send the rates that a model predicts",
        )  # fmt: skip
        return
    flat = [name for name in other if name in RATE_ARRAYS or name in _SPIKES]
    if flat:
        yield Finding(
            "flat", "", f"{flat[0]} stands at the root, and not in the group of a dataset",
            f"for name in list(file): file.move(name, f'{example}/{{name}}')",
        )  # fmt: skip
    for name in other:
        yield from _misnamed(name, suite)
    inside = reader.describe(dict.fromkeys(other[:_MOST_NAMES], groups))["groups"]
    for name, group in inside.items():
        nested = list(group.get("arrays") or ())
        if nested:
            yield Finding(
                "nested", name, f"the datasets' groups stand in it, a level too deep ({nested[0]})",
                f"for name in list(file['{name}']): file.move(f'{name}/{{name}}', name)",
            )  # fmt: skip


def _misnamed(name: str, suite: Suite) -> Iterator[Finding]:
    """A group whose name says the ranked bin width, or is written in another way."""
    groups = suite.groups()
    plain = name.removesuffix("ms").removesuffix("_")
    for group, (dataset, width) in groups.items():
        if plain.casefold() == f"{dataset.name}_{width}".casefold():
            what = f"the {width} ms group of {dataset.name} is called {group}"
            yield Finding("group name", name, what, f"file.move('{name}', '{group}')")
            return
    folded = name.casefold().replace("-", "_").replace(" ", "_")
    near = did_you_mean(folded, groups).removeprefix("; did you mean ").rstrip("?")
    if near and name not in RATE_ARRAYS:
        what = f"no dataset is called so; the nearest name is {near}"
        yield Finding("group name", name, what, f"file.move('{name}', '{near}')")


# ---- a group ----------------------------------------------------------------------------------


def _of_a_group(
    reader: ReaderProcess, name: str, facts: Facts, layout: Layout
) -> Iterator[Finding]:
    arrays, other = facts["arrays"], facts["other"]
    missing = [
        array.name
        for part in layout.required()
        for array in part.arrays
        if array.name not in arrays
    ]
    spikes = [one for one in other if one in _SPIKES]
    if spikes and missing:
        rates = _SPIKES[spikes[0]]
        yield Finding(
            "spikes", name,
            f"it holds spikes ({spikes[0]}), and no rates: the data that a model reads",
            f"file['{name}/{rates}'] = rates  # what a model predicts; if {spikes[0]} is that: "
            f"file.move('{name}/{spikes[0]}', '{name}/{rates}')",
        )  # fmt: skip
        return
    yield from _deeper(reader, name, other, missing)
    yield from _other_names(name, other, missing)
    yield from _half(name, arrays, layout)


def _deeper(
    reader: ReaderProcess, name: str, other: Sequence[str], missing: Sequence[str]
) -> Iterator[Finding]:
    if not missing or not other:
        return
    wanted = {f"{name}/{one}": RATE_ARRAYS for one in other[:_MOST_NAMES]}
    for place, group in reader.describe(wanted)["groups"].items():
        if group.get("arrays"):
            yield Finding(
                "nested", name, f"its arrays stand in {place}, a level too deep",
                f"for name in list(file['{place}']): "
                f"file.move(f'{place}/{{name}}', f'{name}/{{name}}')",
            )  # fmt: skip


def _other_names(name: str, other: Sequence[str], missing: Sequence[str]) -> Iterator[Finding]:
    """Arrays that are there under a name that is nearly theirs."""
    left = list(missing)
    for one in other:
        near = did_you_mean(one, left).removeprefix("; did you mean ").rstrip("?")
        if near:
            left.remove(near)
            what = f"{one} is there, and {near} is missing"
            yield Finding("array name", name, what, f"file.move('{name}/{one}', '{name}/{near}')")


def _half(name: str, arrays: Mapping[str, Facts], layout: Layout) -> Iterator[Finding]:
    """One side of a part that metrics want whole."""
    for part in PARTS:
        there = [array.name for array in part.arrays if array.name in arrays]
        if layout.readers(part) and len(there) == 1:
            absent = next(array.name for array in part.arrays if array.name not in arrays)
            if part in layout.optional() and absent == part.heldin.name:
                continue  # that is no fault
            what = f"{there[0]} is there without {absent}: {part.title} want both"
            drop = f"; or del file['{name}/{there[0]}']" if part in layout.optional() else ""
            yield Finding("half a part", name, what, f"file['{name}/{absent}'] = rates{drop}")
