"""The flow: a phase's sessions -> one file with every dataset at every bin width."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence

import h5py
import numpy as np
from numpy.typing import NDArray

from evaluation_script.suites import Dataset, Suite
from nlb_evalai.errors import NOT_SEEN, ProblemsError
from nlb_evalai.hdf5 import written_whole
from nlb_evalai.truth.errors import AnnotationFileError, SessionError
from nlb_evalai.truth.files import write_arrays, write_provenance
from nlb_evalai.truth.inputs import build_inputs
from nlb_evalai.truth.nwb import read_nwb
from nlb_evalai.truth.recording import Recording, join
from nlb_evalai.truth.sessions import fitting
from nlb_evalai.truth.targets import Selection, build_targets
from nlb_evalai.truth.verify import check_file

#: dataset name -> the files of its session, in order
Sources = Mapping[str, Sequence[Path]]
#: (dataset, bin width in ms, inputs by name) -> arrays of a submission by name
Model = Callable[[Dataset, int, Mapping[str, NDArray]], Mapping[str, NDArray]]


class StepProgress:
    """Is told how far the work is; this one keeps it to itself."""

    def step(self, what: str, total: Optional[int] = None) -> None:
        """A new step begins, of ``total`` parts if that is known."""

    def advance(self) -> None:
        """One part of the step is done."""


@dataclass(frozen=True)
class GroupSummary:
    """A group of the file that was written, for people."""

    group: str
    train_trials: int
    eval_trials: int
    bins: int
    heldin: int
    heldout: int
    conditions: int
    nan_share: float


@dataclass
class Result:
    """What was written, and what was unusual about it."""

    groups: List[GroupSummary]
    notes: List[str]


def parse_sources(entries: Sequence[str], suite: Suite) -> Dict[str, List[Path]]:
    """``NAME=PATH`` -> the files of each dataset, in the suite's order.

    PATH is a file, a folder (all its ``.nwb`` files, sorted by name), or a pattern such as
    ``sub-Jenkins/*large*`` where a folder holds several sessions.

    Raises
    ------
    ProblemsError
        For everything wrong with the entries, at once.
    """
    found: Dict[str, List[Path]] = {}
    problems: List[str] = []
    names = [dataset.name for dataset in suite.datasets if dataset.session is not None]
    without_rules = [dataset.name for dataset in suite.datasets if dataset.session is None]
    for entry in entries:
        name, separator, text = entry.partition("=")
        if not separator or not text:
            problems.append(f"{entry!r}: expected NAME=PATH")
        elif name in without_rules:
            problems.append(
                f"{name!r}: suite {suite.name} has no rules for its recordings (session=... of the "
                "dataset), so nothing can be made of them"
            )
        elif name not in names:
            known = f"expected one of {', '.join(names)}" if names else "none has rules for them"
            problems.append(f"{name!r}: not a dataset; {known}")
        elif name in found:
            problems.append(f"{name!r}: given twice; for several files give their folder")
        else:
            found[name] = _session_files(Path(text).expanduser())
            if not found[name]:
                problems.append(f"{name!r}: no .nwb file at {text}")
    if problems:
        raise ProblemsError("cannot use --nwb,", problems, exit_code=NOT_SEEN)
    return {name: found[name] for name in names if name in found}


def _session_files(path: Path) -> List[Path]:
    if path.is_dir():
        return sorted(path.glob("*.nwb"))
    if path.is_file():
        return [path]
    if any(sign in path.name for sign in "*?["):
        return sorted(match for match in path.parent.glob(path.name) if match.suffix == ".nwb")
    return []


def load_session(dataset: Dataset, paths: Sequence[Path]) -> Recording:
    """A dataset's session, from its files.

    Raises
    ------
    SessionError
        If a file cannot be read, or is no session of this dataset.
    """
    keep = dataset.series
    return join([read_nwb(path, keep) for path in paths], paths)


def build_annotations(
    phase: str,
    sources: Sources,
    out: Path,
    suite: Suite,
    seed: int = 0,
    progress: Optional[StepProgress] = None,
    force: bool = False,
) -> Result:
    """Write the annotation file of a phase, once it has passed verification.

    ``force`` writes it even if it has not; the problems are then among the notes.

    Raises
    ------
    SessionError
        If a session does not hold what is needed; nothing is written then.
    AnnotationFileError
        If the arrays contradict each other; nothing is written then either.
    """
    progress = progress or StepProgress()
    selection = Selection.of_phase(suite.phase(phase))
    result = Result([], [])
    with written_whole(out, chain.from_iterable(sources.values())) as file:
        digests = {}
        for dataset in _in_order(suite, sources):
            recording = _load(dataset, sources, progress)
            digests[dataset.name] = recording.sources
            n_units = len(recording.heldin) + len(recording.heldout)
            progress.step(f"{dataset.name}: trial averages", n_units)
            with _naming(dataset.name, suite, recording):
                targets = build_targets(
                    recording,
                    dataset,
                    selection,
                    suite.bin_widths(dataset),
                    seed,
                    progress.advance,
                )
            for width, arrays in targets.items():
                group = file.create_group(suite.group(dataset, width))
                write_arrays(group, arrays)
                result.groups.append(_summary(group))
            result.notes += recording.notes
        write_provenance(file, phase, suite.name, suite.rules_version, digests)
        file.flush()
        progress.step("verifying")
        report = check_file(file, suite)
        result.notes += [f"PROBLEM {line}" for line in report.problems]
        if report.problems and not force:
            raise AnnotationFileError(f"{out}: not written,", report.problems)
        result.notes += [note for note in report.notes if note not in result.notes]
    return result


def build_input_file(
    phase: str,
    sources: Sources,
    out: Path,
    suite: Suite,
    seed: int = 0,
    progress: Optional[StepProgress] = None,
) -> Result:
    """Write the model inputs of a phase: train and eval arrays of each dataset.

    Raises
    ------
    SessionError
        If a session does not hold what is needed; nothing is written then.
    """
    return write_trials(phase, sources, out, suite, seed, progress)


def write_trials(
    phase: str,
    sources: Sources,
    out: Path,
    suite: Suite,
    seed: int = 0,
    progress: Optional[StepProgress] = None,
    model: Optional[Model] = None,
) -> Result:
    """Write the model inputs of a phase or, given a model, what it makes of their spikes.

    Raises
    ------
    SessionError
        If a session does not hold what is needed; nothing is written then.
    """
    progress = progress or StepProgress()
    selection = Selection.of_phase(suite.phase(phase))
    result = Result([], [])
    with written_whole(out, chain.from_iterable(sources.values())) as file:
        digests = {}
        for dataset in _in_order(suite, sources):
            recording = _load(dataset, sources, progress)
            digests[dataset.name] = recording.sources
            for width in suite.bin_widths(dataset):
                group = file.create_group(suite.group(dataset, width))
                progress.step(f"{suite.group(dataset, width)}: {'rates' if model else 'inputs'}")
                with _naming(dataset.name, suite, recording):
                    inputs = build_inputs(
                        recording, dataset, selection, [width], seed, for_model=model is not None
                    )
                arrays = inputs[width]
                write_arrays(group, model(dataset, width, arrays) if model else arrays)
                result.groups.append(_summary(group))
            result.notes += recording.notes
        if model is None:
            write_provenance(file, phase, suite.name, suite.rules_version, digests)
    return result


def _in_order(suite: Suite, sources: Sources) -> List[Dataset]:
    return [dataset for dataset in suite.datasets if dataset.name in sources]


def _load(dataset: Dataset, sources: Sources, progress: StepProgress) -> Recording:
    progress.step(f"{dataset.name}: reading")
    return load_session(dataset, sources[dataset.name])


@contextmanager
def _naming(dataset: str, suite: Suite, recording: Recording) -> Iterator[None]:
    """If the session is at fault, say for which dataset, and what else it could be of."""
    try:
        yield
    except SessionError as error:
        message = f"{dataset}: {error}"
        others = fitting(suite, set(recording.trials.names()), set(recording.series))
        if others and dataset not in others:
            message += f"; the session has all that {', '.join(others)} needs"
        raise SessionError(message, exit_code=error.exit_code) from error


def _summary(group: h5py.Group) -> GroupSummary:
    """Shapes of what was written; never values."""
    arrays = {name: node for name, node in group.items() if isinstance(node, h5py.Dataset)}

    def size(axis: int, *names: str) -> int:
        shapes = [arrays[name].shape for name in names if name in arrays]
        return next((shape[axis] for shape in shapes if len(shape) > axis), 0)

    values = missing = 0
    for node in arrays.values():
        if node.dtype.kind == "f":
            values += node.size
            missing += int(np.isnan(node[()]).sum())
    return GroupSummary(
        group=group.name.lstrip("/"),
        train_trials=size(0, "train_behavior", "train_spikes_heldin", "train_rates_heldin"),
        eval_trials=size(0, "eval_spikes_heldout", "eval_spikes_heldin", "eval_rates_heldin"),
        bins=size(1, "eval_spikes_heldout", "eval_spikes_heldin", "eval_rates_heldin"),
        heldin=size(2, "eval_spikes_heldin", "eval_rates_heldin", "eval_spikes_heldin_forward"),
        heldout=size(2, "eval_spikes_heldout", "train_spikes_heldout", "eval_rates_heldout"),
        conditions=size(0, "psth"),
        nan_share=missing / values if values else 0.0,
    )
