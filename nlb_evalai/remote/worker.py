"""The remote-evaluation worker: message by message, from the queue to a final state.

A message is deleted only after its submission's final state has arrived (or there is no such
submission any more), so whatever ends a worker, the message comes again. Coming again is normal,
and harmless: the submission's status and the ledger say what is left to do.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Set, Tuple

from evaluation_script.text import printable
from nlb_evalai.remote.client import UPLOADING, Client, Message, Submission
from nlb_evalai.remote.errors import (
    HandBack,
    LeaseLost,
    Paused,
    Refused,
    RemoteError,
    Unreachable,
    UpdateRefused,
)
from nlb_evalai.remote.ledger import Record
from nlb_evalai.remote.log import say
from nlb_evalai.remote.policy import Shared
from nlb_evalai.remote.scorer import failed
from nlb_evalai.web.fetch import (
    FetchError,
    FileRefused,
    NotReached,
    disk_trouble,
    fetch,
)
from nlb_evalai.web.http import without_query

_MAX_PAUSE_SECONDS = 60.0


class Loop:
    """One submission at a time, until told to stop.

    Parameters
    ----------
    name : str
        Unique among all workers that share the ledger.
    client : Client
        For this loop alone.
    """

    def __init__(self, name: str, client: Client, shared: Shared) -> None:
        self.name = name
        self._client = client
        self._shared = shared
        self._policy = shared.policy
        self._ledger = shared.ledger
        self._codenames: Dict[Tuple[int, int], str] = {}

    def run(self, once: bool = False) -> None:
        """Handle messages until ``stop``; with ``once`` until the queue is empty.

        Raises
        ------
        Refused
            If the very first request is: the token or the queue is wrong.
        RemoteError
            With ``once``, if there is no word from the queue, after the client's repeats, or the
            challenge is paused.
        """
        answered, pause = False, 1.0
        left: Set[int] = set()
        while not self._shared.stop.is_set():
            self._beat("waiting")
            try:
                message = self._client.next_message()
                answered, pause = True, 1.0
            except (Unreachable, Refused) as error:
                if once or (isinstance(error, Refused) and not answered):
                    raise
                event = "paused" if isinstance(error, Paused) else "no word from the queue"
                say(logging.WARNING, event, trouble=str(error), seconds=pause)
                self._count("trouble")
                self._rest(pause)
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)
                continue
            if message is None:
                if once:
                    return
                self._rest(self._policy.poll_seconds)
            elif not self._handled(message):
                if once and message.submission in left:
                    return  # what is left alone would come round for ever
                left.add(message.submission)

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._shared.stop.wait(min(5.0, max(0.0, end - time.monotonic()))):
            self._beat("waiting")
            if time.monotonic() >= end:
                return

    def _handled(self, message: Message) -> bool:
        """Whether the message's submission came to its end; what failed is logged."""
        number = message.submission
        try:
            settled = self._handle(message)
            if settled:
                self._shared.left.pop(number, None)
            return settled
        except HandBack:
            say(logging.WARNING, "handed back", number)
            self._count("handed back")
        except LeaseLost:
            say(logging.WARNING, "taken over by another worker", number)
        except RemoteError as error:
            say(logging.WARNING, "left for later", number, trouble=str(error))
            self._leave(number, str(error), "trouble")
        except (OSError, sqlite3.Error) as error:
            say(logging.ERROR, "left for later", number, trouble=repr(error))
            self._leave(number, repr(error), "trouble")
            self._rest(1.0)
        except Exception as error:  # the next submission may fare better
            logging.getLogger(__package__).exception("fault while handling %d", number)
            self._leave(number, repr(error), "trouble")
            self._rest(1.0)
        return False

    def _handle(self, message: Message) -> bool:
        number = message.submission
        if self._policy.challenge not in (None, message.challenge):
            say(logging.ERROR, "of another challenge", number, challenge=message.challenge)
            return False
        record = self._ledger.claim(number, self.name, message.receipt)
        if record is None:
            say(logging.INFO, "held by another worker here", number)
            self._count("held elsewhere")
            return False
        held = _Held(self, message, record)
        try:
            return self._settle(held)
        finally:
            with contextlib.suppress(sqlite3.Error):
                held.release()

    def _settle(self, held: _Held) -> bool:
        """Bring a claimed submission to a final state, from wherever it is."""
        message, record = held.message, held.record
        submission = self._look(message.submission)
        if submission is None:
            say(logging.ERROR, "no such submission", message.submission)
            return self._delete(held)
        if submission.is_final:
            say(logging.INFO, "already " + submission.status, submission.pk)
            self._count("already settled")
            return self._delete(held)
        if not (submission.is_running or submission.is_waiting):
            what = "still uploaded" if submission.status == UPLOADING else "of unknown status"
            say(logging.WARNING, what, submission.pk, status=submission.status)
            self._leave(submission.pk, f"its status is {printable(submission.status)}")
            return False
        if submission.is_running and not record.ours:
            if record.running_seconds < self._policy.takeover_seconds:
                self._ledger.note_running(submission.pk, self.name)
                say(logging.INFO, "running elsewhere", submission.pk)
                self._count("held elsewhere")
                return False
            say(logging.WARNING, "taken over", submission.pk)
        outcome = record.outcome or self._outcome(held, submission)
        if outcome is None:
            return False
        return self._deliver(held, outcome)

    def _look(self, number: int) -> Optional[Submission]:
        """The submission; None if EvalAI itself says twice that there is none.

        Any other 404 may be a proxy's, or a server's that is just being replaced.
        """
        for first in (True, False):
            try:
                return self._client.submission(number)
            except Refused as error:
                said = error.reason.rstrip(".")
                if error.status != 404 or said != f"Submission {number} does not exist":
                    raise
            if first:
                self._rest(self._policy.poll_seconds)
        return None

    # -- scoring -------------------------------------------------------------------------------

    def _outcome(self, held: _Held, submission: Submission) -> Optional[Dict[str, Any]]:
        """Score it; None if another try may end otherwise."""
        message, tries = held.message, held.record.tries
        if tries >= self._policy.max_tries:
            outcome = failed(_gave_up(tries, held.record.trouble))
            self._ledger.keep_outcome(submission.pk, self.name, outcome)
            return outcome
        codename = self._codename(message)
        annotation = self._shared.annotations.get(codename)
        if annotation is None:
            say(logging.ERROR, "no annotations for its phase", submission.pk, phase=codename)
            self._leave(
                submission.pk,
                f"no annotations for phase {printable(codename)}: give them with --annotations",
                "left for want of truth",
            )
            return None
        started = time.monotonic()
        self._ledger.begin_try(submission.pk, self.name)
        held.trying = True
        if not submission.is_running:  # a second time would reset its start
            try:
                self._client.mark_running(message.challenge, submission.pk)
            except Refused as error:  # the final update decides
                say(logging.ERROR, "not marked as running", submission.pk, trouble=str(error))
        say(logging.INFO, "scoring", submission.pk, phase=codename, tries=tries + 1)
        try:
            outcome, settled = self._score(held, submission, annotation, codename)
        except NotReached as error:  # nobody's try: the file had no part in it
            say(logging.ERROR, "not fetched", submission.pk, trouble=str(error))
            self._leave(submission.pk, str(error), "not fetched")
            return None
        held.trying = False
        seconds = round(time.monotonic() - started, 2)
        if not settled:
            self._ledger.note_trouble(submission.pk, self.name, outcome["stderr"])
            say(logging.WARNING, "a try failed", submission.pk, trouble=outcome["stderr"])
            if tries + 1 < self._policy.max_tries:
                self._leave(submission.pk, outcome["stderr"])
                return None
            outcome = failed(_gave_up(tries + 1, outcome["stderr"]))
        say(logging.INFO, "scored", submission.pk, seconds=seconds)
        self._ledger.keep_outcome(submission.pk, self.name, outcome)
        return outcome

    def _score(
        self, held: _Held, submission: Submission, annotation: Path, codename: str
    ) -> Tuple[Dict[str, Any], bool]:
        folder = self._shared.work / str(submission.pk)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True)
            path = folder / "submission.h5"
            size = fetch(
                submission.input_file,
                path,
                max_bytes=self._policy.max_bytes,
                beat=lambda: held.beat("fetching"),
                timing=self._policy.fetch_timing,
                private_hosts=self._policy.private_hosts,
                max_seconds=self._policy.fetch_seconds,
            )
            say(
                logging.INFO,
                "fetched",
                submission.pk,
                bytes=size,
                source=without_query(submission.input_file),
            )
            return self._shared.scorer.score(
                annotation, path, codename, lambda: held.beat("scoring")
            )
        except NotReached:
            raise
        except FetchError as error:
            return failed(str(error), type(error).__name__), isinstance(error, FileRefused)
        except OSError as error:
            trouble = disk_trouble(error)
            return failed(str(trouble), "OSError"), isinstance(trouble, FileRefused)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _codename(self, message: Message) -> str:
        key = (message.challenge, message.phase)
        if key not in self._codenames:
            self._codenames[key] = self._client.phase_codename(*key)
        return self._codenames[key]

    # -- delivery ------------------------------------------------------------------------------

    def _deliver(self, held: _Held, outcome: Mapping[str, Any]) -> bool:
        """Send the outcome and delete the message; what is decided meanwhile is not undone."""
        message = held.message
        try:
            sent = self._send(held, outcome)
        except UpdateRefused as error:
            say(
                logging.ERROR,
                "result refused",
                message.submission,
                why=error.reason or "EvalAI gave no reason",
                http=error.status,
                result=outcome["result"],
            )
            self._count("refused")
            try:
                if not error.of_the_result:
                    raise
                outcome = failed(
                    f"EvalAI refused the result: {error.reason or 'it gave no reason'}"
                )
                sent = self._send(held, outcome)
            except UpdateRefused:
                # The host has to mend something; the outcome is kept, to be sent then.
                held.rest_seconds = self._policy.takeover_seconds
                raise
        self._count(sent)
        why = {"why": outcome["stderr"]} if sent == "failed" else {}
        say(logging.INFO, sent, message.submission, **why)
        return self._delete(held)

    def _send(self, held: _Held, outcome: Mapping[str, Any]) -> str:
        """Send until it has arrived; how the submission ended."""
        message = held.message
        update = {
            "challenge_phase": message.phase,
            "submission": message.submission,
            **outcome,
        }
        trouble: Optional[Unreachable] = None
        for _ in range(self._policy.max_tries + 2):
            held.beat("sending")
            # Nobody can swap a status safely: look just before, and after an answer that was lost
            # or is not the API's. A look that is refused says nothing of the outcome.
            found = self._client.submission(message.submission)
            if found.is_final:
                return found.status
            try:
                self._client.finish(message.challenge, update)
                return str(outcome["submission_status"])
            except Unreachable as error:
                trouble = error
        assert trouble is not None
        raise trouble

    def _delete(self, held: _Held) -> bool:
        self._client.delete_message(self._ledger.receipt(held.message.submission))
        self._ledger.forget(held.message.submission, self.name)
        return True

    # -- signs of life -------------------------------------------------------------------------

    def beat(self, doing: str) -> None:
        """A sign of life; HandBack if the worker must end now."""
        self._beat(doing)
        if self._shared.abort.is_set():
            raise HandBack

    def _beat(self, doing: str) -> None:
        self._shared.health.beat(self.name, doing)

    def _count(self, what: str) -> None:
        self._shared.counts[what] += 1

    def _leave(self, submission: int, why: str, count: str = "") -> None:
        """Note that a submission is not settled, though nobody else has it."""
        if count and self._shared.left.get(submission) != why:
            self._count(count)
        self._shared.left[submission] = why


class _Held:
    """A submission in hand: its lease is renewed with each beat."""

    def __init__(self, loop: Loop, message: Message, record: Record) -> None:
        self.message = message
        self.record = record
        #: a try is under way; if it ends by no fault of the submission it does not count
        self.trying = False
        self.rest_seconds = 0.0
        self._loop = loop
        self._ledger = loop._ledger
        self._renew_at = 0.0

    def beat(self, doing: str) -> None:
        """Renew the lease; HandBack or LeaseLost if there is no going on."""
        self._loop.beat(doing)
        if time.monotonic() >= self._renew_at:
            self._ledger.renew(self.message.submission, self._loop.name)
            self._renew_at = time.monotonic() + self._ledger.lease_seconds / 5

    def release(self) -> None:
        """Let go; without effect if the submission is settled, or another worker's."""
        self._ledger.release(
            self.message.submission,
            self._loop.name,
            refund=self.trying,
            rest_seconds=self.rest_seconds,
        )


def _gave_up(tries: int, trouble: str) -> str:
    why = trouble or "the server ended while it was scored"
    return f"could not be scored in {tries} tries; the last one: {why}"
