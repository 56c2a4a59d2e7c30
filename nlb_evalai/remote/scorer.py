"""Scoring in a process of its own: what it takes is given back, and what kills it kills only it.

Processes are forked from one that has the scorer imported, so that each costs milliseconds.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import multiprocessing
import signal
import time
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

import evaluation_script
from evaluation_script.errors import EvaluationError, LimitError, SubmissionError
from evaluation_script.suites import Suite
from nlb_evalai.remote import log

_LOOK_EVERY_SECONDS = 0.5
#: for a process that has closed its end of the pipe
_END_SECONDS = 10.0


class Scorer:
    """Scores one submission at a time, each in a new process.

    Parameters
    ----------
    max_seconds : float
        After which a scoring is ended and the submission fails.
    log_json : bool
        How the process logs.
    suite : Suite, optional
        One of the host's own, which the truth is of: the process loads its file.
    """

    def __init__(self, max_seconds: float, log_json: bool, suite: Optional[Suite] = None) -> None:
        self._suite = suite
        self._max_seconds = max_seconds
        self._log_json = log_json
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, "evaluation_script.main"])

    def score(
        self, annotation: Path, submission: Path, phase: str, beat: Callable[[], None]
    ) -> Tuple[Dict[str, Any], bool]:
        """The outcome, and whether it is settled: another try might end otherwise if not.

        ``beat`` is called about twice a second; what it raises ends the scoring.
        """
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_run,
            args=(theirs, str(annotation), str(submission), phase, self._log_json, self._suite),
        )
        process.start()
        theirs.close()
        try:
            return self._await(process, ours, beat)
        finally:
            if process.is_alive():
                process.kill()
            process.join()
            process.close()
            ours.close()

    def _await(
        self, process: Any, answers: Connection, beat: Callable[[], None]
    ) -> Tuple[Dict[str, Any], bool]:
        deadline = time.monotonic() + self._max_seconds
        while not wait([answers], _LOOK_EVERY_SECONDS):
            beat()
            if time.monotonic() > deadline:
                return failed(f"scoring took longer than {self._max_seconds:.0f} s"), True
        try:
            outcome, settled = answers.recv()
        except EOFError:  # it died: of lack of memory, most likely
            process.join(_END_SECONDS)
            return failed(f"scoring ended unexpectedly (code {process.exitcode})"), False
        return outcome, settled


def failed(why: str, kind: str = "") -> Dict[str, Any]:
    """The outcome of a submission that gets no score; ``why`` is for the participant."""
    return {
        "submission_status": "failed",
        "stdout": "",
        "stderr": why,
        "result": "[]",
        "metadata": json.dumps({"error": kind} if kind else {}),
    }


def finished(answer: Mapping[str, Any], stdout: str) -> Dict[str, Any]:
    """The outcome of a scored submission, in the form that the API takes.

    The API has no place for ``submission_result``, so it follows the text in ``stdout``.

    Raises
    ------
    ValueError
        If a score is NaN or infinite.
    """
    entries = [
        {"split": split, "show_to_participant": True, "accuracies": scores}
        for one in answer["result"]
        for split, scores in one.items()
    ]
    details = json.dumps(answer["submission_result"], indent=1, allow_nan=False)
    return {
        "submission_status": "finished",
        "stdout": f"{stdout.rstrip()}\n\n{details}\n",
        "stderr": "",
        "result": json.dumps(entries, allow_nan=False),
        "metadata": json.dumps(answer["submission_metadata"]),
    }


def _run(
    answers: Connection,
    annotation: str,
    submission: str,
    phase: str,
    as_json: bool,
    suite: Optional[Suite],
) -> None:
    """In the new process; ``suite`` is known as it has arrived, and the truth names it."""
    # A supervisor may signal the whole group; the worker decides when scoring ends.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    log.set_up(as_json)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            answer = evaluation_script.evaluate(annotation, submission, phase)
        outcome, settled = finished(answer, said.getvalue()), True
    except EvaluationError as error:
        settled = isinstance(error, (SubmissionError, LimitError))
        outcome = failed(str(error), type(error).__name__)
    except Exception:
        logging.getLogger(log.LOGGER).exception("scoring failed")
        outcome = failed("scoring failed by a fault of the server", "InternalError")
        settled = False
    # The worker may be gone: then nobody waits for this.
    with contextlib.suppress(BrokenPipeError):
        answers.send((outcome, settled))
