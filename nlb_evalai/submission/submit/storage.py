"""The object storage behind EvalAI: parts go there, and files are read there, without a token."""

from __future__ import annotations

import time
from typing import BinaryIO, Callable, Iterator, Optional

import requests

from nlb_evalai.errors import ToolError
from nlb_evalai.web.http import Bearer, Timing, open_session, reason, without_query

_PIECE_BYTES = 1 << 18
_LONGEST_PAUSE_SECONDS = 60.0
#: S3 answers 400 RequestTimeout where a part came too slowly
_TIMEOUT_CODE = b"RequestTimeout"


class PartsRefused(ToolError):
    """Storage will take a part neither now nor later, as when its address has expired."""


class Unreadable(ToolError):
    """A file behind an address cannot be read now."""


class _Trouble(Exception):
    """A try failed that may be repeated after a pause."""

    def __init__(self, what: str, pause_seconds: float = 0.0) -> None:
        self.pause_seconds = pause_seconds
        super().__init__(what)


class Storage:
    """Where files lie; for one thread alone."""

    def __init__(self, timing: Optional[Timing] = None) -> None:
        self._timing = timing or Timing()
        self._session = open_session(Bearer())

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def put(
        self,
        url: str,
        part: Part,
        *,
        until: float,
        say: Callable[[str], None] = lambda text: None,
    ) -> str:
        """Upload a part, again and again while its address lasts.

        Parameters
        ----------
        url : str
            Never shown: it is a key.
        part : Part
        until : float
            When the address expires, in seconds since 1970.
        say : callable, optional
            Told of each failure that is tried again.

        Returns
        -------
        str
            Its ETag, as storage gave it.

        Raises
        ------
        PartsRefused
        """
        pause = self._timing.first_pause_seconds
        while time.time() < until:
            try:
                return self._put(url, part)
            except _Trouble as trouble:
                wait = max(pause, trouble.pause_seconds)
                say(f"{part}: {trouble}; tried again in {wait:.0f} s")
                time.sleep(max(0.0, min(wait, until - time.time())))
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        raise PartsRefused(f"{part}: the addresses of the parts have expired")

    def _put(self, url: str, part: Part) -> str:
        try:
            response = self._session.put(
                url, data=part, timeout=self._timing.timeouts, allow_redirects=False
            )
        except requests.RequestException as error:
            raise _Trouble(reason(error)) from None
        status = response.status_code
        if status == 429 or status >= 500 or _TIMEOUT_CODE in response.content:
            wait = response.headers.get("Retry-After", "")
            seconds = float(wait) if wait.isdigit() else 0.0
            raise _Trouble(f"HTTP {status}", min(seconds, _LONGEST_PAUSE_SECONDS))
        etag = response.headers.get("ETag")
        if status != 200 or not etag:
            why = "its address has expired" if b"expired" in response.content else f"HTTP {status}"
            raise PartsRefused(f"{part}: storage does not take it: {why}")
        return etag

    def size(self, url: str) -> int:
        """Bytes of the file behind an address.

        Raises
        ------
        Unreadable
        """
        with self._get(url) as response:
            length = response.headers.get("Content-Length", "")
            if length.isdigit():
                return int(length)
            try:
                return sum(len(piece) for piece in response.iter_content(_PIECE_BYTES))
            except requests.RequestException as error:
                raise Unreadable(f"{without_query(url)}: {reason(error)}") from None

    def text(self, url: str, most_bytes: int) -> str:
        """The beginning of a text file.

        Raises
        ------
        Unreadable
        """
        with self._get(url) as response:
            found = b""
            try:
                for piece in response.iter_content(_PIECE_BYTES):
                    found += piece
                    if len(found) > most_bytes:
                        break
            except requests.RequestException as error:
                raise Unreadable(f"{without_query(url)}: {reason(error)}") from None
        return found[:most_bytes].decode("utf-8", "replace")

    def _get(self, url: str) -> requests.Response:
        headers = {"Accept-Encoding": "identity", "Cache-Control": "no-cache"}
        pause = self._timing.first_pause_seconds
        trouble = ""
        for number in range(self._timing.repeats + 1):
            time.sleep(pause * 2**number / 2 if number else 0)
            try:
                response = self._session.get(
                    url, headers=headers, stream=True, timeout=self._timing.timeouts
                )
            except (requests.RequestException, ValueError) as error:
                trouble = reason(error)
                continue
            if response.status_code == 200:
                return response
            trouble = f"HTTP {response.status_code}"
            response.close()
            if response.status_code not in (429, 500, 502, 503, 504):
                break
        raise Unreadable(f"{without_query(url)}: {trouble}")


class Part:
    """A part of an open file, read as it is sent and anew for each try.

    Bytes that come piece by piece have no Content-Type, and with their length no chunked encoding:
    the signature of an address allows neither.

    Parameters
    ----------
    file : BinaryIO
    number, n_parts : int
        Counted from 1.
    start, stop : int
        Bytes of the file.
    sent : callable, optional
        Told how many bytes of the file have gone out, so far.
    """

    def __init__(
        self,
        file: BinaryIO,
        number: int,
        n_parts: int,
        start: int,
        stop: int,
        sent: Callable[[int], None] = lambda position: None,
    ) -> None:
        self._file = file
        self._name = f"part {number} of {n_parts}"
        self._start = start
        self._stop = stop
        self._sent = sent

    def __str__(self) -> str:
        return self._name

    def __len__(self) -> int:
        return self._stop - self._start

    def __iter__(self) -> Iterator[bytes]:
        position = self._start
        self._file.seek(position)
        while position < self._stop:
            piece = self._file.read(min(_PIECE_BYTES, self._stop - position))
            if not piece:
                raise ToolError("the file became shorter while it was uploaded")
            yield piece
            position += len(piece)
            self._sent(position)
