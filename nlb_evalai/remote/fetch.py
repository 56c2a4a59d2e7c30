"""A submitted file: from object storage to disk, within limits, resumed when cut off."""

from __future__ import annotations

import errno
import re
import time
from pathlib import Path
from typing import BinaryIO, Callable, Mapping, Optional
from urllib.parse import urlsplit

import requests

from nlb_evalai.remote.client import USER_AGENT, reason, without_query
from nlb_evalai.remote.errors import FetchError, FileRefused, RemoteError

#: the largest submission taken, unless told otherwise
MAX_BYTES = 2_000_000_000
_PIECE_BYTES = 1 << 16
_CONNECT_SECONDS = 10.0
_STALL_SECONDS = 60.0
#: tries in a row that bring no byte
_MAX_BARREN_TRIES = 5
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def fetch(
    url: str,
    path: Path,
    *,
    max_bytes: int,
    beat: Callable[[], None] = lambda: None,
    pause_seconds: float = 1.0,
) -> int:
    """Stream a file to disk; no credentials go with the request.

    Parameters
    ----------
    url : str
        http or https; never logged with its query.
    path : Path
        Where to write.
    max_bytes : int
        The largest size taken.
    beat : callable
        Called for each piece; what it raises ends the transfer.
    pause_seconds : float
        Before the second try; doubles with each that brings nothing.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    FileRefused
        If the file is too large, or the disk is full.
    FetchError
        If it cannot be had now.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise FetchError(f"the submitted file has no web address: {without_query(url)!r}")
    transfer = _Transfer(url, max_bytes, beat)
    barren = 0
    with requests.Session() as session, path.open("wb") as file:
        session.auth = _no_credentials
        session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        while True:
            before = file.tell()
            try:
                if transfer.run(session, file):
                    return file.tell()
                trouble = "it was cut off"
            except requests.RequestException as error:
                trouble = reason(error)
            except OSError as error:
                raise disk_trouble(error) from None
            barren = 0 if file.tell() > before else barren + 1
            if barren >= _MAX_BARREN_TRIES:
                raise FetchError(f"the submitted file could not be fetched: {trouble}")
            beat()
            time.sleep(pause_seconds * 2**barren / 2)


class _Transfer:
    """One file, over as many requests as it takes."""

    def __init__(self, url: str, max_bytes: int, beat: Callable[[], None]) -> None:
        self._url = url
        self._max_bytes = max_bytes
        self._beat = beat
        self._etag: Optional[str] = None

    def run(self, session: requests.Session, file: BinaryIO) -> bool:
        """Ask for what is missing and append it; whether the file is whole now."""
        headers = {}
        if file.tell():
            headers["Range"] = f"bytes={file.tell()}-"
            if self._etag:
                headers["If-Range"] = self._etag
        with session.get(
            self._url, headers=headers, stream=True, timeout=(_CONNECT_SECONDS, _STALL_SECONDS)
        ) as response:
            self._judge(response, file)
            total = _total_bytes(response, file.tell())
            if total is not None and total > self._max_bytes:
                raise self._too_large(total)
            for piece in response.iter_content(_PIECE_BYTES):
                if file.tell() + len(piece) > self._max_bytes:
                    raise self._too_large(None)
                file.write(piece)
                self._beat()
        file.flush()
        # A server that gives no length cannot tell a cut from an end; HDF5 will.
        return total is None or file.tell() >= total

    def _judge(self, response: requests.Response, file: BinaryIO) -> None:
        """Raise on refusals; start over where the server cannot go on from a position."""
        status = response.status_code
        if status == 206:
            found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            if found and int(found.group(1)) == file.tell():
                return
        if status == 416 or status == 206:
            self._restart(file)
            raise requests.ConnectionError("the range does not fit")
        if status == 429 or status >= 500:
            raise requests.HTTPError(f"HTTP {status}")
        if status != 200:
            raise FetchError(f"the submitted file could not be fetched: HTTP {status}")
        self._restart(file)
        self._etag = response.headers.get("ETag")
        if self._etag and self._etag.startswith("W/"):
            self._etag = None  # no comparison byte by byte

    @staticmethod
    def _restart(file: BinaryIO) -> None:
        file.seek(0)
        file.truncate()

    def _too_large(self, total: Optional[int]) -> FileRefused:
        found = f"{total / 1e6:.1f} MB" if total is not None else "more"
        return FileRefused(
            f"the submitted file is too large: found {found}, "
            f"expected at most {self._max_bytes / 1e6:.1f} MB"
        )


def _total_bytes(response: requests.Response, position: int) -> Optional[int]:
    headers: Mapping[str, str] = response.headers
    length = headers.get("Content-Length", "")
    return position + int(length) if length.isdigit() else None


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from looking for some in a netrc file."""
    request.headers.pop("Authorization", None)
    return request


def is_disk_full(error: OSError) -> bool:
    """Whether there is no room, on the disk or for this user."""
    return error.errno in _DISK_FULL


def disk_trouble(error: OSError) -> RemoteError:
    """What to tell the participant of a failure to write."""
    if is_disk_full(error):
        return FileRefused(
            "the server ran out of disk space while it fetched your file; the organizers must "
            "mend it, then please submit again"
        )
    return FetchError(f"the submitted file could not be stored: {type(error).__name__}")
