"""The one scoring call: open both files, check, stream, finish."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Dict, Iterator, List, Mapping, Optional, Protocol, Sequence, Tuple

import numpy as np

from . import leaderboard
from .annotation import Annotation
from .arrays import Part
from .errors import InternalError, SubmissionError
from .files import PathLike
from .held import Held
from .metrics import Metric
from .reader.process import Limits, ReaderProcess
from .receipt import make_receipt
from .scorecard import GroupScores, Score, Scorecard
from .submission.audit import ValueAudit
from .submission.plan import Block
from .submission.stream import Progress, stream
from .submission.structure import Inspection, inspect
from .submission.upload import Upload
from .suites import Phase, Suite

logger = logging.getLogger(__name__)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Limit the process; by a thread of its own, since only the one that sets may undo it."""
    from threadpoolctl import threadpool_limits

    limits = ExitStack()
    with ThreadPoolExecutor(1) as own:
        own.submit(lambda: limits.enter_context(threadpool_limits(1))).result()
        try:
            yield
        finally:
            own.submit(limits.close).result()


_ONE_BLAS_THREAD = Held(_one_blas_thread)

TRUTH_UNFIT = "it could not be computed from the ground truth; the organizers have been told"
UNDEFINED = "it is undefined for these rates (constant, or too large to compute with)"


class Observer(Protocol):
    """Sees what the scorer sees of each group in turn, and changes nothing of it."""

    def begin(self, annotation: Annotation, group: str, parts: Sequence[Part]) -> None:
        """A group begins, of which the submission brings these parts."""

    def update(self, block: Block, heldin: np.ndarray, heldout: np.ndarray) -> None:
        """The metrics have taken a block of trials (trials, bins, neurons), values checked."""

    def finish(self, metrics: Mapping[str, Metric]) -> None:
        """The group is scored, by these metrics."""


class GroupScorer:
    """Takes the blocks of one group in order, then gives its scores.

    The truth is read when the first block asks for it.

    Parameters
    ----------
    annotation : Annotation
    group : str
    parts : sequence of Part
        What the submission brings.
    observer : Observer, optional
    """

    def __init__(
        self,
        annotation: Annotation,
        group: str,
        parts: Sequence[Part],
        observer: Optional[Observer] = None,
    ) -> None:
        self._started = time.perf_counter()
        self._annotation = annotation
        self._group = group
        self._parts = parts
        self._observer = observer
        if observer is not None:
            observer.begin(annotation, group, parts)

    @cached_property
    def _truth(self) -> Tuple[Dict[str, Metric], Dict[str, str]]:
        """Metrics by key, and why others have no score."""
        ready, unfit = self._annotation.metrics(self._group)
        left_out = dict.fromkeys(unfit, TRUTH_UNFIT)
        for key, metric in list(ready.items()):
            if not set(metric.parts) <= set(self._parts):
                left_out[key] = metric.absent
                del ready[key]
        return ready, left_out

    def _readers(self, part: Part) -> List[Metric]:
        return [metric for metric in self._truth[0].values() if part in metric.parts]

    def used(self, block: Block) -> List[np.ndarray]:
        """Where the metrics use a block's held-in and held-out rates.

        Returns
        -------
        list of ndarray of bool (trials, bins, 1 or neurons)
        """
        heldin = heldout = np.zeros((1, 1, 1), bool)
        for metric in self._readers(block.part):
            used = metric.used(block.part, block.start, block.stop)
            if used is not None:
                heldin, heldout = heldin | used[0], heldout | used[1]
        return [heldin, heldout]

    def update(self, block: Block, heldin: np.ndarray, heldout: np.ndarray) -> None:
        """Take the next block of trials (trials, bins, neurons), values checked."""
        for metric in self._readers(block.part):
            metric.update(block.part, block.start, heldin, heldout)
        if self._observer is not None:
            self._observer.update(block, heldin, heldout)

    def finish(self) -> GroupScores:
        """The scores; a metric that is undefined is left out with a reason."""
        layout = self._annotation.layouts[self._group]
        ready, left_out = self._truth
        result = GroupScores(self._group, layout.dataset.name, layout.bin_width_ms)
        for metric in layout.dataset.metrics:
            key = metric.key
            if key in left_out:
                result.left_out[key] = left_out[key]
                continue
            value = ready[key].compute()
            if np.isfinite(value):
                result.scores[key] = Score(float(value), ready[key].standard_error())
            else:
                result.left_out[key] = UNDEFINED
            if ready[key].per_trial():
                result.per_trial[key] = ready[key].per_trial()
        if self._observer is not None:
            self._observer.finish(ready)
        result.seconds = time.perf_counter() - self._started
        return result


@np.errstate(all="ignore")  # what overflows becomes an undefined score, not a warning
def score(
    test_annotation_file: PathLike,
    user_submission_file: PathLike,
    phase_codename: str,
    *,
    suite: Optional[Suite] = None,
    for_participant: bool = False,
    limits: Optional[Limits] = None,
    progress: Optional[Progress] = None,
    observer: Optional[Observer] = None,
) -> Scorecard:
    """The one scoring call: everything that scores a submission makes it.

    Parameters
    ----------
    test_annotation_file, user_submission_file : str or path
        The truth may be a pointer to private storage.
    phase_codename : str
    suite : Suite, optional
        Left out, the truth says of which suite it is.
    for_participant : bool
        Whether a participant asks, and not a host who scores again: only then positive rates below
        the phase's ``smallest_rate`` are refused. The scores are the same.
    limits : Limits, optional
        What reading the submission may cost.
    progress : callable, optional
        Called with (bytes read, bytes to read) after each block.
    observer : Observer, optional
        Looks on; the scores are the same.

    Raises
    ------
    SubmissionError
        If the submission is at fault; names every problem.
    LimitError
        If reading it hit a limit.
    AnnotationError
        If the ground truth is at fault.
    """
    # imported here, as those who only check a submission need not have it
    from threadpoolctl import threadpool_limits

    started = time.perf_counter()
    with (
        # More threads would only take the reader's core: its inflating is what the wait is for.
        # Some libraries count theirs for the process, others for each thread that calls them.
        _ONE_BLAS_THREAD,
        threadpool_limits(1),
        Upload(user_submission_file, limits) as upload,
        Annotation(test_annotation_file, phase_codename, suite) as annotation,
    ):
        suite = annotation.suite
        phase = _phase(annotation, phase_codename)
        with ReaderProcess(upload.descriptor, limits) as reader:
            inspection = inspect(reader, suite, annotation.layouts)
            audit = ValueAudit(
                phase.nan_where_unscored,
                inspection.not_negative,
                smallest_rate=phase.smallest_rate,
                refuse_tiny=for_participant,
            )
            groups = _score_groups(reader, annotation, inspection, audit, progress, observer)
            reader_facts = {"walls": reader.walls, "peak_bytes": reader.peak_bytes}
        if audit.problems:
            raise SubmissionError(audit.problems)
        upload.check_unchanged()
        card = Scorecard(suite.name, phase, groups)
        published = annotation.published
        files = {"submission": upload.facts(), "ground_truth": annotation.facts()}
    card.notes = inspection.notes + audit.notes + leaderboard.board_notes(card, suite)
    card.receipt = make_receipt(
        suite,
        phase,
        published.name if published else None,
        groups,
        files,
        audit.counts(),
        time.perf_counter() - started,
        reader_facts,
    )
    return card


def _phase(annotation: Annotation, codename: str) -> Phase:
    try:
        return annotation.phase()
    except KeyError:
        logger.error("suite %s has no phase %r", annotation.suite.name, codename)
        raise InternalError("this phase is not set up; the organizers must mend it") from None


def _score_groups(
    reader: ReaderProcess,
    annotation: Annotation,
    inspection: Inspection,
    audit: ValueAudit,
    progress: Optional[Progress],
    observer: Optional[Observer],
) -> Dict[str, GroupScores]:
    """Stream the submission's blocks through one group's scorer after the other."""
    groups: Dict[str, GroupScores] = {}
    for group, pieces in stream(reader, inspection.plan, progress):
        scorer = GroupScorer(annotation, group, inspection.parts[group], observer)
        for block, values in pieces:
            if audit.passes(block, values, scorer.used):
                scorer.update(block, *values)
        if not audit.problems:
            groups[group] = scorer.finish()
    return groups
