"""The arrays that a submission must hold for one dataset, with their shapes.

A layout follows from a phase's ground truth (what the server goes by) or from the suite's published
numbers (what a participant can check without the truth).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from ..arrays import PARTS, Axis, Part, RateArray
from ..suites import Dataset, MetricType, Suite


@dataclass(frozen=True)
class Layout:
    """Shapes of one dataset at one bin width.

    ``sizes`` gives the lengths of axes as far as they are known. ``metrics`` are those that the
    truth holds everything for: what they read is what a submission brings.
    """

    dataset: Dataset
    bin_width_ms: int
    sizes: Mapping[Axis, Optional[int]]
    metrics: Tuple[MetricType, ...]

    def size(self, axis: Axis) -> Optional[int]:
        """The length of an axis; None where any number will do."""
        if axis is Axis.NEURONS:
            heldin, heldout = self.size(Axis.HELDIN), self.size(Axis.HELDOUT)
            return None if heldin is None or heldout is None else heldin + heldout
        return self.sizes.get(axis)

    def shape(self, array: RateArray) -> Tuple[Optional[int], Optional[int], Optional[int]]:
        """(trials, bins, neurons) of an array; None where any number will do."""
        trials, bins, neurons = array.axes
        return self.size(trials), self.size(bins), self.size(neurons)

    def axes(self, array: RateArray) -> str:
        """What the axes of an array are, in words."""
        forward = "forward " if array.bins is Axis.FORWARD_BINS else ""
        return f"(trials, {forward}{self.bin_width_ms} ms bins, {array.neurons.value})"

    def readers(self, part: Part) -> List[MetricType]:
        """The metrics that read a part."""
        return [metric for metric in self.metrics if part in metric.parts]

    def required(self) -> List[Part]:
        """The parts that must be there, in reading order."""
        return [part for part in PARTS if _must_be_there(self.readers(part))]

    def optional(self) -> List[Part]:
        """The parts that are scored if they are there."""
        return [
            part for part in PARTS if self.readers(part) and not _must_be_there(self.readers(part))
        ]

    def must_not_be_negative(self, array: RateArray) -> bool:
        """Whether some metric scores an array by likelihood."""
        return any(array in metric.not_negative for metric in self.dataset.metrics)


def _must_be_there(readers: Iterable[MetricType]) -> bool:
    return any(not metric.absent for metric in readers)


def published_layouts(suite: Suite, phase: str) -> Dict[str, Layout]:
    """The layout of every group of the real benchmark, from the suite's published numbers."""
    return {
        group: _published(dataset, phase, width)
        for group, (dataset, width) in suite.groups().items()
    }


def _published(dataset: Dataset, phase: str, bin_width_ms: int) -> Layout:
    figures = dataset.published
    sizes: Mapping[Axis, Optional[int]] = {
        Axis.TRAIN_TRIALS: figures.n_train.get(phase),
        Axis.EVAL_TRIALS: figures.n_eval.get(phase),
        Axis.BINS: dataset.bins(bin_width_ms),
        Axis.FORWARD_BINS: dataset.forward_bins(bin_width_ms),
        Axis.HELDIN: figures.n_heldin,
        Axis.HELDOUT: figures.n_heldout,
    }
    return Layout(dataset, bin_width_ms, sizes, dataset.metrics)
