"""The one scoring call: open both files, check, stream, finish."""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, Dict, List, Optional

import numpy as np
from threadpoolctl import threadpool_limits

from . import leaderboard
from .annotation import Annotation, Truth
from .errors import InternalError, SubmissionError
from .files import PathLike
from .metrics import BitsPerSpike, PsthMatch, SpeedTpCorrelation, VelocityDecoding
from .reader.process import Limits, ReaderProcess
from .receipt import make_receipt
from .scorecard import GroupScores, Score, Scorecard
from .submission.audit import ValueAudit
from .submission.plan import Block
from .submission.stream import Progress, checked_blocks
from .submission.structure import Inspection, inspect
from .submission.upload import Upload
from .suite import CO_BPS, FP_BPS, NLB21, PSTH_R2, TP_CORR, VEL_R2, Suite

logger = logging.getLogger(__name__)

TRUTH_UNFIT = "it could not be computed from the ground truth; the organizers have been told"
NO_FORWARD = "no forward predictions were submitted"
UNDEFINED = "it is undefined for these rates (constant, or too large to compute with)"


class DatasetScorer:
    """Takes the blocks of one dataset in order (train, eval, forward), then gives its scores.

    Parameters
    ----------
    group : str
        Name of the dataset's group.
    truth : Truth
    parts : list of str
        What the submission brings.
    """

    def __init__(self, group: str, truth: Truth, parts: List[str]) -> None:
        self._started = time.perf_counter()
        self._group = group
        self._truth = truth
        self._parts = parts
        self._metrics: Dict[str, Any] = {}
        self._left_out: Dict[str, str] = {}
        makers: Dict[str, Callable[[], Any]] = {
            CO_BPS.key: BitsPerSpike,
            VEL_R2.key: self._decoding,
            TP_CORR.key: lambda: SpeedTpCorrelation(_present(truth.eval_behavior)),
            PSTH_R2.key: lambda: PsthMatch(
                _present(truth.psth), truth.eval_conditions, _present(truth.eval_jitter)
            ),
            FP_BPS.key: BitsPerSpike,
        }
        for metric in truth.layout.dataset.metrics:
            if metric.key in truth.unfit:
                self._left_out[metric.key] = TRUTH_UNFIT
            elif metric == FP_BPS and "forward" not in parts:
                self._left_out[metric.key] = NO_FORWARD
            else:
                self._metrics[metric.key] = makers[metric.key]()

    def _decoding(self) -> VelocityDecoding:
        truth = self._truth
        return VelocityDecoding(
            _present(truth.train_behavior),
            _present(truth.train_mask),
            _present(truth.eval_behavior),
            _present(truth.eval_mask),
        )

    def required(self, block: Block) -> List[np.ndarray]:
        """Where the metrics use a block's held-in and held-out rates.

        Returns
        -------
        list of ndarray of bool (trials, bins, 1 or neurons)
        """
        truth, trials = self._truth, slice(block.start, block.stop)
        if block.part == "forward":
            scored = ~np.isnan(_present(truth.forward_spikes)[trials])
            heldin = scored.shape[2] - truth.layout.n_heldout
            return [scored[..., :heldin], scored[..., heldin:]]
        if block.part == "train":
            if VEL_R2.key not in self._metrics:
                return [np.zeros((block.stop - block.start, 1, 1), bool)] * 2
            return [self._decoded(truth.train_behavior, truth.train_mask, trials)] * 2
        both = np.zeros((*truth.eval_spikes[trials].shape[:2], 1), bool)
        if VEL_R2.key in self._metrics:
            both |= self._decoded(truth.eval_behavior, truth.eval_mask, trials)
        if TP_CORR.key in self._metrics:
            used = self._metrics[TP_CORR.key].required_trials()[trials]
            both |= ~np.isnan(truth.eval_spikes[trials, :, :1]) & used[:, None, None]
        if PSTH_R2.key in self._metrics:
            both |= self._metrics[PSTH_R2.key].required_bins()[trials][..., None]
        return [both, both | ~np.isnan(truth.eval_spikes[trials])]

    @staticmethod
    def _decoded(
        behavior: Optional[np.ndarray], mask: Optional[np.ndarray], trials: slice
    ) -> np.ndarray:
        """Bins (trials, bins, 1) that some decoder uses."""
        chosen = np.asarray(_present(mask)[trials].any(axis=1, keepdims=True))
        used: np.ndarray = ~np.isnan(_present(behavior)[trials, :, :1]) & chosen[..., None]
        return used

    def update(self, block: Block, heldin: np.ndarray, heldout: np.ndarray) -> None:
        """Take the next block of trials (trials, bins, neurons), values checked."""
        metrics, truth = self._metrics, self._truth
        trials = slice(block.start, block.stop)
        if block.part == "train":
            if VEL_R2.key in metrics:
                metrics[VEL_R2.key].update_train(block.start, heldin, heldout)
        elif block.part == "forward":
            if FP_BPS.key in metrics:
                rates = np.concatenate([heldin, heldout], axis=2)
                metrics[FP_BPS.key].update(rates, _present(truth.forward_spikes)[trials])
        else:
            if CO_BPS.key in metrics:
                metrics[CO_BPS.key].update(heldout, truth.eval_spikes[trials])
            if VEL_R2.key in metrics:
                metrics[VEL_R2.key].update_eval(block.start, heldin, heldout)
            if TP_CORR.key in metrics:
                scored = ~np.isnan(truth.eval_spikes[trials, :, 0])
                metrics[TP_CORR.key].update(np.concatenate([heldin, heldout], axis=2), scored)
            if PSTH_R2.key in metrics:
                metrics[PSTH_R2.key].update(block.start, heldin, heldout)

    def finish(self) -> GroupScores:
        """The scores; a metric that is undefined is left out with a reason."""
        layout = self._truth.layout
        result = GroupScores(self._group, layout.dataset.name, layout.bin_width_ms)
        for metric in layout.dataset.metrics:
            if metric.key in self._left_out:
                result.left_out[metric.key] = self._left_out[metric.key]
                continue
            accumulator = self._metrics[metric.key]
            value = accumulator.compute()
            if np.isfinite(value):
                result.scores[metric.key] = Score(float(value), accumulator.standard_error())
            else:
                result.left_out[metric.key] = UNDEFINED
        if CO_BPS.key in self._metrics:
            result.trial_log_likelihood = self._metrics[CO_BPS.key].trial_log_likelihood
            result.trial_spikes = self._metrics[CO_BPS.key].trial_spikes
        result.seconds = time.perf_counter() - self._started
        return result


def _present(array: Optional[np.ndarray]) -> np.ndarray:
    """What the truth was found fit to give."""
    if array is None:
        raise RuntimeError("a metric was chosen that the truth does not serve")
    return array


@np.errstate(all="ignore")  # what overflows becomes an undefined score, not a warning
def score(
    test_annotation_file: PathLike,
    user_submission_file: PathLike,
    phase_codename: str,
    *,
    suite: Suite = NLB21,
    limits: Optional[Limits] = None,
    progress: Optional[Progress] = None,
) -> Scorecard:
    """The one scoring call: everything that scores a submission makes it.

    Parameters
    ----------
    test_annotation_file, user_submission_file : str or path
        The truth may be a pointer to private storage.
    phase_codename : str
    suite : Suite
    limits : Limits, optional
        What reading the submission may cost.
    progress : callable, optional
        Called with (bytes read, bytes to read) after each block.

    Raises
    ------
    SubmissionError
        If the submission is at fault; names every problem.
    LimitError
        If reading it hit a limit.
    AnnotationError
        If the ground truth is at fault.
    """
    started = time.perf_counter()
    try:
        phase = suite.phase(phase_codename)
    except KeyError:
        logger.error("unknown phase %r", phase_codename)
        raise InternalError("this phase is not set up; the organizers must mend it") from None
    with (
        # More threads would only take the reader's core: its inflating is what the wait is for.
        threadpool_limits(1),
        Upload(user_submission_file, limits) as upload,
        Annotation(test_annotation_file, suite, phase.codename) as annotation,
    ):
        with ReaderProcess(upload.descriptor, limits) as reader:
            inspection = inspect(reader, suite, annotation.layouts)
            audit = ValueAudit(phase.nan_where_unscored)
            groups = _score_groups(reader, annotation, inspection, audit, progress)
            reader_peak_bytes = reader.peak_bytes
        if audit.problems:
            raise SubmissionError(audit.problems)
        upload.check_unchanged()
        card = Scorecard(suite.name, phase.codename, groups)
        files = {"submission": upload.facts(), "ground_truth": annotation.facts()}
    card.notes = inspection.notes + audit.notes + leaderboard.board_notes(card, suite)
    card.receipt = make_receipt(
        suite,
        phase.codename,
        groups,
        files,
        time.perf_counter() - started,
        reader_peak_bytes,
    )
    return card


def _score_groups(
    reader: ReaderProcess,
    annotation: Annotation,
    inspection: Inspection,
    audit: ValueAudit,
    progress: Optional[Progress],
) -> Dict[str, GroupScores]:
    """Stream the submission's blocks through one dataset's scorer after the other."""
    scorers: Dict[str, DatasetScorer] = {}
    groups: Dict[str, GroupScores] = {}

    def scorer_of(block: Block) -> DatasetScorer:
        if block.group not in scorers:
            truth = annotation.load(block.group)
            scorers[block.group] = DatasetScorer(block.group, truth, inspection.parts[block.group])
        return scorers[block.group]

    def required(block: Block) -> List[np.ndarray]:
        return scorer_of(block).required(block)

    for block, values, fit in checked_blocks(reader, inspection, audit, required, progress):
        if fit:
            scorer_of(block).update(block, *values)
        if block.is_last_of_group:
            # Let go of the dataset's truth and held rates before the next one comes.
            scorer = scorers.pop(block.group, None)
            if scorer is not None and not audit.problems:
                groups[block.group] = scorer.finish()
            del scorer
    return groups
