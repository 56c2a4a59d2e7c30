"""What is looked at in one group of an annotation file: one small function for each check.

A check is a function of one group that yields what is wrong, as ``array: found …, expected …``;
``@check`` registers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Optional, Tuple, Union

import numpy as np
from numpy.typing import NDArray

from evaluation_script.arrays import Axis, Kind
from evaluation_script.metrics.psth_match import CONDITIONS, JITTER
from evaluation_script.submission.layout import Layout
from evaluation_script.suites import Dataset
from evaluation_script.suites.session import SessionRules, TrialBehavior
from evaluation_script.text import printable

_SPIKES = ("eval_spikes_heldout", "eval_spikes_heldin_forward", "eval_spikes_heldout_forward")
#: what the values of an array are -> the kinds of numbers that it may hold
_KINDS = {Kind.COUNTS: "f", Kind.NUMBERS: "f", Kind.INTEGERS: "iu", Kind.MASK: "b"}


@dataclass
class Group:
    """One group of the file, and what the suite says about it."""

    name: str
    dataset: Dataset
    bin_width_ms: int
    arrays: Dict[str, object]

    @property
    def rules(self) -> Optional[SessionRules]:
        return self.dataset.session

    @property
    def has_jitter(self) -> bool:
        return self.rules is not None and self.rules.jitter is not None

    @property
    def has_rows_of_behavior(self) -> bool:
        return isinstance(self.dataset.behavior, TrialBehavior)

    def get(self, name: str, ndim: int) -> Optional[NDArray]:
        """An array if it is there with that many dimensions (else :func:`layout` tells)."""
        value = self.arrays.get(name)
        usable = isinstance(value, np.ndarray) and value.ndim == ndim
        return value if usable else None  # type: ignore[return-value]

    def spikes(self) -> Iterator[Tuple[str, NDArray]]:
        for name in _SPIKES:
            value = self.get(name, 3)
            if value is not None and value.shape[2]:
                yield name, value

    def readers(self, name: str) -> str:
        """The metrics that read an array, in words."""
        keys = [m.key for m in self.dataset.metrics if name in [one.name for one in m.truth]]
        return " and ".join(keys) or "what reads it"


Check = Callable[[Group], Iterator[str]]
CHECKS: List[Check] = []


def check(function: Check) -> Check:
    """Register a check."""
    CHECKS.append(function)
    return function


@check
def layout(group: Group) -> Iterator[str]:
    """Every array that a metric reads, of the right kind and number of dimensions."""
    behavior_dims = 2 if group.has_rows_of_behavior else 3
    spikes = _SPIKES[:1] if group.dataset.forward_ms is None else _SPIKES
    expected: Dict[str, Tuple[str, int]] = dict.fromkeys(spikes, ("f", 3))
    if group.dataset.behavior is not None:
        expected["train_behavior"] = expected["eval_behavior"] = ("f", behavior_dims)
    needed = dict.fromkeys(array for metric in group.dataset.metrics for array in metric.truth)
    for array in needed:
        if array.kind is Kind.TRIAL_LISTS:
            if not isinstance(group.arrays.get(array.name), list):
                yield f"{array.name}: missing or not ragged, expected a list of trials a condition"
        elif array.default is None:
            expected.setdefault(array.name, (_KINDS[array.kind], len(array.axes)))
    if JITTER in needed and group.has_jitter:
        expected[JITTER.name] = ("iu", 1)
    if group.rules is not None and group.rules.decode_masks is not None:
        expected["train_decode_mask"] = expected["eval_decode_mask"] = ("b", 2)
    kinds = {"f": "floats", "iu": "integers", "b": "booleans"}
    for name, (kind, ndim) in expected.items():
        value = group.arrays.get(name)
        if value is None:
            yield f"{name}: missing"
        elif not isinstance(value, np.ndarray):
            yield f"{name}: found rows of several lengths, expected {ndim} dimensions"
        elif value.ndim != ndim:
            yield f"{name}: found shape {value.shape}, expected {ndim} dimensions"
        elif value.dtype.kind not in kind:
            yield f"{name}: found {value.dtype}, expected {kinds[kind]}"


@check
def counts(group: Group) -> Iterator[str]:
    """Spikes are whole numbers from 0 on."""
    for name, value in group.spikes():
        scored = value[~np.isnan(value)]
        if (scored < 0).any() or (scored != np.round(scored)).any() or np.isinf(scored).any():
            yield f"{name}: holds values that are no counts, expected 0, 1, 2, … or NaN"


@check
def scored_bins(group: Group) -> Iterator[str]:
    """A bin is scored for all units or for none; every trial has one."""
    for name, value in group.spikes():
        missing = np.isnan(value)
        hidden = missing.all(axis=2)
        if (missing.any(axis=2) != hidden).any():
            yield f"{name}: a bin is NaN for some of the units only"
        if value.shape[1] and hidden.all(axis=1).any():
            n_trials = int(hidden.all(axis=1).sum())
            yield f"{name}: {n_trials} trials have no scored bin"


@check
def scored_end(group: Group) -> Iterator[str]:
    """Where trials differ in length, the scored bins are one stretch that ends at the jitter."""
    rules, value = group.rules, group.get("eval_spikes_heldout", 3)
    if rules is None or rules.pad_front_ms is None or value is None:
        return
    jitter = group.get("eval_jitter", 1)
    if jitter is None or len(jitter) != len(value):
        return
    for trial, hidden in enumerate(np.isnan(value).all(axis=2)):
        scored = np.flatnonzero(~hidden)
        if not len(scored):
            continue
        if len(scored) != scored[-1] - scored[0] + 1:
            yield f"eval_spikes_heldout: scored bins of trial {trial} are not contiguous"
        if scored[-1] != value.shape[1] - 1 - jitter[trial]:
            yield f"eval_spikes_heldout: trial {trial} does not end where eval_jitter says"


@check
def trial_counts(group: Group) -> Iterator[str]:
    """All arrays of a side have equally many trials."""
    for side in ("train", "eval"):
        sizes = {
            name: len(value)
            for name, value in sorted(group.arrays.items())
            if name.startswith(side) and isinstance(value, np.ndarray) and value.ndim
        }
        if len(set(sizes.values())) > 1:
            found = ", ".join(f"{printable(name)} {size}" for name, size in sizes.items())
            yield f"{side}_*: numbers of trials differ: {found}"


@check
def units_and_bins(group: Group) -> Iterator[str]:
    """Arrays agree on the number of neurons and of bins."""
    scored = group.get("eval_spikes_heldout", 3)
    heldin = group.get("eval_spikes_heldin_forward", 3)
    heldout = group.get("eval_spikes_heldout_forward", 3)
    psth = group.get("psth", 3)
    if heldin is not None and heldout is not None and heldin.shape[1] != heldout.shape[1]:
        yield f"eval_spikes_*_forward: bins differ: {heldin.shape[1]} and {heldout.shape[1]}"
    if scored is None:
        return
    if heldout is not None and heldout.shape[2] != scored.shape[2]:
        yield (
            f"eval_spikes_heldout_forward: found {heldout.shape[2]} neurons, expected "
            f"{scored.shape[2]} as in eval_spikes_heldout"
        )
    if psth is not None:
        if psth.shape[1] != scored.shape[1]:
            yield f"psth: found {psth.shape[1]} bins, expected {scored.shape[1]}"
        if heldin is not None and psth.shape[2] != heldin.shape[2] + scored.shape[2]:
            total = heldin.shape[2] + scored.shape[2]
            yield f"psth: found {psth.shape[2]} neurons, expected {total} (held-in + held-out)"
    for name in ("train_behavior", "eval_behavior"):
        value = group.get(name, 3)
        if value is not None and value.shape[1] != scored.shape[1]:
            yield f"{name}: found {value.shape[1]} bins, expected {scored.shape[1]}"


@check
def behavior(group: Group) -> Iterator[str]:
    """Velocity or trial columns: known or NaN as a whole row, and not NaN everywhere."""
    for name in ("train_behavior", "eval_behavior"):
        value = group.get(name, 2 if group.has_rows_of_behavior else 3)
        if value is None:
            continue
        columns = getattr(group.dataset.behavior, "width", None)
        if columns is not None and value.shape[2] != columns:
            yield f"{name}: found {value.shape[2]} columns, expected {columns}"
        missing = np.isnan(value)
        if (missing.any(axis=-1) != missing.all(axis=-1)).any():
            yield f"{name}: NaN in one column only, expected whole rows"
        if missing.all():
            yield f"{name}: nothing but NaN"
        if np.isinf(value).any():
            yield f"{name}: holds infinite values"


@check
def psth_values(group: Group) -> Iterator[str]:
    """Rates from 0 on; NaN for whole bins, at the padded end only."""
    value = group.get("psth", 3)
    if value is None:
        return
    if (value < 0).any() or np.isinf(value).any():
        yield "psth: holds negative or infinite values"
    hidden = np.isnan(value).all(axis=2)
    if (np.isnan(value).any(axis=2) != hidden).any():
        yield "psth: a bin is NaN for some of the units only"
    front = group.rules is not None and group.rules.pad_front_ms is not None
    ordered = hidden[:, ::-1] if front else hidden
    if (np.diff(ordered.astype(np.int8), axis=1) < 0).any():
        side = "front" if front else "end"
        yield f"psth: NaN in the middle of a condition, expected at its {side} only"
    if hidden.all(axis=1).any():
        yield "psth: a condition is nothing but NaN"


@check
def condition_indices(group: Group) -> Iterator[str]:
    """Ascending trial numbers in range, each in one condition at most."""
    psth = group.get("psth", 3)
    for side, reference in (("train", "train_behavior"), ("eval", "eval_spikes_heldout")):
        name = f"{side}_cond_idx"
        rows = group.arrays.get(name)
        if not isinstance(rows, list):
            continue
        if psth is not None and len(rows) != len(psth):
            yield f"{name}: found {len(rows)} conditions, psth has {len(psth)}"
        flat = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        trials = group.arrays.get(reference)
        if flat.dtype.kind not in "iu" and len(flat):
            yield f"{name}: found {flat.dtype}, expected integers"
        elif isinstance(trials, np.ndarray) and ((flat < 0) | (flat >= len(trials))).any():
            yield f"{name}: an index is out of range, expected 0 to {len(trials) - 1}"
        if len(np.unique(flat)) < len(flat):
            yield f"{name}: a trial is in two conditions"
        if any((np.diff(row) <= 0).any() for row in rows):
            yield f"{name}: indices of a condition are not ascending"


@check
def jitter(group: Group) -> Iterator[str]:
    """Whole bins, from 0 to less than the array's length."""
    scored = group.get("eval_spikes_heldout", 3)
    for name in ("train_jitter", "eval_jitter"):
        value = group.get(name, 1)
        if value is None or scored is None:
            continue
        if (value < 0).any() or (value >= scored.shape[1]).any():
            yield f"{name}: a value is out of range, expected 0 to {scored.shape[1] - 1} bins"


@check
def decode_masks(group: Group) -> Iterator[str]:
    """A trial belongs to one decoder at most."""
    for name in ("train_decode_mask", "eval_decode_mask"):
        value = group.get(name, 2)
        if value is not None and value.dtype.kind == "b" and (value.sum(axis=1) > 1).any():
            yield f"{name}: a trial belongs to two decoders"


def official_shapes(group: Group, published: Layout) -> Iterator[str]:
    """Shapes of the published dataset, as far as they are known."""
    declared = {array.name: array.axes for m in group.dataset.metrics for array in m.truth}
    behavior = group.dataset.behavior
    if isinstance(behavior, TrialBehavior):
        declared["train_behavior"] = (Axis.TRAIN_TRIALS, len(behavior.columns))
    for name, axes in declared.items():
        value = group.arrays.get(name)
        if not isinstance(value, np.ndarray):
            continue
        expected = [_length(axis, published) for axis in axes]
        shape = tuple(got if want is None else want for want, got in zip(expected, value.shape))
        if value.shape != shape:
            yield f"{name}: found shape {value.shape}, expected {shape}"


def _length(axis: Union[Axis, int, str], published: Layout) -> Optional[int]:
    """The length that an axis must have; None for any."""
    if isinstance(axis, Axis):
        return published.size(axis)
    return axis if isinstance(axis, int) else None


def unusual(group: Group) -> Iterator[str]:
    """What scores, but should be known."""
    fixed = group.rules is not None and group.rules.pad_front_ms is None
    for name, value in group.spikes():
        hidden = int(np.isnan(value).all(axis=2).sum())
        if hidden and (fixed or name != "eval_spikes_heldout"):
            yield f"{name}: {hidden} bins are NaN and not scored"
    masks = group.get("eval_decode_mask", 2)
    if masks is not None and not masks.any(axis=0).all():
        lost = group.readers("eval_decode_mask")
        yield f"eval_decode_mask: a decoder has no eval trial; {lost} cannot be computed"
    rows = group.arrays.get(CONDITIONS.name)
    if isinstance(rows, list) and rows and not any(len(row) for row in rows):
        lost = group.readers(CONDITIONS.name)
        yield f"{CONDITIONS.name}: no condition has an eval trial; {lost} cannot be computed"
