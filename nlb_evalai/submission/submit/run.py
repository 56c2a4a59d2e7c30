"""A file becomes one submission that is scored once, whatever is interrupted on the way."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, List, Mapping, Optional

from evaluation_script.text import plural, printable
from nlb_evalai.errors import ToolError
from nlb_evalai.submission.submit import state
from nlb_evalai.submission.submit.answers import Answers
from nlb_evalai.submission.submit.client import CANCELLED, SUBMITTED, Phase, Submission
from nlb_evalai.submission.submit.state import Busy, Upload
from nlb_evalai.submission.submit.steps import Steps, file_hash


class Submitter:
    """Uploads files to one phase, and gives uploads up.

    Parameters
    ----------
    steps : Steps
    challenge : int
    phase : str
        Its codename.

    Attributes
    ----------
    upload : Upload or None
        The one in hand.
    """

    def __init__(self, steps: Steps, challenge: int, phase: str) -> None:
        self._steps = steps
        self._challenge = challenge
        self._codename = phase
        self.upload: Optional[Upload] = None

    def submit(
        self, path: Path, answers: Answers, *, again: bool = False, send_again: bool = False
    ) -> Upload:
        """Bring a file to be scored, from wherever an earlier call stopped.

        Parameters
        ----------
        path : Path
        answers : Answers
            An upload that goes on keeps what was said when it began.
        again : bool
            Also where the same file was submitted before.
        send_again : bool
            Send the message once more where nobody knows whether it arrived.

        Returns
        -------
        Upload
            Sent, or, where the answer to that was lost, ``SENDING`` still: see :meth:`follow`.

        Raises
        ------
        ToolError
            With what happened, and what is left on EvalAI.
        """
        steps = self._steps
        with ExitStack() as stack:
            file = stack.enter_context(path.open("rb"))
            sha256 = file_hash(file)
            key = steps.store.key(steps.client.address, self._challenge, self._codename, sha256)
            stack.enter_context(steps.store.held(key))
            phase = steps.client.phase(self._challenge, self._codename)
            content = None if answers == Answers() else answers.content(phase.attributes)
            self._tidy(key)
            upload = self.upload = self._resumed(key, content, again)
            if upload is None:
                content = content or answers.content(phase.attributes)
                steps.check_quota(self._challenge, phase)
                upload = steps.begin(self._challenge, phase, path, file, sha256, content)
                self.upload = upload
                seen = "public" if _is_public(content, phase) else "private"
                steps.say(f"submission {upload.submission} was made ({seen})")
            if upload.stage == state.UPLOADING:
                steps.bring(upload, file)
                steps.send(upload)
            elif upload.stage == state.SENDING and send_again:
                steps.send(upload)
        return upload

    def abandon(self, path: Optional[Path] = None) -> List[int]:
        """Give up the unfinished upload of a file, or all to this phase that this folder knows.

        Returns
        -------
        list of int
            The submissions that were cancelled.

        Raises
        ------
        ToolError
            If one cannot be cancelled, or is being scored.
        """
        uploads = self._unfinished()
        if path is not None:
            with path.open("rb") as file:
                sha256 = file_hash(file)
            uploads = [one for one in uploads if one.sha256 == sha256]
        cancelled: List[int] = []
        for upload in uploads:
            with self._steps.store.held(self._steps.store.key_of(upload)):
                cancelled += self._steps.cancel(upload)
        return cancelled

    def follow(self, upload: Upload) -> Submission:
        """Wait until a submission is scored, or has failed.

        Raises
        ------
        ToolError
            If its message seems to be lost.
        """
        policy = self._steps.policy
        pause, status = policy.poll_seconds, ""
        end = time.monotonic() + policy.doubt_seconds
        while True:
            found = self._steps.client.submission(upload.submission)
            if found.status != status:
                status = found.status
                self._steps.say(f"submission {found.pk} is {printable(status, most=40)}")
            if upload.stage == state.SENDING:
                if status != SUBMITTED:
                    self._steps.advance(upload, state.SENT)
                elif time.monotonic() >= end:
                    raise ToolError(doubt(upload))
            if found.is_final:
                self._steps.advance(upload, state.TOLD)
                return found
            time.sleep(pause)
            pause = min(1.5 * pause, policy.longest_poll_seconds)

    # -- where an earlier call stopped ---------------------------------------------------------

    def _unfinished(self) -> List[Upload]:
        address = self._steps.client.address
        return self._steps.store.unfinished(address, self._challenge, self._codename)

    def _tidy(self, own: str) -> None:
        """Cancel other files' uploads to this phase that can no longer end; tell of the rest."""
        store = self._steps.store
        for key in (store.key_of(upload) for upload in self._unfinished()):
            if key == own:
                continue
            try:
                with store.held(key):
                    upload = store.load(key)
                    if upload is None or upload.stage in (state.SENT, state.TOLD):
                        continue
                    if upload.is_expired or upload.stage == state.ASKED:
                        self._steps.cancel(upload)
                        continue
            except Busy:
                continue
            except ToolError as error:  # it is told, and does not keep this file from going
                self._steps.say(str(error))
                continue
            self._steps.say(
                f"submission {upload.submission} ({printable(upload.file)}) is unfinished and "
                "takes quota and a place: submit that file again to go on, or give it up with "
                "--abandon"
            )

    def _resumed(
        self, key: str, content: Optional[Mapping[str, Any]], again: bool
    ) -> Optional[Upload]:
        """The upload that was begun, if it can go on; ``content`` is what was said now, if any."""
        steps = self._steps
        upload = steps.store.load(key)
        if upload is None:
            return None
        if upload.stage == state.ASKED:
            steps.cancel(upload)
            return None
        if upload.stage == state.TOLD and again:
            steps.store.drop(upload)
            return None
        found = steps.found(upload)
        if found is None or found.status == CANCELLED:
            steps.say(f"submission {upload.submission} of this file was cancelled on EvalAI")
            steps.store.drop(upload)
            return None
        if found.status != SUBMITTED and upload.stage in (state.UPLOADING, state.SENDING):
            steps.advance(upload, state.SENT)
        if upload.stage in (state.SENT, state.TOLD):
            steps.say(
                f"this file was sent before, as submission {upload.submission}; --again submits "
                "it once more when that is scored"
            )
            return upload
        if upload.stage == state.SENDING:
            return upload
        if upload.is_expired:
            steps.say("the addresses of the parts have expired, so the upload begins anew")
            steps.cancel(upload)
            return None
        if content is not None and content != upload.content:
            raise ToolError(
                f"submission {upload.submission} of this file was begun with another method, "
                "description, link, attribute or visibility: repeat what you said then, or say "
                "nothing, to go on; or give it up with --abandon"
            )
        left = plural(len(upload.missing), "part")
        steps.say(f"submission {upload.submission} goes on: {left} of {upload.n_parts} to upload")
        return upload


def doubt(upload: Upload) -> str:
    """What to do where nobody knows whether a message arrived."""
    return (
        f"submission {upload.submission} is waiting, and nobody knows whether its message arrived: "
        "workers may be late, so run the same command again later; or add --send-again, which has "
        "it scored twice if the message did arrive; or --abandon"
    )


def _is_public(content: Mapping[str, Any], phase: Phase) -> bool:
    said = content.get("is_public")
    return phase.public if said is None else bool(said == "true")
