"""What a dry run submits: the embedded sample's submissions, or the null model of a real truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import h5py
import numpy as np

from evaluation_script.annotation import Annotation, root_text
from evaluation_script.storage import resolve
from evaluation_script.suites import DEFAULT, DEFAULT_SUITE, Suite, SuiteError, find
from evaluation_script.text import printable
from nlb_evalai.challenge.evalai.replica.child import constant_rates
from nlb_evalai.challenge.replica import Replica
from nlb_evalai.errors import ToolError
from nlb_evalai.hdf5 import TrialWriter
from nlb_evalai.sample.files import MODELS, is_sample, write_sample

#: A rate that the null model has where the truth tells none: any positive number will do.
_ANY_RATE = 0.1
_BLOCK_TRIALS = 128


@dataclass(frozen=True)
class TeamSubmission:
    """A submission to a phase, and whose it is; ``partial``: it lacks datasets on purpose."""

    team: str
    phase: str
    path: Path
    partial: bool = False


def plan(
    replica: Replica, scratch: Path, phase: Optional[str], submission: Optional[Path]
) -> List[TeamSubmission]:
    """The submissions that a dry run scores.

    A given ``submission``; else, where the bundle's truth is the sample of a suite that is known
    here, the sample's; else one of mean rates made from the truth (or from what its pointer points
    at), whose co-bps must be 0. What that must hold a suite that is not known here says where the
    bundle runs.

    Raises
    ------
    ToolError
        If the challenge has no such phase, or nothing can be made from a phase's truth.
    StorageError
        If truth behind a pointer cannot be fetched.
    """
    phases = [replica.offered(phase)] if phase else list(replica.phases)
    if submission is not None:
        team = printable(submission.stem)
        return [TeamSubmission(team, offered.codename, submission) for offered in phases]
    entries = []
    samples: Dict[str, Dict[str, Path]] = {}
    for offered in phases:
        truth = resolve(offered.truth, offered.phase)
        suite = _known_suite(truth)
        if suite is not None and is_sample(truth):
            if offered.phase not in samples:
                samples.update(write_sample(scratch, suite, phases=[offered.phase]).submissions)
            # Worst first, so that a board in the right order was put in order.
            entries += [
                TeamSubmission(
                    model, offered.codename, samples[offered.phase][model], model == MODELS[-1]
                )
                for model in reversed(MODELS)
            ]
        else:
            path = scratch / f"{len(entries)}-null-model.h5"
            write_null_model(truth, offered.phase, path, None if suite else replica)
            entries.append(TeamSubmission("null model", offered.codename, path))
    return entries


def _known_suite(truth: Path) -> Optional[Suite]:
    try:
        with h5py.File(truth, "r") as file:
            return find(root_text(file, "suite") or DEFAULT)
    except SuiteError:
        return None
    except OSError:  # no HDF5, which the null model says
        return DEFAULT_SUITE


def write_null_model(
    truth: Path, codename: str, out: Path, replica: Optional[Replica] = None
) -> None:
    """Write a submission of each neuron's mean rate over the truth itself: co-bps 0 by definition.

    Parameters
    ----------
    replica : Replica, optional
        Where the suite runs that the truth is of, unless it is known here.

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
    if replica is None:
        with Annotation(truth, codename) as annotation:
            arrays = constant_rates(annotation)
    else:
        arrays = replica.rates(truth, codename)
    with h5py.File(truth, "r") as source, h5py.File(out, "w") as target:
        for name, array, shape, counts in arrays:
            spikes = None if counts is None else source[name][counts]
            _write_constant(target.require_group(name), array, shape, _mean_rates(spikes, shape))


def _mean_rates(spikes: Optional[h5py.Dataset], shape: Sequence[int]) -> np.ndarray:
    """(neurons,) spikes per bin: the truth's mean, or any constant where it holds no spikes."""
    if spikes is None:
        return np.full(shape[2], _ANY_RATE)
    mean: np.ndarray = np.nanmean(spikes[()].astype(float), axis=(0, 1))
    return mean


def _write_constant(group: h5py.Group, array: str, shape: Sequence[int], rates: np.ndarray) -> None:
    trials, bins, neurons = shape
    writer = TrialWriter(group, array, (trials, bins, neurons))
    for start in range(0, trials, _BLOCK_TRIALS):
        block = (min(_BLOCK_TRIALS, trials - start), bins, neurons)
        writer.append(np.broadcast_to(rates, block))
    writer.flush()
