"""HTTP as the whole project speaks it.

Every request has a time-out and waits for its turn (``pace``). What is safe to repeat is repeated
with growing pauses, and no server makes it wait longer than a minute. A token goes to one host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Optional, Tuple
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.util.retry import Retry

from nlb_evalai import __version__
from nlb_evalai.errors import ToolError

USER_AGENT = f"nlb-evalai/{__version__}"
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_MAX_PAUSE_SECONDS = 60.0


@dataclass(frozen=True)
class Timing:
    """Seconds to wait for a connection and for an answer, repeats, and the pause before them."""

    connect_seconds: float = 10.0
    answer_seconds: float = 60.0
    repeats: int = 5
    first_pause_seconds: float = 1.0

    @property
    def timeouts(self) -> Tuple[float, float]:
        """As requests takes them."""
        return self.connect_seconds, self.answer_seconds


@dataclass(frozen=True)
class Repeat:
    """When a request is sent again, besides when there was no connection.

    ``statuses``: after these answers. ``arrived``: also where it may have arrived, that is after
    an answer that was lost or came too late.
    """

    statuses: Tuple[int, ...]
    arrived: bool


#: for what changes nothing there, or the same when it comes twice
FREELY = Repeat((429, 500, 502, 503, 504), arrived=True)
#: for what must not be done twice
UNSEEN = Repeat((429,), arrived=False)


class NoAnswer(ToolError):
    """A request got no answer, after all repeats.

    Parameters
    ----------
    where : str
        Method and address.
    reason : str
        Why, in words.
    """

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"{where}: {reason}")


class Bearer(AuthBase):
    """A token, for one host only; without a token there are no credentials at all.

    Either way requests looks for none in a netrc file.
    """

    def __init__(self, token: str = "", netloc: str = "") -> None:
        self._token = token
        self._netloc = netloc

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token and urlsplit(request.url or "").netloc == self._netloc:
            request.headers["Authorization"] = f"Bearer {self._token}"
        else:
            request.headers.pop("Authorization", None)
        return request

    def __repr__(self) -> str:
        return "<token>"


class _Session(requests.Session):
    """After a redirect too the session's own credentials are the only ones."""

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: Any) -> None:
        """Requests would look for others in a netrc file here."""
        assert isinstance(self.auth, AuthBase)
        prepared_request.prepare_auth(self.auth)


def open_session(auth: AuthBase) -> requests.Session:
    """A session that says who it is and has these credentials alone; it repeats nothing."""
    session = _Session()
    session.auth = auth
    session.headers["User-Agent"] = USER_AGENT
    return session


class Api:
    """A server that is asked with a token; for one thread alone.

    Parameters
    ----------
    address : str
        As ``https://eval.ai``; ToolError if :func:`checked_api` refuses it.
    token : str
        Sent to this server alone; no error has it.
    timing : Timing, optional
    pace : callable, optional
        Called before each request and each repeat, to wait for its turn.
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        timing: Optional[Timing] = None,
        pace: Callable[[], None] = lambda: None,
    ) -> None:
        self.address = checked_api(address, "the token" if token else "what is asked")
        self._timing = timing or Timing()
        self._pace = pace
        self._session = open_session(Bearer(token, urlsplit(self.address).netloc))
        self._adapter = HTTPAdapter()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, self._adapter)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(self, method: str, path: str, repeat: Repeat, **content: Any) -> requests.Response:
        """Ask, and take whatever is answered; no redirect is followed.

        Parameters
        ----------
        method : str
        path : str
            Below the server's address.
        repeat : Repeat
        **content
            The rest of what ``requests.request`` takes, as ``json`` or ``data``.

        Raises
        ------
        NoAnswer
        """
        url = urljoin(self.address, path)
        self._adapter.max_retries = self._retry(repeat)
        if not repeat.arrived:
            self._adapter.close()  # the server may be closing a kept connection just now
        self._pace()
        try:
            return self._session.request(
                method, url, timeout=self._timing.timeouts, allow_redirects=False, **content
            )
        except requests.RequestException as error:
            raise NoAnswer(f"{method} {url}", reason(error)) from None

    def _retry(self, repeat: Repeat) -> Retry:
        times = self._timing.repeats
        again = times if repeat.arrived else 0
        return _PacedRetry(
            pace=self._pace,
            total=times,
            connect=times,
            read=again,
            other=again,
            status=times,
            redirect=0,
            status_forcelist=repeat.statuses,
            allowed_methods=None,
            backoff_factor=self._timing.first_pause_seconds / 2,
            raise_on_status=False,
        )


class _PacedRetry(Retry):
    """Repeats wait for their turn too."""

    #: else urllib3 repeats after these too, whatever is asked for, if they have Retry-After
    RETRY_AFTER_STATUS_CODES = frozenset()

    def __init__(self, *args: Any, pace: Callable[[], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn = pace

    def new(self, **kwargs: Any) -> _PacedRetry:
        return super().new(pace=self._turn, **kwargs)

    def get_retry_after(self, response: Any) -> Optional[float]:
        """What the server asks for, but never so long that the caller seems dead."""
        seconds = super().get_retry_after(response)
        return None if seconds is None else min(seconds, _MAX_PAUSE_SECONDS)

    def sleep(self, response: Any = None) -> None:
        super().sleep(response)
        self._turn()


def checked_api(api: str, sent: str = "the token") -> str:
    """The server's address, with a slash at its end; ``sent`` says what would travel there.

    Raises
    ------
    ToolError
        If it is none, or what is sent would travel there unencrypted.
    """
    try:
        parts = urlsplit(api)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ToolError(f"--api: found {api!r}, expected an address as https://eval.ai")
    if parts.scheme == "http" and parts.hostname not in _LOCAL_HOSTS:
        raise ToolError(f"--api: {api} would send {sent} unencrypted: use https://")
    return api.rstrip("/") + "/"


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
