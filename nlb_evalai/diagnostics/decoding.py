"""Velocity decoding taken apart: by axis, and within conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional

import numpy as np

from evaluation_script.arrays import Part
from evaluation_script.metrics import VelocityDecoding
from evaluation_script.metrics.jackknife import by_block, jackknife_error, r2_from_sums
from evaluation_script.metrics.velocity_decoding import EVAL_BEHAVIOR
from nlb_evalai.diagnostics.base import Case, Diagnostic, NotHadError, Plain, Seen
from nlb_evalai.diagnostics.repeats import Repeats


@dataclass(frozen=True)
class AxisScore(Plain):
    """R2 of one component of the velocity, averaged over decoders.

    Attributes
    ----------
    axis : int
        Column of the behavior, from 0.
    r2, standard_error : float
        Their mean over axes is vel R2; deleting an eval trial gives the error.
    within_conditions, within_error : float or None
        R2 of what is left after every condition's mean, at each time, is taken from the velocity
        and from what is decoded: 0 for a model that knows the condition only. Deleting a condition
        gives the error. None where trials do not repeat.
    """

    axis: int
    r2: float
    standard_error: Optional[float]
    within_conditions: Optional[float]
    within_error: Optional[float]


@dataclass(frozen=True)
class Decoding(Plain):
    """Velocity decoding taken apart; ``within_left_out`` says why there is none in conditions."""

    axes: List[AxisScore]
    within_conditions: Optional[float]
    within_error: Optional[float]
    within_left_out: Optional[str]


class DecodingDiagnostic(Diagnostic):
    """The errors of the official decoder, looked at once more; nothing is fitted."""

    parts = ()

    def __init__(self, case: Case) -> None:
        metrics = case.layout.dataset.metrics
        if not any(issubclass(metric, VelocityDecoding) for metric in metrics):
            raise NotHadError("no velocity is decoded in this dataset")
        self._behavior: np.ndarray = case.truth[EVAL_BEHAVIOR.name]
        self._repeats: Optional[Repeats] = None
        self._why: Optional[str] = None
        try:
            self._repeats = Repeats(case.truth)
        except NotHadError as error:
            self._why = str(error)

    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        """Take nothing."""

    def result(self, seen: Seen) -> Decoding:
        metric = seen.metric(VelocityDecoding)
        if metric is None:
            raise NotHadError("no velocity could be decoded")
        starts = metric.block_starts
        by_axis = np.mean([_by_trial(one, self._behavior, starts) for one in metric.errors], axis=0)
        within, why = None, self._why
        if self._repeats is not None:
            within = self._within(metric.errors)
            why = None if within is not None else "no condition has two trials of one decoder"
        axes = [
            AxisScore(
                axis,
                float(by_axis[0, axis]),
                jackknife_error(by_axis[1:, axis]),
                None if within is None else float(within[0, axis]),
                None if within is None else jackknife_error(within[1:, axis]),
            )
            for axis in range(by_axis.shape[1])
        ]
        if within is None:
            return Decoding(axes, None, None, why)
        mean = within.mean(axis=1)
        return Decoding(axes, float(mean[0]), jackknife_error(mean[1:]), None)

    def _within(self, errors: np.ndarray) -> Optional[np.ndarray]:
        """R2 within conditions (1 + conditions, axes): of all, then without each of a decoder."""
        assert self._repeats is not None
        scores = []
        for one in errors:
            sums = []
            for condition in self._repeats.repeated:
                trials = self._repeats.conditions[condition]
                error = one[trials]
                truth = np.where(np.isnan(error), np.nan, self._behavior[trials])
                residual, total = _about_mean(error), _about_mean(truth)
                if (total > 0).all():
                    sums.append((residual, total))
            if sums:
                residual, total = (np.array(part) for part in zip(*sums))
                scores.append(_with_each_left_out(residual, total))
        if len(scores) != len(errors):
            return None
        whole = np.mean([one[0] for one in scores], axis=0)
        without = [whole + (one[1:] - one[0]) / len(scores) for one in scores]
        return np.concatenate([whole[None], *without])


def _about_mean(values: np.ndarray) -> np.ndarray:
    """Squares about the mean over trials of each bin, summed: (columns,); NaN is left out."""
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.asarray(np.square(np.where(known, values - mean, 0.0)).sum(axis=(0, 1)))


def _with_each_left_out(residual: np.ndarray, total: np.ndarray) -> np.ndarray:
    """R2 of sums over rows, then without each row: (1 + rows, columns)."""
    left = [residual.sum(axis=0) - residual, total.sum(axis=0) - total]
    with np.errstate(divide="ignore", invalid="ignore"):
        without = 1 - left[0] / left[1]
    return np.concatenate([[1 - residual.sum(axis=0) / total.sum(axis=0)], without])


def _by_trial(
    errors: np.ndarray, behavior: np.ndarray, block_starts: Optional[np.ndarray]
) -> np.ndarray:
    """R2 of each axis, then without each trial or block of them: (1 + trials, axes)."""
    used = ~np.isnan(errors[..., :1])
    kept = behavior[used[..., 0]]
    squares = by_block(np.where(used, np.square(errors), 0.0).sum(axis=1), block_starts)
    centered = np.where(used, behavior - kept.mean(axis=0), 0.0)
    count, sums, total = (
        by_block(one.sum(axis=1), block_starts) for one in (used, centered, np.square(centered))
    )
    left_count = count.sum() - count
    with np.errstate(divide="ignore", invalid="ignore"):
        left_total = total.sum(axis=0) - total - np.square(sums.sum(axis=0) - sums) / left_count
        without = 1 - (squares.sum(axis=0) - squares) / left_total
    return np.concatenate([[r2_from_sums(squares.sum(axis=0), total.sum(axis=0))], without])
