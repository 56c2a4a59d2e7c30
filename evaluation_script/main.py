"""``evaluate``: the one entry point. It says the steps and does none of them."""

from __future__ import annotations

import logging
import os
import stat
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Union

import numpy as np

from . import leaderboard
from .annotation import Annotation
from .audit import ValueAudit
from .errors import EvaluationError, InternalError, SubmissionError
from .reader.client import Limits, ReaderProcess
from .receipt import FileHash, make_receipt
from .scorecard import GroupScores, Scorecard
from .scoring import DatasetScorer
from .submission import Block, Inspection, inspect
from .suite import NLB21, Suite

logger = logging.getLogger(__name__)

PathLike = Union[str, "os.PathLike[str]"]


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
    progress: Optional[Callable[[int, int], None]] = None,
) -> Scorecard:
    """The one scoring call: everything that scores a submission makes it.

    Parameters
    ----------
    test_annotation_file, user_submission_file : str or path
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
        _Submission(user_submission_file, limits or Limits()) as submission,
        Annotation(test_annotation_file, suite, phase.codename) as annotation,
    ):
        with ReaderProcess(submission.descriptor, limits) as reader:
            inspection = inspect(reader, suite, annotation.layouts)
            audit = ValueAudit(phase.nan_where_unscored)
            groups = _score_groups(reader, annotation, inspection, audit, progress)
            reader_peak_bytes = reader.peak_bytes
        if audit.problems:
            raise SubmissionError(audit.problems)
        submission.check_unchanged()
        card = Scorecard(suite.name, phase.codename, groups)
        files = {"submission": submission.facts(), "ground_truth": annotation.facts()}
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
    progress: Optional[Callable[[int, int], None]],
) -> Dict[str, GroupScores]:
    """Stream the plan's blocks through one dataset's scorer after the other."""
    plan = inspection.plan
    total = sum(part.n_bytes for block in plan for part in block.read)
    done = 0
    groups: Dict[str, GroupScores] = {}
    scorer: Optional[DatasetScorer] = None
    current = None
    for block, values in zip(plan, reader.blocks([block.read for block in plan])):
        if block.group != current:
            if scorer is not None and current is not None:
                groups[current] = scorer.finish()
            current = block.group
            scorer = DatasetScorer(current, annotation.load(current), inspection.parts[current])
        assert scorer is not None
        if _fit(audit, scorer, block, values):
            scorer.update(block, *values)
        if progress is not None:
            done += sum(part.n_bytes for part in block.read)
            progress(done, total)
    if scorer is not None and current is not None and not audit.problems:
        groups[current] = scorer.finish()
    return groups


def _fit(audit: ValueAudit, scorer: DatasetScorer, block: Block, values: List[Any]) -> bool:
    """Whether a block's values may be scored; after a problem nothing is, only looked at."""
    required: List[Any] = [None] * len(values)
    if audit.nan_where_unscored and not all(_plain(array) for array in values):
        required = scorer.required(block)
    fine = [
        audit.check(part, array, where) for part, array, where in zip(block.read, values, required)
    ]
    return all(fine) and not audit.problems


def _plain(array: Any) -> bool:
    return bool(array.min() > -float("inf")) and bool(array.max() < float("inf"))


class _Submission:
    """The submission's file: opened once, hashed meanwhile, and watched for changes."""

    def __init__(self, path: PathLike, limits: Limits) -> None:
        # Without O_NONBLOCK a named pipe would wait for ever for somebody to write to it.
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            self.descriptor = os.open(Path(path), flags)
        except OSError as error:
            logger.error("cannot open the submission: %s", error)
            raise InternalError(
                "the server could not open the submitted file; please submit it again"
            ) from None
        try:
            self._check_kind(limits.file_bytes)
            self._before = self._state()
            self._hash = FileHash(self.descriptor)
        except BaseException:
            os.close(self.descriptor)
            raise

    def _check_kind(self, most_bytes: int) -> None:
        found = os.fstat(self.descriptor)
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
            raise SubmissionError([f"found {kind}, expected an HDF5 file"])
        if found.st_size > most_bytes:
            raise SubmissionError(
                [f"a file of {found.st_size >> 20} MiB, expected at most {most_bytes >> 20} MiB"]
            )

    def __enter__(self) -> _Submission:
        return self

    def __exit__(self, *_: object) -> None:
        self._hash.stop()
        os.close(self.descriptor)

    def _state(self) -> Any:
        found = os.fstat(self.descriptor)
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def check_unchanged(self) -> None:
        """InternalError if the file changed since it was opened."""
        self._hash.hexdigest()
        if self._state() != self._before:
            raise InternalError("the submitted file changed while it was read; submit it again")

    def facts(self) -> Dict[str, Any]:
        """Its hash and size, for the receipt."""
        return {"sha256": self._hash.hexdigest(), "bytes": self._before[0]}
