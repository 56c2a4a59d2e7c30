"""What a dry run submits: the embedded sample's submissions, or the null model of a real truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional

import h5py
import numpy as np

from evaluation_script.annotation import Annotation
from evaluation_script.arrays import Kind, RateArray
from evaluation_script.storage import resolve
from evaluation_script.submission.layout import Layout
from evaluation_script.suites import DEFAULT_SUITE
from evaluation_script.text import printable
from nlb_evalai.challenge.evalai.replica.worker import Replica
from nlb_evalai.errors import ToolError
from nlb_evalai.hdf5 import TrialWriter
from nlb_evalai.sample.files import MODELS, is_sample, write_sample

#: A rate that the null model has where the truth tells none: any positive number will do.
_ANY_RATE = 0.1
_BLOCK_TRIALS = 128


@dataclass(frozen=True)
class TeamSubmission:
    """A submission to a phase, and whose it is."""

    team: str
    phase: str
    path: Path


def plan(
    replica: Replica, scratch: Path, phase: Optional[str], submission: Optional[Path]
) -> List[TeamSubmission]:
    """The submissions that a dry run scores.

    A given ``submission``; else, where the bundle's truth is the sample, the sample's; else one of
    mean rates made from the truth (or from what its pointer points at), whose co-bps must be 0.

    Raises
    ------
    ConfigError
        If the challenge has no such phase.
    ToolError
        If nothing can be made from a phase's truth.
    StorageError
        If truth behind a pointer cannot be fetched.
    """
    challenge = replica.challenge
    codenames = [phase] if phase else [one.codename for one in challenge.phases]
    for codename in codenames:
        challenge.phase(codename)
    if submission is not None:
        return [
            TeamSubmission(printable(submission.stem), codename, submission)
            for codename in codenames
        ]
    entries = []
    for codename in codenames:
        truth = resolve(replica.annotations[codename], codename)
        if is_sample(truth):
            written = write_sample(scratch, DEFAULT_SUITE, phases=[codename])
            # Worst first, so that a board in the right order was put in order.
            entries += [
                TeamSubmission(model, codename, written.submissions[codename][model])
                for model in reversed(MODELS)
            ]
        else:
            path = scratch / f"{codename}-null-model.h5"
            write_null_model(truth, codename, path)
            entries.append(TeamSubmission("null model", codename, path))
    return entries


def write_null_model(truth: Path, codename: str, out: Path) -> None:
    """Write a submission of each neuron's mean rate over the truth itself: co-bps 0 by definition.

    Raises
    ------
    ToolError
        If the truth is no HDF5 file.
    AnnotationError
        If it is not laid out as ground truth of that phase.
    """
    if not h5py.is_hdf5(truth):
        raise ToolError(
            f"the ground truth of phase {codename} is no HDF5 file; give a submission to score "
            "with --submission FILE --phase PHASE"
        )
    with Annotation(truth, codename) as annotation:
        layouts = annotation.layouts
    with h5py.File(truth, "r") as source, h5py.File(out, "w") as target:
        for name, layout in layouts.items():
            group = target.create_group(name)
            for part in layout.required() + layout.optional():
                for array in part.arrays:
                    _write_constant(group, array, _mean_rates(source[name], layout, array), layout)


def _mean_rates(truth: h5py.Group, layout: Layout, rates: RateArray) -> np.ndarray:
    """(neurons,) spikes per bin: the truth's mean, or any constant where it holds no spikes."""
    for array in dict.fromkeys(a for metric in layout.metrics for a in metric.truth):
        if array.kind is Kind.COUNTS and array.axes == rates.axes:
            mean: np.ndarray = np.nanmean(truth[array.name][()].astype(float), axis=(0, 1))
            return mean
    return np.full(layout.shape(rates)[2] or 1, _ANY_RATE)


def _write_constant(group: h5py.Group, array: RateArray, rates: np.ndarray, layout: Layout) -> None:
    trials, bins, _ = layout.shape(array)
    assert trials is not None
    assert bins is not None
    writer = TrialWriter(group, array.name, (trials, bins, len(rates)))
    for start in range(0, trials, _BLOCK_TRIALS):
        shape = (min(_BLOCK_TRIALS, trials - start), bins, len(rates))
        writer.append(np.broadcast_to(rates, shape))
    writer.flush()
