"""The steps around the one scoring call. All that is written here, a participant can read."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Callable

from evaluation_script import leaderboard
from evaluation_script.errors import HOST_MUST_MEND, EvaluationError, InternalError
from evaluation_script.scorecard import Scorecard
from evaluation_script.suites import find

from .answer import scores_of, write
from .deadline import deadline
from .page import page_of
from .task import TRUTH_NAME, Task, read_task
from .upload import the_file

#: a file for what hosts alone should read; Codabench sets no such variable, a dry run does
LOG_VARIABLE = "NLB_SCORING_LOG"
_USAGE = "usage: python3 score.py INPUT OUTPUT"
_FAULT = (
    "scoring failed by a fault of the server, not of your file: please tell the organizers, who "
    "find the details when they repeat it on their machine"
)

logger = logging.getLogger(__name__)


def run(score: Callable[..., Scorecard], *folders: str) -> int:
    """Score what lies in ``INPUT/res`` on the truth in ``INPUT/ref``; answer below ``OUTPUT``.

    Parameters
    ----------
    score : callable
        The one scoring call, ``evaluation_script.scoring.score``.
    *folders : str
        ``INPUT`` and ``OUTPUT``, as Codabench lays them out.

    Returns
    -------
    int
        The exit code: 1 where there is no score, and why is on standard error.
    """
    if len(folders) != 2:
        return _failed(_USAGE)
    _log_for_hosts()
    given, out = map(Path, folders)
    try:
        task = _task(Path(sys.argv[0]).resolve().parent)
        with deadline(task.limit_seconds):
            truth = given / "ref" / TRUTH_NAME
            card = score(truth, the_file(given / "res"), task.phase, for_participant=True)
            suite = find(card.suite)
            _leave_out_other_platforms(card)
            scores = scores_of(card, suite, task.board)
            page, text = page_of(card, suite), leaderboard.text(card, suite)
        sys.stdout.write(text + "\n")
        write(out, scores, page)
    except EvaluationError as error:
        if getattr(error, "detail", None):
            logger.error("%s", error.detail)  # type: ignore[attr-defined]
        return _failed(str(error))
    except Exception:
        logger.exception("scoring failed")
        return _failed(_FAULT)
    return 0


def _log_for_hosts() -> None:
    """Keep what is logged, and warnings, from standard error, which everybody can read."""
    warnings.simplefilter("ignore")
    log = os.environ.get(LOG_VARIABLE)
    if log:
        logging.basicConfig(filename=log)
    else:
        logging.disable(logging.CRITICAL)


def _task(folder: Path) -> Task:
    try:
        return read_task(folder)
    except (OSError, ValueError):
        raise InternalError(HOST_MUST_MEND) from None


def _leave_out_other_platforms(card: Scorecard) -> None:
    """Of the notes keep those about the file: how EvalAI would rank it is not so here."""
    there = leaderboard.board_notes(card, find(card.suite))
    card.notes = [note for note in card.notes if note not in there]


def _failed(message: str) -> int:
    sys.stderr.write(message + "\n")
    return 1
