"""The arrays that a submission must hold for one dataset, with their shapes.

A layout follows from a phase's ground truth (what the server goes by) or from the suite's official
numbers (what a participant can check without the truth).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from ..suite import FP_BPS, VEL_R2, Dataset, Suite, expected_bins

HELDIN, HELDOUT = "heldin", "heldout"

#: part of a submission -> names of its held-in and held-out arrays
PARTS: Dict[str, Tuple[str, str]] = {
    "train": ("train_rates_heldin", "train_rates_heldout"),
    "eval": ("eval_rates_heldin", "eval_rates_heldout"),
    "forward": ("eval_rates_heldin_forward", "eval_rates_heldout_forward"),
}
#: every array that a submission's group may hold
ARRAYS: Tuple[str, ...] = tuple(name for pair in PARTS.values() for name in pair)


@dataclass(frozen=True)
class Layout:
    """Shapes of one dataset at one bin width.

    ``n_train`` is None where no training rates are used, ``n_forward`` where no forward
    predictions are scored, ``n_heldin`` where the truth does not tell it.
    """

    dataset: Dataset
    bin_width_ms: int
    n_train: Optional[int]
    n_eval: int
    n_bins: int
    n_forward: Optional[int]
    n_heldin: Optional[int]
    n_heldout: int

    def shape(self, array: str) -> Tuple[Optional[int], Optional[int], Optional[int]]:
        """(trials, bins, neurons) of an array; None where any number will do."""
        trials = self.n_train if array.startswith("train") else self.n_eval
        bins = self.n_forward if array.endswith("_forward") else self.n_bins
        neurons = self.n_heldin if HELDIN in array else self.n_heldout
        return trials, bins, neurons

    def axes(self, array: str) -> str:
        """What the axes of an array are, in words."""
        bins = f"{self.bin_width_ms} ms bins"
        if array.endswith("_forward"):
            bins = "forward " + bins
        return f"(trials, {bins}, {'held-in' if HELDIN in array else 'held-out'} neurons)"

    def required(self) -> List[str]:
        """Names of the arrays that must be there."""
        parts = ["train", "eval"] if self.n_train is not None else ["eval"]
        return [name for part in parts for name in PARTS[part]]

    def optional(self) -> List[str]:
        """Names of the arrays that are scored if they are there."""
        return list(PARTS["forward"]) if self.n_forward is not None else []


def official_layout(suite: Suite, phase: str, dataset: Dataset, bin_width_ms: int) -> Layout:
    """The layout of the real benchmark, from the suite's numbers."""
    assert phase in {p.codename for p in suite.phases}
    bins, forward = expected_bins(dataset, bin_width_ms)
    return Layout(
        dataset=dataset,
        bin_width_ms=bin_width_ms,
        n_train=dataset.n_train[phase] if VEL_R2 in dataset.metrics else None,
        n_eval=dataset.n_eval[phase],
        n_bins=bins,
        n_forward=forward if FP_BPS in dataset.metrics else None,
        n_heldin=dataset.n_heldin,
        n_heldout=dataset.n_heldout,
    )
