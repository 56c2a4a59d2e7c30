"""The embedded sample benchmark: ground truth and submissions for every dataset, simulated.

Files are laid out as the reference's ``save_to_h5`` writes them (gzip, float32, int32, bool,
variable-length int32) and hold the edges that real data have: NaN around the scored part of a
trial, conditions without evaluation trials, jitter (in real ``test`` data it is zero), decode
masks, outlier trials, gaps in behavior, PSTHs cut short. The same arguments give the same bytes.

A file takes its name when it is whole, and ground truth that is not a sample's is never replaced.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple, Union

import h5py
import numpy as np

from evaluation_script.annotation import root_text
from evaluation_script.metrics.psth_match import PSTH
from evaluation_script.suites import Dataset, Phase, Suite
from evaluation_script.suites.session import SeriesBehavior
from evaluation_script.suites.suite import Published
from nlb_evalai.errors import ToolError
from nlb_evalai.hdf5 import TrialWriter, written_whole
from nlb_evalai.sample.models import SmoothingModel, mean_counts
from nlb_evalai.sample.simulation import Session, TrialBlock

SCALES = ("small", "full")
#: Best first: the order in which the boards must rank them on every dataset.
MODELS = ("true", "smoothing", "mean", "one-dataset")

#: Root attribute of a ground truth that says where it comes from.
ORIGIN = "origin"
_SAMPLE = "embedded sample"

#: model(block, bin width in ms) -> rates of the window and of the forward window,
#: each (trials, bins, held-in + held-out)
SampleModel = Callable[[TrialBlock, int], Tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class SamplePaths:
    """Where a sample was written: ``annotations[phase]`` and ``submissions[phase][model]``."""

    annotations: Dict[str, Path]
    submissions: Dict[str, Dict[str, Path]]


def small_suite(suite: Suite) -> Suite:
    """The suite with few trials and few units; bins, metrics and splits stay as they are."""
    return replace(suite, datasets=tuple(_small(suite, dataset) for dataset in suite.datasets))


def _small(suite: Suite, dataset: Dataset) -> Dataset:
    trained = {split for phase in suite.phases for split in phase.train_splits}
    trials = {split: 24 if split in trained else 12 for split in suite.all_splits()}
    trials.update(dataset.simulation.trials)
    figures = Published(
        n_heldin=_few(dataset.published.n_heldin, 10),
        n_heldout=_few(dataset.published.n_heldout, 3),
        n_train={p.codename: sum(trials[split] for split in p.train_splits) for p in suite.phases},
        n_eval={p.codename: trials[p.eval_split] for p in suite.phases},
    )
    return replace(dataset, published=figures, simulation=replace(dataset.simulation, full=trials))


def _few(neurons: Optional[int], least: int) -> int:
    """An eighth of the published number, which may be 0 or unknown."""
    return 0 if neurons == 0 else max((neurons or 0) // 8, least)


def make_sessions(suite: Suite, scale: str = "small", *, seed: int = 0) -> List[Session]:
    """One simulated session per dataset of ``suite``; at ``full`` scale in the published shapes.

    Raises
    ------
    ValueError
        For a scale that does not exist.
    ToolError
        If a shape is published nowhere and the suite's simulation does not give it.
    """
    if scale not in SCALES:
        raise ValueError(f"scale: found {scale!r}, expected one of {', '.join(SCALES)}")
    chosen = small_suite(suite) if scale == "small" else suite
    return [
        Session(chosen, dataset, dataset.simulation.conditions[SCALES.index(scale)], seed)
        for dataset in chosen.datasets
    ]


def write_sample(
    out_dir: Union[str, Path],
    suite: Suite,
    *,
    scale: str = "small",
    phases: Optional[Sequence[str]] = None,
    models: Optional[Sequence[str]] = None,
    seed: int = 0,
    report: Callable[[str], None] = lambda path: None,
) -> SamplePaths:
    """Write ``annotations/<phase>.h5`` and ``submissions/<phase>/<model>.h5`` below a folder.

    Parameters
    ----------
    scale : str
        ``small`` (seconds, a few megabytes) or ``full`` (official shapes, about 700 MB a
        submission; made in blocks of trials, so memory stays small).
    phases, models : sequence of str, optional
        Which to write; all when left out.
    report : callable
        Called with the name of each file before it is written.

    Raises
    ------
    ValueError
        For a scale, phase or model that does not exist.
    ToolError
        If other ground truth lies where the sample's would; then nothing is written.
    """
    sessions = make_sessions(suite, scale, seed=seed)
    chosen = _chosen("phase", phases, [phase.codename for phase in suite.phases])
    names = _chosen("model", models, MODELS)
    out = Path(out_dir)
    paths = SamplePaths({}, {phase: {} for phase in chosen})
    truths = {codename: out / "annotations" / f"{codename}.h5" for codename in chosen}
    real = [str(path) for path in truths.values() if path.exists() and not is_sample(path)]
    if real:
        raise ToolError(
            f"{' and '.join(real)}: found ground truth that is not the embedded sample's, expected "
            "nothing or a sample to replace; nothing was written, choose another folder"
        )
    origin = f"{_SAMPLE}, {scale} scale, seed {seed}: simulated, no real data"
    for codename in chosen:
        phase = suite.phase(codename)
        truth = truths[codename]
        report(str(truth.relative_to(out)))
        write_annotations(truth, phase, sessions, origin)
        paths.annotations[codename] = truth
        for name in names:
            path = out / "submissions" / codename / f"{name}.h5"
            report(str(path.relative_to(out)))
            write_submission(path, phase, sessions, name)
            paths.submissions[codename][name] = path
    return paths


def is_sample(path: Union[str, Path]) -> bool:
    """Whether an annotation file is one of :func:`write_sample`, and so nothing to publish."""
    try:
        with h5py.File(path, "r") as file:
            return (root_text(file, ORIGIN) or "").startswith(_SAMPLE)
    except OSError:  # no HDF5, or damaged
        return False


def _chosen(what: str, wanted: Optional[Sequence[str]], known: Sequence[str]) -> List[str]:
    unknown = [name for name in wanted or () if name not in known]
    if unknown:
        raise ValueError(f"{what}: found {unknown[0]!r}, expected one of {', '.join(known)}")
    return [name for name in known if wanted is None or name in wanted]


# ---- submissions ------------------------------------------------------------------------------


def write_submission(path: Path, phase: Phase, sessions: Sequence[Session], model: str) -> None:
    """Write one model's submission, block by block.

    ``true`` gives the simulated rates, ``smoothing`` the smoothing model of ``sample.models``,
    ``mean`` each unit's mean over the training trials, ``one-dataset`` the smoothing model for
    the first dataset alone, without forward predictions.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = model == "one-dataset"
    with written_whole(path) as file:
        for session in sessions[:1] if partial else sessions:
            predict = _model("smoothing" if partial else model, session, phase)
            for split, part in ((phase.train_splits, "train"), ((phase.eval_split,), "eval")):
                _write_rates(file, session, split, part, predict, forward=not partial)


def _model(name: str, session: Session, phase: Phase) -> SampleModel:
    if name == "true":
        return lambda block, width: block.window(block.rates, width)
    if name == "mean":
        return mean_counts(session, phase.train_splits)
    return SmoothingModel(session, phase.train_splits).predict


def _write_rates(
    file: h5py.File,
    session: Session,
    splits: Sequence[str],
    part: str,
    predict: SampleModel,
    forward: bool,
) -> None:
    n_trials = sum(session.sizes[split] for split in splits)
    n_heldin = session.n_heldin
    for width in session.bin_widths_ms:
        group = file.require_group(session.suite.group(session.dataset, width))
        writers: Dict[str, TrialWriter] = {}
        for block in session.blocks(splits):
            rates, rates_forward = predict(block, width)
            arrays = {"heldin": rates[:, :, :n_heldin], "heldout": rates[:, :, n_heldin:]}
            if part == "eval" and forward and session.forward_ms:
                arrays["heldin_forward"] = rates_forward[:, :, :n_heldin]
                arrays["heldout_forward"] = rates_forward[:, :, n_heldin:]
            for name, values in arrays.items():
                key = f"{part}_rates_{name}"
                if key not in writers:
                    writers[key] = TrialWriter(group, key, (n_trials, *values.shape[1:]))
                writers[key].append(values)
        for writer in writers.values():
            writer.flush()


# ---- ground truth -----------------------------------------------------------------------------


def write_annotations(
    path: Path, phase: Phase, sessions: Sequence[Session], origin: str = _SAMPLE
) -> None:
    """Write one phase's ground truth; ``origin`` is kept as an attribute of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        suite = sessions[0].suite
        file.attrs["phase"] = phase.codename
        file.attrs["suite"] = suite.name
        file.attrs["rules_version"] = suite.rules_version
        file.attrs[ORIGIN] = origin
        for session in sessions:
            for width in session.bin_widths_ms:
                group = file.create_group(suite.group(session.dataset, width))
                _write_spikes(group, session, phase, width)
                if session.dataset.behavior is not None:
                    _write_behavior(group, session, phase, width)
                if any(PSTH in metric.truth for metric in session.dataset.metrics):
                    _write_psth(group, session, phase, width)
                _check_complete(group, session.dataset)


def _check_complete(group: h5py.Group, dataset: Dataset) -> None:
    for metric in dataset.metrics:
        for array in metric.truth:
            if array.default is None and array.name not in group:
                raise ToolError(
                    f"{dataset.name}: the sample has no {array.name}, which {metric.key} reads: "
                    "leave the metric out, or change the dataset's behavior, forward_ms or "
                    "Simulation so that it is simulated"
                )


def _write_spikes(group: h5py.Group, session: Session, phase: Phase, width: int) -> None:
    n_trials, n_heldin = session.sizes[phase.eval_split], session.n_heldin
    writers: Dict[str, TrialWriter] = {}
    for block in session.blocks([phase.eval_split]):
        spikes, forward = block.window(block.spikes, width)
        spikes[~block.scored(width)] = np.nan
        arrays = {"eval_spikes_heldout": spikes[:, :, n_heldin:]}
        if session.forward_ms:
            arrays["eval_spikes_heldin_forward"] = forward[:, :, :n_heldin]
            arrays["eval_spikes_heldout_forward"] = forward[:, :, n_heldin:]
        for name, values in arrays.items():
            if name not in writers:
                writers[name] = TrialWriter(group, name, (n_trials, *values.shape[1:]))
            writers[name].append(values)
    for writer in writers.values():
        writer.flush()


def _write_behavior(group: h5py.Group, session: Session, phase: Phase, width: int) -> None:
    for part, splits in (("train", phase.train_splits), ("eval", (phase.eval_split,))):
        trials = [session.trials(split) for split in splits]
        if isinstance(session.dataset.behavior, SeriesBehavior):
            behavior = np.concatenate([block.velocity(width) for block in session.blocks(splits)])
        else:
            behavior = np.concatenate([one.timing for one in trials])
            behavior[np.concatenate([one.is_outlier for one in trials])] = np.nan
        _create(group, f"{part}_behavior", behavior.astype(np.float32))
        if session.is_timing:
            jitter = np.concatenate([session.jitter(split, width) for split in splits])
            _create(group, f"{part}_jitter", jitter.astype(np.int32))
        if session.traits.decoders > 1:
            decoder = np.concatenate([one.decoder for one in trials])
            mask = decoder[:, None] == np.arange(session.traits.decoders)
            _create(group, f"{part}_decode_mask", mask)


def _write_psth(group: h5py.Group, session: Session, phase: Phase, width: int) -> None:
    for part, splits in (("train", phase.train_splits), ("eval", (phase.eval_split,))):
        condition = np.concatenate([session.trials(split).condition for split in splits])
        outlier = np.concatenate([session.trials(split).is_outlier for split in splits])
        index = np.empty(session.n_conditions, dtype=object)
        for number in range(session.n_conditions):
            index[number] = np.flatnonzero((condition == number) & ~outlier).astype(np.int32)
        _create(group, f"{part}_cond_idx", index, dtype=h5py.vlen_dtype("int32"))
    psth = make_psth(session, (*phase.train_splits, phase.eval_split), width)
    _create(group, "psth", psth.astype(np.float32))


def make_psth(session: Session, splits: Sequence[str], width: int) -> np.ndarray:
    """Mean rates of each condition over all its trials but outliers.

    Returns
    -------
    ndarray (conditions, T, held-in + held-out)
        Spikes per bin. In timing datasets aligned to the window's end, and NaN before the start
        of the condition's shortest trial; elsewhere ``psth_cut_ms`` of the session's traits cuts
        the end of one condition.
    """
    length = session.dataset.window_ms // width
    factor = width // session.fine_ms
    total = np.zeros((session.n_conditions, length, session.n_units))
    count = np.zeros(session.n_conditions)
    shortest = np.full(session.n_conditions, length)
    for block in session.blocks(splits):
        trials = session.trials(block.split)
        kept = np.flatnonzero(~trials.is_outlier[block.trials])
        condition = trials.condition[block.trials][kept]
        fine = block.rates[kept, : session.n_window]
        binned = fine.reshape(len(kept), length, factor, -1).sum(axis=2)
        np.add.at(total, condition, binned)
        np.add.at(count, condition, 1)
        if session.is_timing:
            bins = (trials.timing[block.trials, 4][kept] // width).astype(int)
            np.minimum.at(shortest, condition, bins)
    psth = total / np.maximum(count, 1)[:, None, None]
    psth[np.arange(length) < (length - shortest)[:, None]] = np.nan
    if session.traits.psth_cut_ms:
        psth[0, length - session.traits.psth_cut_ms // width :] = np.nan
    return psth


def _create(group: h5py.Group, name: str, values: np.ndarray, dtype: object = None) -> None:
    group.create_dataset(name, data=values, dtype=dtype, compression="gzip")
