"""Few-shot co-smoothing of a submission's file, which is read a second time for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Sequence, Set, Tuple, Union

import numpy as np

from evaluation_script.annotation import Annotation
from evaluation_script.arrays import EVAL, TRAIN
from evaluation_script.reader.process import ReaderProcess
from evaluation_script.submission.plan import trial_ranges
from evaluation_script.submission.structure import storage_problem
from evaluation_script.submission.upload import Upload
from nlb_evalai.diagnostics.base import NotHadError, heldout_spikes
from nlb_evalai.diagnostics.consistency import LOWEST_RATE
from nlb_evalai.diagnostics.few_shot import LATENTS, LOG_RATES, FewShot, draws_of, few_shot
from nlb_evalai.diagnostics.inputs import TRAIN_HELDOUT, InputsFile

#: optional arrays of a submission (trials, bins, latents), instead of its held-in log rates
LATENT_ARRAYS = ("train_latents", "eval_latents")
RATE_ARRAYS = (TRAIN.heldin.name, EVAL.heldin.name)
#: as many dimensions as can be held for all eval trials
_MOST_LATENTS = 256

Facts = Mapping[str, Any]


def few_shot_of_file(
    submission: Path,
    annotation: Annotation,
    inputs: InputsFile,
    groups: Sequence[str],
    tick: Callable[[str], None] = lambda group: None,
) -> Dict[str, Union[FewShot, str]]:
    """Few-shot co-smoothing of each group, or why it cannot be had.

    Parameters
    ----------
    submission : Path
        It has been scored, so what must be in it is sound.
    annotation : Annotation
    inputs : InputsFile
    groups : sequence of str
        The groups that were scored.
    tick : callable
        Called with the name of each group before its turn.

    Raises
    ------
    SubmissionError, LimitError
        If the file cannot be read any more.
    """
    import sklearn.linear_model  # noqa: F401 (loaded before its threads are limited)
    from threadpoolctl import threadpool_limits

    found: Dict[str, Union[FewShot, str]] = {}
    # the regressions are small: more threads would only wait for each other
    with (
        threadpool_limits(1),
        Upload(submission) as upload,
        ReaderProcess(upload.descriptor) as reader,
    ):
        described = reader.describe(dict.fromkeys(groups, (*LATENT_ARRAYS, *RATE_ARRAYS)))["groups"]
        for group in groups:
            tick(group)
            try:
                found[group] = _of_group(reader, annotation, inputs, group, described[group])
            except NotHadError as error:
                found[group] = str(error)
    return found


def _of_group(
    reader: ReaderProcess, annotation: Annotation, inputs: InputsFile, group: str, facts: Facts
) -> FewShot:
    truth = annotation.arrays(group)
    spikes = heldout_spikes(truth)
    n_eval, n_bins, n_heldout = spikes.shape
    train_spikes = inputs.spikes(group, TRAIN_HELDOUT, (None, n_bins, n_heldout))
    found = [name for name in LATENT_ARRAYS if name in facts["arrays"]]
    if len(found) == 1:
        raise NotHadError(f"{found[0]} stands alone: expected {' and '.join(LATENT_ARRAYS)}")
    names = LATENT_ARRAYS if found else RATE_ARRAYS
    checked(names, facts["arrays"], (len(train_spikes), n_bins), (n_eval, n_bins))
    wanted = {int(t) for draws in draws_of(len(train_spikes)).values() for d in draws for t in d}
    transform = _as_they_are if found else _log_rates
    train = {
        trial: transform(values)
        for trial, values in _trials(reader, group, names[0], facts["arrays"], wanted)
    }
    evaluate = np.stack(
        [
            transform(values)
            for _, values in _trials(reader, group, names[1], facts["arrays"], set(range(n_eval)))
        ]
    )
    return few_shot(
        LATENTS if found else LOG_RATES,
        train,
        evaluate,
        train_spikes,
        spikes,
        annotation.layouts[group].bin_width_ms,
    )


def checked(names: Tuple[str, str], arrays: Facts, *expected: Tuple[int, int]) -> None:
    """NotHadError for arrays that are not there, not stored plainly, or of other trials and bins.

    Parameters
    ----------
    names : tuple of str
        Of the training trials' array, and of the eval trials'.
    arrays : mapping
        The reader's facts by name.
    *expected : tuple of int
        Trials and bins of each.
    """
    widths = set()
    for name, (trials, bins) in zip(names, expected):
        if name not in arrays:
            raise NotHadError(f"the submission has no {name}")
        problem = storage_problem(arrays[name])
        if problem:
            raise NotHadError(f"{name}: {problem}")
        shape = tuple(arrays[name]["shape"] or ())
        if len(shape) != 3 or shape[:2] != (trials, bins):
            raise NotHadError(f"{name}: found shape {shape}, expected ({trials}, {bins}, any)")
        widths.add(shape[2])
    if len(widths) > 1:
        raise NotHadError(f"{' and '.join(names)} differ in their last axis: {sorted(widths)}")
    width = widths.pop()
    if names == LATENT_ARRAYS and not 1 <= width <= _MOST_LATENTS:
        raise NotHadError(f"{width} latents, expected 1 to {_MOST_LATENTS}")


def _trials(
    reader: ReaderProcess, group: str, name: str, arrays: Facts, wanted: Set[int]
) -> Iterator[Tuple[int, np.ndarray]]:
    """The wanted trials of an array: number and values (bins, dimensions), copied."""
    reads = trial_ranges(group, {name: arrays[name]})
    for read, (values,) in zip(reads, reader.blocks(reads)):
        for trial in range(read[0].start, read[0].stop):
            if trial in wanted:
                yield trial, values[trial - read[0].start].astype(np.float32)


def _log_rates(rates: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(rates, np.float32(LOWEST_RATE))))


def _as_they_are(latents: np.ndarray) -> np.ndarray:
    return latents
