"""EvalAI's API for remote evaluation, typed.

What is safe to repeat is repeated on 429 and server errors; the final update is not, since the
caller can look first whether it arrived.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional, Tuple
from urllib.parse import urljoin

import requests

from evaluation_script.text import printable
from nlb_evalai.remote.errors import BadAnswer, Paused, Refused, Unreachable, UpdateRefused
from nlb_evalai.web.http import FREELY, UNSEEN, Api, NoAnswer, Repeat, Timing

#: decided: nothing more happens to it
FINAL_STATUSES = frozenset({"finished", "failed", "cancelled", "archived"})
#: to be scored
WAITING_STATUSES = frozenset({"submitted", "queued", "resuming"})
#: in somebody's hands
RUNNING = "running"
RUNNING_STATUSES = frozenset({RUNNING, "partially_evaluated"})
#: its file is not whole yet
UPLOADING = "submitting"
_MAX_REASON = 500
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Message:
    """A queue's message: a submission that waits."""

    submission: int
    challenge: int
    phase: int
    receipt: str


@dataclass(frozen=True)
class Submission:
    """A submission as the API tells it; ``input_file`` is an absolute URL."""

    pk: int
    status: str
    input_file: str

    @property
    def is_final(self) -> bool:
        """Whether its state is decided."""
        return self.status in FINAL_STATUSES

    @property
    def is_running(self) -> bool:
        """Whether somebody scores it."""
        return self.status in RUNNING_STATUSES

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for somebody to score it."""
        return self.status in WAITING_STATUSES


class Client:
    """One queue of one EvalAI server.

    Parameters
    ----------
    api : str
        The server, as ``https://eval.ai``; ToolError if it is no address for a token.
    queue : str
        The challenge's queue, from its management page.
    token : str
        A host's token. Sent to the server alone; no error or log line has it.
    pace : callable, optional
        Called before each request and each repeat, to wait for its turn.
    timing : Timing, optional
    """

    def __init__(
        self,
        api: str,
        queue: str,
        token: str,
        *,
        pace: Callable[[], None] = lambda: None,
        timing: Optional[Timing] = None,
    ) -> None:
        self._api = Api(api, token, timing=timing, pace=pace)
        self._queue = queue

    def next_message(self) -> Optional[Message]:
        """The queue's next message, or None; it comes again unless it is deleted in time."""
        path = f"api/jobs/challenge/queues/{self._queue}/"
        where, answer = self._call("GET", path)
        body, receipt = _get(where, answer, "body"), _get(where, answer, "receipt_handle")
        if body is None and receipt is None:
            return None
        if not isinstance(receipt, str) or not receipt:
            raise _bad(where, f"receipt_handle is {_kind(receipt)}, expected text")
        return Message(
            submission=_number(where, body, "submission_pk"),
            challenge=_number(where, body, "challenge_pk"),
            phase=_number(where, body, "phase_pk"),
            receipt=receipt,
        )

    def delete_message(self, receipt: str) -> None:
        """Take a message off the queue."""
        self._call("POST", f"api/jobs/queues/{self._queue}/", {"receipt_handle": receipt})

    def submission(self, pk: int) -> Submission:
        """A submission's status and file."""
        where, answer = self._call("GET", f"api/jobs/submission/{pk}")
        status, url = _get(where, answer, "status"), _get(where, answer, "input_file")
        for name, value in (("status", status), ("input_file", url)):
            if not isinstance(value, str) or not value:
                raise _bad(where, f"{name} is {_kind(value)}, expected text")
        return Submission(pk, status.lower(), urljoin(self._api.address, url))

    def phase_codename(self, challenge: int, phase: int) -> str:
        """A phase's codename."""
        path = f"api/challenges/challenge/{challenge}/challenge_phase/{phase}"
        where, answer = self._call("GET", path)
        codename = _get(where, answer, "codename")
        if not isinstance(codename, str) or not codename:
            raise _bad(where, f"codename is {_kind(codename)}, expected text")
        return codename

    def mark_running(self, challenge: int, submission: int) -> None:
        """Tell the participant that scoring has begun."""
        self._call(
            "PATCH",
            f"api/jobs/challenge/{challenge}/update_submission/",
            {"submission": submission, "submission_status": RUNNING},
        )

    def finish(self, challenge: int, update: Mapping[str, Any]) -> None:
        """Send the final update of a submission.

        Raises
        ------
        UpdateRefused
            If the API says no.
        Unreachable
            If the answer was lost, or is not the API's; nothing is repeated here.
        """
        path = f"api/jobs/challenge/{challenge}/update_submission/"
        try:
            self._call("PUT", path, update, repeat=UNSEEN)
        except Refused as error:
            raise UpdateRefused(error.where, error.status, error.reason) from None

    # -- one request ---------------------------------------------------------------------------

    def _call(
        self,
        method: str,
        path: str,
        content: Optional[Mapping[str, Any]] = None,
        *,
        repeat: Repeat = FREELY,
    ) -> Tuple[str, Any]:
        where = f"{method} {urljoin(self._api.address, path)}"
        try:
            response = self._api.send(method, path, repeat, json=content)
        except NoAnswer as error:
            raise Unreachable(str(error)) from None
        if response.status_code == 429 or response.status_code >= 500:
            raise Unreachable(f"{where}: HTTP {response.status_code}, after repeats")
        if response.status_code >= 300:
            said = _said(response)
            if re.search(r"submissions are (currently )?paused", said, re.IGNORECASE):
                raise Paused(f"{where}: {said}")
            raise Refused(where, response.status_code, said)
        try:
            return where, response.json()
        except ValueError:
            kind = response.headers.get("Content-Type", "no type")
            raise _bad(where, f"{len(response.content)} bytes of {kind}, expected JSON") from None


def _said(response: requests.Response) -> str:
    """What a refusal says, in one line; of a page, its text."""
    try:
        answer = response.json()
    except ValueError:
        answer = re.sub(r"<(style|script|head)\b.*?</\1\s*>|<[^>]*>", " ", response.text[:10_000])
    if isinstance(answer, dict):
        answer = answer.get("error") or answer.get("detail") or answer
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return printable(" ".join(text.split()), _MAX_REASON)


def _get(where: str, answer: Any, key: str) -> Any:
    if not isinstance(answer, dict):
        raise _bad(where, f"{_kind(answer)}, expected an object with {key}")
    if key not in answer:
        raise _bad(where, f"no {key}; found {', '.join(sorted(map(str, answer))) or 'nothing'}")
    return answer[key]


def _number(where: str, body: Any, key: str) -> int:
    value = _get(where, body, key)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _bad(where, f"{key} is {_kind(value)}, expected a number")
    if not 0 <= value <= _LARGEST:
        raise _bad(where, f"{key} is a number out of range, expected one of a database")
    return value


def _bad(where: str, what: str) -> BadAnswer:
    return BadAnswer(f"{where}: unexpected answer: {what}")


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__
