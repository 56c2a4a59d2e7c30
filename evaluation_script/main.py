"""``evaluate``: the one entry point. It says the steps and does none of them."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator, Optional

from . import leaderboard
from .errors import EvaluationError, InternalError
from .files import PathLike
from .scorecard import Scorecard
from .scoring import score
from .suites import Suite, find

logger = logging.getLogger(__name__)


class _HostsStream(logging.StreamHandler):
    """Writes to the process's own stderr, which hosts read, and never to what a caller put there.

    While ``evaluate`` runs EvalAI sends ``sys.stderr`` to the participant, and its own settings for
    ``logging`` lead nowhere that a host can look.
    """

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.__stderr__
        if self.stream is not None:
            super().emit(record)


@contextmanager
def _hosts_log() -> Iterator[None]:
    """For this call, give the package's loggers a way to the host, unless they have one."""
    package = logging.getLogger(__package__)
    handler = _HostsStream()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    # A call that overlaps has a handler of its own; a line said twice is better than one lost.
    if not all(isinstance(one, _HostsStream) for one in package.handlers):
        yield
        return
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)


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
    with _hosts_log():
        try:
            card = score(
                test_annotation_file, user_submission_file, phase_codename, for_participant=True
            )
            suite = find(card.suite)
            answer = _answer(card, suite)
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
    # Whoever called may have closed it, and EvalAI's object has no flush; the scores stand.
    with suppress(OSError):
        print(leaderboard.text(card, suite))  # noqa: T201 - participants read stdout
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
