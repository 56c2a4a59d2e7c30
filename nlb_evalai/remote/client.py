"""EvalAI's API for remote evaluation, typed.

Every request has a time-out and waits for its turn (``pace``). What is safe to repeat is repeated
on 429 and server errors with growing pauses; the final update is not, since the caller can look
first whether it arrived.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional, Tuple
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from nlb_evalai import __version__
from nlb_evalai.errors import ToolError
from nlb_evalai.remote.errors import BadAnswer, Refused, Unreachable, UpdateRefused

FINAL_STATUSES = frozenset({"finished", "failed", "cancelled"})
RUNNING = "running"
USER_AGENT = f"nlb-evalai/{__version__}"
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_TROUBLE = (429, 500, 502, 503, 504)
_MAX_REASON = 500
_MAX_PAUSE_SECONDS = 60.0


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


@dataclass(frozen=True)
class Timing:
    """Seconds to wait for a connection and for an answer, repeats, and the pause before them."""

    connect_seconds: float = 10.0
    answer_seconds: float = 60.0
    repeats: int = 5
    first_pause_seconds: float = 1.0


class Client:
    """One queue of one EvalAI server.

    Parameters
    ----------
    api : str
        The server, as ``https://eval.ai``; ToolError if :func:`checked_api` refuses it.
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
        self._api = checked_api(api)
        self._queue = queue
        self._pace = pace
        self._timing = timing or Timing()
        self._session = requests.Session()
        self._session.auth = Bearer(token, urlsplit(self._api).netloc)
        self._session.headers["User-Agent"] = USER_AGENT
        self._repeating = self._adapter(_TROUBLE)
        # A lost answer to the final update is looked up, not repeated blindly.
        self._careful = self._adapter((429,), other=False)

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
        return Submission(pk, status.lower(), urljoin(self._api, url))

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
            self._call("PUT", path, update, repeat=False)
        except Refused as error:
            raise UpdateRefused(error.where, error.status, error.reason) from None

    # -- one request ---------------------------------------------------------------------------

    def _adapter(self, statuses: Tuple[int, ...], *, other: bool = True) -> HTTPAdapter:
        times = self._timing.repeats
        return HTTPAdapter(
            max_retries=_PacedRetry(
                pace=self._pace,
                total=times,
                connect=times,
                read=times if other else 0,
                other=times if other else 0,
                status=times,
                redirect=0,
                status_forcelist=statuses,
                allowed_methods=None,
                backoff_factor=self._timing.first_pause_seconds / 2,
                raise_on_status=False,
            )
        )

    def _call(
        self,
        method: str,
        path: str,
        content: Optional[Mapping[str, Any]] = None,
        *,
        repeat: bool = True,
    ) -> Tuple[str, Any]:
        url = urljoin(self._api, path)
        where = f"{method} {url}"
        adapter = self._repeating if repeat else self._careful
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        self._pace()
        try:
            response = self._session.request(
                method,
                url,
                json=content,
                timeout=(self._timing.connect_seconds, self._timing.answer_seconds),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Unreachable(f"{where}: {reason(error)}") from None
        if response.status_code in _TROUBLE or response.status_code >= 500:
            raise Unreachable(f"{where}: HTTP {response.status_code}, after repeats")
        if response.status_code >= 300:
            raise Refused(where, response.status_code, _said(response))
        try:
            return where, response.json()
        except ValueError:
            kind = response.headers.get("Content-Type", "no type")
            raise _bad(where, f"{len(response.content)} bytes of {kind}, expected JSON") from None


def checked_api(api: str) -> str:
    """The server's address, with a slash at its end.

    Raises
    ------
    ToolError
        If it is none, or the token would travel there unencrypted.
    """
    try:
        parts = urlsplit(api)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ToolError(f"--api: found {api!r}, expected an address as https://eval.ai")
    if parts.scheme == "http" and parts.hostname not in _LOCAL_HOSTS:
        raise ToolError(f"--api: {api} would send the token unencrypted: use https://")
    return api.rstrip("/") + "/"


class Bearer(requests.auth.AuthBase):
    """The token, for one host only (a netrc file is not looked at either)."""

    def __init__(self, token: str, netloc: str) -> None:
        self._token = token
        self._netloc = netloc

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if urlsplit(request.url or "").netloc == self._netloc:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def __repr__(self) -> str:
        return "<token>"


class _PacedRetry(Retry):
    """Repeats wait for their turn too."""

    def __init__(self, *args: Any, pace: Callable[[], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn = pace

    def new(self, **kwargs: Any) -> _PacedRetry:
        return super().new(pace=self._turn, **kwargs)

    def get_retry_after(self, response: Any) -> Optional[float]:
        """What the server asks for, but never so long that the worker seems dead."""
        seconds = super().get_retry_after(response)
        return None if seconds is None else min(seconds, _MAX_PAUSE_SECONDS)

    def sleep(self, response: Any = None) -> None:
        super().sleep(response)
        self._turn()


def reason(error: BaseException) -> str:
    """Why a request got no answer, without the address: its query may hold a signature."""
    inner: Any = error
    for _ in range(4):
        following = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        if not isinstance(following, BaseException):
            break
        inner = following
    kind = type(inner).__name__
    words = {
        "ConnectTimeoutError": "no connection in time",
        "ReadTimeoutError": "no answer in time",
        "NewConnectionError": "cannot connect",
        "NameResolutionError": "the host's name is not known",
        "ProtocolError": "the connection was cut",
        "RemoteDisconnected": "the connection was cut",
        "IncompleteRead": "the connection was cut",
        "ConnectionResetError": "the connection was cut",
    }
    return words.get(kind, kind)


def without_query(url: str) -> str:
    """An address fit to be kept and shown: signatures live in the query, passwords before the host.

    Paths and ``s3://`` addresses have neither and stay as they are.
    """
    scheme, mark, rest = url.partition("://")
    if not mark or scheme == "s3":
        return url
    netloc, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{netloc.rpartition('@')[2]}{slash}{path}"


def _said(response: requests.Response) -> str:
    """What a refusal says, in one line."""
    try:
        answer = response.json()
    except ValueError:
        return ""
    if isinstance(answer, dict):
        answer = answer.get("error") or answer.get("detail") or answer
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return " ".join(text.split())[:_MAX_REASON]


def _get(where: str, answer: Any, key: str) -> Any:
    if not isinstance(answer, dict):
        raise _bad(where, f"{_kind(answer)}, expected an object with {key}")
    if key not in answer:
        raise _bad(where, f"no {key}; found {', '.join(sorted(map(str, answer))) or 'nothing'}")
    return answer[key]


def _number(where: str, body: Any, key: str) -> int:
    value = _get(where, body, key)
    if isinstance(value, str) and value.isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _bad(where, f"{key} is {_kind(value)}, expected a number")
    return value


def _bad(where: str, what: str) -> BadAnswer:
    return BadAnswer(f"{where}: unexpected answer: {what}")


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__
