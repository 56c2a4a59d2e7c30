"""Why the arrays of a group have shapes that a phase does not ask for: a function a cause."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Callable, Iterator, List, Mapping, Optional, Sequence, Tuple

from evaluation_script.arrays import EVAL, PARTS, TRAIN, Axis, RateArray
from evaluation_script.submission.layout import Layout, published_layouts
from evaluation_script.suites import Suite
from nlb_evalai.submission.finding import Finding

Shape = Tuple[int, ...]
Expected = Sequence[Optional[int]]


@dataclass(frozen=True)
class Known:
    """Shapes that a group of this benchmark has somewhere: ``cause`` and ``what`` say where."""

    cause: str
    what: str
    mend: str
    layout: Layout


@dataclass(frozen=True)
class Group:
    """A group of a submission, with what is known of shapes.

    ``shapes`` are those of the arrays that the benchmark knows, by name.
    """

    name: str
    layout: Layout
    shapes: Mapping[str, Shape]
    known: Sequence[Known]

    def arrays(self) -> Iterator[Tuple[RateArray, Shape, Expected]]:
        """The arrays that are read, with the shape found and the one expected."""
        for part in PARTS:
            if self.layout.readers(part):
                for array in part.arrays:
                    if array.name in self.shapes:
                        yield array, self.shapes[array.name], self.layout.shape(array)

    def wrong(self) -> List[Tuple[RateArray, Shape, Expected]]:
        """Those of another shape than expected."""
        return [one for one in self.arrays() if not same(one[1], one[2])]

    def are_swapped(self, one: str, other: str) -> bool:
        """Whether two arrays have each the other's shape, and neither its own."""
        wrong = {array.name: (found, expected) for array, found, expected in self.wrong()}
        return (
            one in wrong
            and other in wrong
            and same(wrong[one][0], wrong[other][1])
            and same(wrong[other][0], wrong[one][1])
        )

    def finding(self, cause: str, what: str, mend: str, array: str = "") -> Finding:
        """A cause in this group, or in one array of it."""
        return Finding(cause, f"{self.name}/{array}" if array else self.name, what, mend)


def same(found: Shape, expected: Expected) -> bool:
    """Whether a shape is the expected one, as far as that is known."""
    return len(found) == len(expected) and all(
        want in (None, got) for got, want in zip(found, expected)
    )


def explains(found: Shape, expected: Expected, instead: Expected) -> bool:
    """Whether a shape is ``instead``, and known to be wherever it is not as expected."""
    return same(found, instead) and all(
        want in (None, got) or other == got for got, want, other in zip(found, expected, instead)
    )


# ---- the causes -------------------------------------------------------------------------------


def of_other_data(group: Group) -> Iterator[Finding]:
    """All arrays have the shapes that this benchmark knows from elsewhere."""
    for known in group.known:
        if all(
            explains(found, expected, known.layout.shape(array))
            for array, found, expected in group.arrays()
        ):
            yield group.finding(known.cause, known.what, known.mend)
            return


def sides_swapped(group: Group) -> Iterator[Finding]:
    """Held-in rates stand under the name of held-out ones, and the other way round."""
    for part in PARTS:
        heldin, heldout = (array.name for array in part.arrays)
        if group.are_swapped(heldin, heldout):
            what = f"held-in and held-out neurons are swapped in {heldin} and {heldout}"
            mend = f"group['{heldin}'], group['{heldout}'] = heldout, heldin"
            yield group.finding("sides swapped", what, mend)


def trials_swapped(group: Group) -> Iterator[Finding]:
    """Training trials stand under the name of evaluation trials, and the other way round."""
    for one, other in zip(TRAIN.arrays, EVAL.arrays):
        if group.are_swapped(one.name, other.name):
            what = f"training and evaluation trials are swapped in {one.name} and {other.name}"
            mend = f"group['{one.name}'], group['{other.name}'] = train, evaluation"
            yield group.finding("trials swapped", what, mend)


def axes_moved(group: Group) -> Iterator[Finding]:
    """An array has the right lengths, along other axes."""
    for array, found, expected in group.wrong():
        for order in permutations(range(3)) if len(found) == 3 else ():
            if same(tuple(found[axis] for axis in order), expected):
                names = ("trials", "bins", "neurons")
                moved = [name for axis, name in enumerate(names) if order[axis] != axis]
                if order == (2, 1, 0):
                    what = "the axes are reversed, as MATLAB and Julia write them"
                elif len(moved) == 2:
                    what = f"{' and '.join(moved)} are swapped"
                else:
                    what = f"the axes are rolled: found {found}"
                mend = f"rates = rates.transpose{order}"
                yield group.finding(f"axes {order}", what, mend, array.name)
                break


def reshaped(group: Group) -> Iterator[Finding]:
    """An array has the right number of values, and other axes."""
    for array, found, expected in group.wrong():
        lengths = [length for length in expected if length is not None]
        if len(lengths) == 3 and len(found) != 3 and math.prod(found) == math.prod(lengths):
            what = f"found {len(found)} axes, expected three: trials, bins, neurons"
            mend = f"rates = rates.reshape({', '.join(map(str, lengths))})"
            yield group.finding("reshaped", what, mend, array.name)


def all_neurons(group: Group) -> Iterator[Finding]:
    """An array holds held-in and held-out neurons together."""
    both, heldin = group.layout.size(Axis.NEURONS), group.layout.size(Axis.HELDIN)
    for array, found, expected in group.wrong():
        if both is not None and same(found, (*expected[:2], both)):
            part = f":{heldin}" if array.neurons is Axis.HELDIN else f"{heldin}:"
            what = f"all {both} neurons are in it, held-in and held-out ones"
            yield group.finding("all neurons", what, f"rates = rates[:, :, {part}]", array.name)


def with_forward(group: Group) -> Iterator[Finding]:
    """An array goes on into the forward window, or begins before it."""
    bins, forward = group.layout.size(Axis.BINS), group.layout.size(Axis.FORWARD_BINS)
    for array, found, expected in group.wrong():
        if bins and forward and same(found, (expected[0], bins + forward, expected[2])):
            part = f":{bins}" if array.bins is Axis.BINS else f"{bins}:"
            what = f"both windows are in it, {bins} bins and the {forward} forward bins after them"
            yield group.finding("both windows", what, f"rates = rates[:, {part}]", array.name)


def some_of_other_data(group: Group) -> Iterator[Finding]:
    """A single array has a shape that this benchmark knows from elsewhere."""
    for array, found, expected in group.wrong():
        for known in group.known:
            if explains(found, expected, known.layout.shape(array)):
                yield group.finding(known.cause, known.what, known.mend, array.name)
                break


#: in the order of how much each explains; the first that finds something counts
CAUSES: Sequence[Callable[[Group], Iterator[Finding]]] = (
    sides_swapped,
    trials_swapped,
    axes_moved,
    of_other_data,
    reshaped,
    all_neurons,
    with_forward,
    some_of_other_data,
)


def shape_findings(group: Group) -> List[Finding]:
    """The likely cause of the shapes that a phase does not ask for; none if all are right."""
    if not group.wrong():
        return []
    return next((found for cause in CAUSES for found in [list(cause(group))] if found), [])


# ---- shapes that are known from elsewhere -----------------------------------------------------


def known_shapes(
    suite: Suite, phase: str, group: str, layouts: Mapping[str, Layout]
) -> List[Known]:
    """What else a group may hold by mistake, the likeliest first.

    Parameters
    ----------
    suite : Suite
    phase, group : str
        Where it stands.
    layouts : mapping of str to Layout
        Those that the phase asks for, by group.
    """
    dataset, width = suite.groups()[group]
    phases = [phase, *(one.codename for one in suite.phases if one.codename != phase)]
    by_phase = {one: published_layouts(suite, one) for one in phases}
    by_phase[phase] = {**by_phase[phase], **layouts}
    widths = {suite.group(dataset, one): one for one in suite.bin_widths(dataset)}
    found = [
        _known(suite, (group, name), (width, at), (phase, codename), by_phase[codename][name])
        for codename in phases
        for name, at in sorted(widths.items(), key=lambda item: item[0] != group)
        if (codename, name) != (phase, group)
    ]
    for number, old in enumerate(dataset.superseded):
        of_old = replace(
            suite,
            datasets=tuple(
                replace(one, published=old) if one is dataset else one for one in suite.datasets
            ),
        )
        found[:0] = [
            Known(
                f"superseded {number}",
                f"its shapes are those {old.why.partition(':')[0]}",
                old.why.partition(":")[2].strip() or "take the data that replaced it",
                published_layouts(of_old, codename)[name],
            )
            for codename in phases
            for name in widths
        ]
    found += [
        Known(
            f"data of {name}",
            f"its shapes are those of {name}",
            f"file.move('{group}', '{name}')",
            layout,
        )
        for name, layout in by_phase[phase].items()
        if name not in widths
    ]
    return found


def _known(
    suite: Suite,
    names: Tuple[str, str],
    widths: Tuple[int, int],
    phases: Tuple[str, str],
    layout: Layout,
) -> Known:
    """The same dataset in bins of another width, in another phase, or both: (said, found) each."""
    (group, name), (width, at), (phase, codename) = names, widths, phases
    what, mend = [], []
    if at != width:
        what.append(f"these are {at} ms bins under a {width} ms name")
        mend.append(f"file.move('{group}', '{name}')")
    if codename != phase:
        title = suite.phase(codename).title.lower()
        what.append(f"these are the trials of the {title} phase ({codename}), not of {phase}")
        mend.append(f"check with --phase {codename}, or predict the trials of {phase}")
    return Known(
        f"{at if at != width else ''} {codename if codename != phase else ''}",
        " and ".join(what),
        "; ".join(mend),
        layout,
    )
