"""A file of the web comes to this machine: within limits, and resumed where it is cut off.

What strangers name is fetched from the web alone (:func:`fetch`); what else the person at the
command line may name is in ``locations``.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import (
    BinaryIO,
    Callable,
    Collection,
    Mapping,
    Optional,
    Type,
)
from urllib.parse import urlsplit

import requests
from requests.exceptions import InvalidSchema, TooManyRedirects

from evaluation_script.files import is_disk_full
from nlb_evalai.errors import ToolError
from nlb_evalai.web.addresses import PrivateAddress, PublicAdapter
from nlb_evalai.web.http import Bearer, Timing, open_session, reason, without_query

#: the largest submission taken, unless told otherwise
MAX_BYTES = 2_000_000_000
#: the longest that a transfer may take: a server that drips must not hold its caller for ever
MAX_SECONDS = 3600.0
_PIECE_BYTES = 1 << 16
#: what a server means for good: no rights, not there, gone, forbidden by law
_FOR_GOOD = (401, 403, 404, 410, 451)
_REDIRECTED: Mapping[type, str] = {
    InvalidSchema: "it was redirected to an address that is not one of http or https",
    TooManyRedirects: "it was redirected too often",
}


class FetchError(ToolError):
    """A submitted file cannot be had now; a later try may succeed.

    Fit for the participant: no message holds a query string, which may be a secret.
    """


class FileRefused(FetchError):
    """A submitted file will not be taken, now or later."""


class NoRoom(FileRefused):
    """There is no room for a submitted file on this machine's disk."""


class NotGiven(FetchError):
    """Whoever keeps a submitted file will not give it for this address: it is not there, say."""


class NotReached(FetchError):
    """The storage gave no answer, or failed: its fault or the network's, not the file's."""


def disk_trouble(error: OSError) -> FetchError:
    """What to tell the participant of a failure to write."""
    if is_disk_full(error):
        return NoRoom(
            "the server ran out of disk space while it fetched your file; the organizers must "
            "mend it, then please submit again"
        )
    return FetchError(f"the submitted file could not be stored: {type(error).__name__}")


def fetch(
    url: str,
    path: Path,
    *,
    max_bytes: int,
    beat: Callable[[], None] = lambda: None,
    timing: Optional[Timing] = None,
    private_hosts: Optional[Collection[str]] = None,
    max_seconds: float = MAX_SECONDS,
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
    timing : Timing, optional
        Time-outs, how many tries in a row may bring nothing, and the pause before the second,
        which doubles with each of them.
    private_hosts : collection of str, optional
        Where a stranger gives the address: hosts that alone it may lead to, itself or by a
        redirect, if they are at a private address. Left out, it may lead anywhere.
    max_seconds : float
        For all tries together.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    FileRefused
        If the file is too large; NoRoom if the disk is full.
    NotReached
        If the storage gives no answer, fails, takes too long, or is at a private address.
    NotGiven
        If the storage says that there is none, or not for whoever asks.
    FetchError
        If the storage says anything else.
    """
    if not is_web(url):
        raise NotGiven(f"the submitted file has no web address: {without_query(url)!r}")
    deadline = time.monotonic() + max_seconds

    def watched(done: int) -> None:
        beat()
        if time.monotonic() > deadline:
            raise NotReached(f"the submitted file was not there after {max_seconds:.0f} s")

    transfer = Transfer(url, max_bytes, beat=watched, timing=timing, private_hosts=private_hosts)
    with path.open("wb") as file:
        try:
            transfer.run(file)
        except Unfinished as error:
            raise error.kind(f"the submitted file could not be fetched: {error}") from None
        except PrivateAddress as error:
            raise NotReached(
                f"the submitted file could not be fetched: {error}, where no submission may lead; "
                "if it is your own storage, run the worker with --private-storage "
                f"{error.host}"
            ) from None
        except OSError as error:
            raise disk_trouble(error) from None
        return file.tell()


def is_web(url: str) -> bool:
    """Whether an address is one of http or https."""
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:  # what is no address at all
        return False


class Unfinished(Exception):
    """A transfer ended before the file was whole; the text says why, in words.

    ``kind`` is the error that it is to who wanted a submitted file.
    """

    def __init__(self, why: str, kind: Type[FetchError] = NotReached) -> None:
        super().__init__(why)
        self.kind = kind


class Transfer:
    """One file, over as many requests as it takes; no credentials go with any of them.

    Parameters
    ----------
    url : str
        http or https, and so must be whatever it redirects to.
    max_bytes : int
        The largest size taken.
    beat : callable
        Called for each piece with the bytes that are there; what it raises ends the transfer.
    timing : Timing, optional
        As for :func:`fetch`.
    private_hosts : collection of str, optional
        As for :func:`fetch`.
    etag : str, optional
        What the server called the content that is in the file already: it goes on from there if
        that is still its name, and starts over if not.
    began : callable
        Called when the content starts over, with its new name (None: it has none that identifies
        it byte by byte).
    """

    def __init__(
        self,
        url: str,
        max_bytes: int,
        *,
        beat: Callable[[int], None] = lambda done: None,
        timing: Optional[Timing] = None,
        private_hosts: Optional[Collection[str]] = None,
        etag: Optional[str] = None,
        began: Callable[[Optional[str]], None] = lambda etag: None,
    ) -> None:
        self._url = url
        self._max_bytes = max_bytes
        self._beat = beat
        self._timing = timing or Timing()
        self._private_hosts = private_hosts
        self._etag = etag
        self._began = began

    def run(self, file: BinaryIO) -> None:
        """Append what is missing until the file is whole.

        Raises
        ------
        Unfinished
            If it cannot be had now.
        FileRefused
            If it is too large.
        OSError
            If it cannot be written.
        """
        barren = 0
        with open_session(Bearer()) as session:
            session.headers["Accept-Encoding"] = "identity"
            if self._private_hosts is not None:
                for scheme in ("http://", "https://"):
                    session.mount(scheme, PublicAdapter(self._private_hosts))
            while True:
                before = file.tell()
                try:
                    if self._ask(session, file):
                        return
                    trouble = "it was cut off"
                except (InvalidSchema, TooManyRedirects) as error:
                    raise Unfinished(_REDIRECTED[type(error)], NotGiven) from None
                except requests.RequestException as error:
                    own_words = isinstance(error, requests.HTTPError)  # of _judge
                    trouble = str(error) if own_words else reason(error)
                barren = 0 if file.tell() > before else barren + 1
                if barren >= self._timing.repeats:
                    raise Unfinished(trouble)
                self._beat(file.tell())
                time.sleep(self._timing.first_pause_seconds * 2**barren / 2)

    def _ask(self, session: requests.Session, file: BinaryIO) -> bool:
        """Ask for what is missing and append it; whether the file is whole now."""
        headers = {}
        if file.tell():
            headers["Range"] = f"bytes={file.tell()}-"
            if self._etag:
                headers["If-Range"] = self._etag
        with session.get(
            self._url, headers=headers, stream=True, timeout=self._timing.timeouts
        ) as response:
            self._judge(response, file)
            total = _total_bytes(response, file.tell())
            if total is not None and total > self._max_bytes:
                raise too_large(total, self._max_bytes)
            for piece in response.iter_content(_PIECE_BYTES):
                if file.tell() + len(piece) > self._max_bytes:
                    raise too_large(None, self._max_bytes)
                file.write(piece)
                self._beat(file.tell())
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
            raise requests.HTTPError("the range does not fit")
        if status == 429 or status >= 500:
            raise requests.HTTPError(f"HTTP {status}")
        if status != 200:
            raise Unfinished(f"HTTP {status}", NotGiven if status in _FOR_GOOD else FetchError)
        etag = response.headers.get("ETag")
        # a weak one is no comparison byte by byte
        self._restart(file, None if etag and etag.startswith("W/") else etag)

    def _restart(self, file: BinaryIO, etag: Optional[str] = None) -> None:
        file.seek(0)
        file.truncate()
        self._etag = etag
        self._began(etag)


def too_large(total: Optional[int], max_bytes: int) -> FileRefused:
    """The error of a file of too many bytes; of how many, where that is known."""
    found = f"{total / 1e6:.1f} MB" if total is not None else "more"
    return FileRefused(
        f"the submitted file is too large: found {found}, expected at most {max_bytes / 1e6:.1f} MB"
    )


def _total_bytes(response: requests.Response, position: int) -> Optional[int]:
    headers: Mapping[str, str] = response.headers
    length = headers.get("Content-Length", "")
    return position + int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
