"""``evaluate``: the one entry point. It says the steps and does none of them."""

from __future__ import annotations

import logging
import time
from typing import Any, Dict, List, Optional

import numpy as np
from threadpoolctl import threadpool_limits

from . import leaderboard
from .annotation import Annotation
from .audit import ValueAudit
from .errors import EvaluationError, InternalError, SubmissionError
from .reader.client import Limits, ReaderProcess
from .receipt import make_receipt
from .scorecard import GroupScores, Scorecard
from .scoring import DatasetScorer
from .stream import Progress, checked_blocks
from .submission import Block, Inspection, inspect
from .suite import NLB21, Suite
from .upload import PathLike, Upload

logger = logging.getLogger(__name__)


def evaluate(
    test_annotation_file: PathLike,
    user_submission_file: PathLike,
    phase_codename: str,
    **kwargs: Any,
) -> Dict[str, Any]:
    """Score a submission, as EvalAI calls it.

    Parameters
    ----------
    test_annotation_file : str
        The phase's ground truth.
    user_submission_file : str
        The participant's HDF5 file.
    phase_codename : str
        ``val`` or ``test``.
    **kwargs
        What else EvalAI passes (``submission_metadata``); not used.

    Returns
    -------
    dict
        ``result`` and ``error`` (lists of one-key dicts by split codename, plain floats),
        ``submission_result`` (for the participant) and ``submission_metadata`` (the receipt, for
        the host). ``error`` is there only if some split has all its error bars.

    Raises
    ------
    EvaluationError
        With a message fit for the participant; the traceback shows this frame alone.
    """
    failure: Optional[EvaluationError] = None
    try:
        card = score(test_annotation_file, user_submission_file, phase_codename)
        answer = _answer(card, NLB21)
    except EvaluationError as error:
        failure = error
    except Exception:
        logger.exception("scoring failed")
        failure = InternalError(
            "scoring failed by a fault of the server, not of your file; the organizers find "
            "the details in their log: please tell them"
        )
    if failure is not None:
        raise failure.with_traceback(None) from None
    print(leaderboard.text(card, NLB21))  # noqa: T201 - participants read stdout
    return answer


def _answer(card: Scorecard, suite: Suite) -> Dict[str, Any]:
    answer: Dict[str, Any] = {
        "result": leaderboard.results(card, suite),
        "submission_result": leaderboard.submission_result(card, suite),
        "submission_metadata": card.receipt,
    }
    bars = leaderboard.errors(card, suite)
    if bars:
        answer["error"] = bars
    return answer


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
