"""The steps of an upload: make a submission, bring its file, send it, or give it up.

Each is written down before it is asked for. What was asked for and got no answer is looked up: a
submission that nobody could use is cancelled, a file is measured before it is sent, and a message
is never sent twice.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterable, List, Mapping, NoReturn, Optional

from evaluation_script.files import FileHash
from evaluation_script.text import printable
from nlb_evalai.errors import ToolError
from nlb_evalai.submission.submit import state
from nlb_evalai.submission.submit.client import (
    CANCELLED,
    SUBMITTED,
    Client,
    Phase,
    Submission,
)
from nlb_evalai.submission.submit.state import Store, Upload
from nlb_evalai.submission.submit.storage import Part, PartsRefused, Storage
from nlb_evalai.web.json_api import Lost, Refused

#: what EvalAI stores as the file of a submission until the parts are put together
_PLACEHOLDER_BYTES = 12
_LIMITS = {
    "remaining_submissions_today_count": "today",
    "remaining_submissions_this_month_count": "this month",
    "remaining_submissions_count": "in all",
}


@dataclass(frozen=True)
class Policy:
    """How an upload is done.

    ``part_bytes`` is at least 5 MiB where storage is S3's. ``address_seconds`` is how long EvalAI's
    addresses last, ``doubt_seconds`` how long a message that may be lost is waited for. A step
    whose answer is lost is begun ``tries`` times, with ``pause_seconds`` between.
    """

    part_bytes: int = 16 << 20
    address_seconds: float = 3600.0
    poll_seconds: float = 5.0
    longest_poll_seconds: float = 30.0
    doubt_seconds: float = 900.0
    tries: int = 4
    pause_seconds: float = 2.0


@dataclass
class Steps:
    """What can be done with an upload; each step keeps the upload's state.

    ``say`` is told, in a line each, what happens; ``progress`` (bytes sent, bytes to send).
    """

    client: Client
    storage: Storage
    store: Store
    policy: Policy = Policy()
    say: Callable[[str], None] = lambda text: None
    progress: Callable[[int, int], None] = lambda done, total: None

    def advance(self, upload: Upload, stage: str) -> None:
        """Write down how far an upload is."""
        upload.stage = stage
        if stage in (state.SENT, state.TOLD):
            upload.addresses = []
        self.store.save(upload)

    def found(self, upload: Upload) -> Optional[Submission]:
        """An upload's submission on EvalAI, if it is still there."""
        try:
            return self.client.submission(upload.submission)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    # -- make it -------------------------------------------------------------------------------

    def check_quota(self, challenge: int, phase: Phase) -> None:
        """ToolError if EvalAI would take no further submission to a phase."""
        limits = self.client.limits(challenge, phase.pk)
        message = limits.get("message")
        if message is not None:
            said = f"phase {phase.codename}: {printable(message, most=200)}"
            raise ToolError(said + _more_in(limits.get("remaining_time")))
        left = {when: limits[key] for key, when in _LIMITS.items() if key in limits}
        words = ", ".join(f"{printable(count, most=20)} {when}" for when, count in left.items())
        if any(count == 0 for count in left.values()):
            raise ToolError(f"phase {phase.codename}: no submission is left ({words})")
        if words:
            self.say(f"submissions left in phase {phase.codename}: {words}")

    def begin(
        self,
        challenge: int,
        phase: Phase,
        path: Path,
        file: BinaryIO,
        sha256: str,
        content: Mapping[str, Any],
    ) -> Upload:
        """Have one submission made, with ``content`` said of it."""
        upload = Upload(
            api=self.client.address,
            challenge=challenge,
            phase=phase.codename,
            phase_pk=phase.pk,
            file=path.name,
            sha256=sha256,
            n_bytes=os.fstat(file.fileno()).st_size,
            part_bytes=self.policy.part_bytes,
            content=dict(content),
            before=max((one.pk for one in self.client.own(challenge, phase.pk)), default=0),
        )
        trouble = ""
        for _ in range(self.policy.tries):
            self.store.save(upload)
            asked_at = time.time()
            try:
                made = self.client.presign(phase.pk, content, upload.n_parts)
            except Refused:
                self.store.drop(upload)
                raise
            except Lost as error:
                trouble = str(error)
                time.sleep(self.policy.pause_seconds)
                self.cancel(upload)
                continue
            upload.submission, upload.upload_id = made.submission, made.upload_id
            upload.addresses = made.addresses
            upload.expires = asked_at + self.policy.address_seconds
            self.advance(upload, state.UPLOADING)
            if trouble:  # an answer that was lost may be of a request that was slow
                late = [one for one in self._unanswered(upload) if one != upload.submission]
                self._cancel_all(upload, late)
            return upload
        raise ToolError(f"{trouble}; nothing is left on EvalAI: try again later")

    # -- bring its file ------------------------------------------------------------------------

    def bring(self, upload: Upload, file: BinaryIO) -> None:
        """Upload what is missing, and have the parts put together."""
        sent = upload.n_bytes - sum(upload.bytes_of(number) for number in upload.missing)
        for number in upload.missing:
            self.progress(sent, upload.n_bytes)
            start = (number - 1) * upload.part_bytes
            size = upload.bytes_of(number)

            def tell(position: int, before: int = sent - start) -> None:
                self.progress(before + position, upload.n_bytes)

            part = Part(file, number, upload.n_parts, start, start + size, tell)
            url = upload.addresses[number - 1]
            try:
                etag = self.storage.put(url, part, until=upload.expires, say=self.say)
            except PartsRefused as error:
                self._give_up(upload, str(error))
            upload.etags[number] = etag
            self.store.save(upload)
            sent += size
        self.progress(upload.n_bytes, upload.n_bytes)
        if file_hash(file) != upload.sha256:
            self._give_up(upload, f"{upload.file}: changed while it was uploaded")
        self._finish(upload)

    def _finish(self, upload: Upload) -> None:
        """The file is there in full when this returns."""
        etags = [upload.etags[number] for number in range(1, upload.n_parts + 1)]
        trouble: Optional[Exception] = None
        taken = False
        for number in range(self.policy.tries):
            time.sleep(self.policy.pause_seconds if number else 0)
            try:
                if not taken:
                    self.client.finish(upload.phase_pk, upload.submission, upload.upload_id, etags)
                    taken = True
            except Lost as error:
                trouble = error
            except Refused as error:
                trouble = error
                if error.status != 400:  # that alone is storage's
                    raise self._kept(upload, error) from None
            found = self._stored_bytes(upload)
            if found == upload.n_bytes:
                return
            if found != _PLACEHOLDER_BYTES:
                self._give_up(
                    upload, f"EvalAI stored {found} bytes of the file, expected {upload.n_bytes}"
                )
        if isinstance(trouble, Refused) and not taken:
            self._give_up(upload, str(trouble))
        raise self._kept(upload, trouble or ToolError("EvalAI does not show the file yet"))

    def _stored_bytes(self, upload: Upload) -> int:
        found = self.client.submission(upload.submission)
        if found.status != SUBMITTED:
            raise ToolError(
                f"submission {upload.submission} is {printable(found.status)}, expected "
                f"{SUBMITTED}: somebody changed it on EvalAI"
            )
        return self.storage.size(found.input_file)

    # -- send it -------------------------------------------------------------------------------

    def send(self, upload: Upload) -> None:
        """Send the message, once; ``SENDING`` is left where nobody knows whether it arrived."""
        self.advance(upload, state.SENDING)
        try:
            self.client.send(upload.phase_pk, upload.submission)
        except Refused as error:
            self.advance(upload, state.UPLOADING)
            raise self._kept(upload, error) from None
        except Lost as error:
            self.say(f"{error}; whether submission {upload.submission} was sent is looked up")
            return
        self.advance(upload, state.SENT)
        self.say(f"submission {upload.submission} was sent to be scored")

    # -- give it up ----------------------------------------------------------------------------

    def cancel(self, upload: Upload) -> List[int]:
        """Cancel what an upload left on EvalAI, and forget it; the submissions cancelled.

        Raises
        ------
        ToolError
            If it is being scored, or EvalAI does not cancel it; it is not forgotten then.
        """
        if upload.stage == state.ASKED:
            numbers = self._unanswered(upload)
        else:
            found = self.found(upload)
            if found is not None and found.status not in (SUBMITTED, CANCELLED):
                self.advance(upload, state.SENT)
                raise ToolError(
                    f"submission {upload.submission} is {printable(found.status)}: it was sent, "
                    "and cannot be given up"
                )
            numbers = [found.pk] if found is not None and found.status == SUBMITTED else []
        self._cancel_all(upload, numbers)
        self.store.drop(upload)
        return numbers

    def _cancel_all(self, upload: Upload, numbers: Iterable[int]) -> None:
        for number in numbers:
            try:
                self.client.cancel(upload.challenge, upload.phase_pk, number)
            except (Lost, Refused) as error:
                raise ToolError(
                    f"{error}; submission {number} could not be cancelled, and takes quota and a "
                    "place still: run the same command with --abandon"
                ) from None
            self.say(f"submission {number} was cancelled: it takes no quota and no place")

    def _unanswered(self, upload: Upload) -> List[int]:
        """Submissions made by a request whose answer was lost; nobody has their upload id.

        A team's other members may be submitting too: ours is new, has no file, and says the same.
        """
        told = {
            name: upload.content.get(name, "") for name in ("method_name", "method_description")
        }
        return [
            one.pk
            for one in self.client.own(upload.challenge, upload.phase_pk)
            if one.pk > upload.before
            and one.status == SUBMITTED
            and all((one.fields.get(name) or "") == text for name, text in told.items())
            and self.storage.size(one.input_file) == _PLACEHOLDER_BYTES
        ]

    def _give_up(self, upload: Upload, why: str) -> NoReturn:
        self.cancel(upload)
        raise ToolError(
            f"{why}; submission {upload.submission} was given up: run the same command again to "
            "begin anew"
        )

    def _kept(self, upload: Upload, error: Exception) -> ToolError:
        return ToolError(
            f"{error}; submission {upload.submission} waits and takes quota and a place: run the "
            "same command again to go on, or give it up with --abandon"
        )


def file_hash(file: BinaryIO) -> str:
    """Hex SHA-256 of an open file, wherever it is being read."""
    digest = FileHash(file.fileno())
    try:
        return digest.hexdigest()
    finally:
        digest.stop()


def _more_in(seconds: Any) -> str:
    try:
        minutes = round(float(seconds) / 60)
    except (TypeError, ValueError):
        return ""
    return f" There are more in {minutes // 60} h {minutes % 60:02} min."
