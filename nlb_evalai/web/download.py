"""A published file becomes a file on this machine: resumed after a restart, and verified.

Until it is verified, what came so far lies beside its place as ``NAME.part``, and what the server
called that content (its ETag) as ``NAME.part.etag``. The next download goes on from there if the
server still has the same content, and starts over if it has not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Callable, Iterator, Optional

from evaluation_script.files import file_sha256, is_disk_full
from nlb_evalai.errors import ToolError
from nlb_evalai.lfs import read_lfs_pointer
from nlb_evalai.web.fetch import FileRefused, Transfer, Unfinished, is_web
from nlb_evalai.web.http import Timing, without_query

#: three tries in a row that bring nothing take 3 s and a person waits for them
TIMING = Timing(repeats=3)


class Unreachable(ToolError):
    """A published file cannot be had now; what came of it stays for the next time."""


class WrongContent(ToolError):
    """What came, or what lies there, is not what was published."""


@dataclass(frozen=True)
class Downloaded:
    """A file under its final name; ``fresh``: it was not there before."""

    path: Path
    sha256: str
    fresh: bool


def download(
    url: str,
    path: Path,
    *,
    n_bytes: int,
    sha256: Optional[str] = None,
    progress: Callable[[int], None] = lambda done: None,
    timing: Optional[Timing] = None,
) -> Downloaded:
    """The file of that size and hash at its place, fetched if it is not there.

    Parameters
    ----------
    url : str
        http or https. No credentials go with the request, nor to where it is redirected.
    path : Path
        Its final name; its folder is made.
    n_bytes : int
    sha256 : str, optional
        Left out where it was never seen: then the size alone is compared.
    progress : callable
        Called with the bytes that are there.
    timing : Timing, optional

    Raises
    ------
    Unreachable
        If it cannot be had now.
    WrongContent
        If another file lies at its place, or another one came: nothing of it is kept.
    ToolError
        If it cannot be written.
    """
    if not is_web(url):
        raise ToolError(f"found {without_query(url)!r}, expected an address of http or https")
    try:
        if path.exists():
            return _already_there(path, n_bytes, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _part_of(path) as part:
            if path.exists():  # another process was quicker
                _forget(path)
                return _already_there(path, n_bytes, sha256)
            _fetch(url, path, part, n_bytes, progress, timing or TIMING)
            return _verified(url, path, n_bytes, sha256)
    except OSError as error:
        why = "the disk is full" if is_disk_full(error) else error.strerror or str(error)
        raise ToolError(f"{path}: cannot be written: {why}") from None


def part_of(path: Path) -> Path:
    """Where the beginning of a file lies until it is whole."""
    return path.with_name(path.name + ".part")


def etag_of(path: Path) -> Path:
    """Where the name of that content lies."""
    return path.with_name(path.name + ".part.etag")


@contextlib.contextmanager
def _part_of(path: Path) -> Iterator[BinaryIO]:
    """The beginning of the file, open, and held against other processes."""
    while True:
        with part_of(path).open("a+b") as part:
            fcntl.flock(part, fcntl.LOCK_EX)
            if os.fstat(part.fileno()).st_nlink:  # else another process gave it up meanwhile
                yield part
                return


def _already_there(path: Path, n_bytes: int, sha256: Optional[str]) -> Downloaded:
    found, size = file_sha256(path), path.stat().st_size
    fault = _fault(size, found, n_bytes, sha256)
    if fault:
        raise WrongContent(f"{path}: there is another file of that name: {fault}; move it away")
    return Downloaded(path, found, fresh=False)


def _fetch(
    url: str,
    path: Path,
    part: BinaryIO,
    n_bytes: int,
    progress: Callable[[int], None],
    timing: Timing,
) -> None:
    etag_path = etag_of(path)
    etag = etag_path.read_text(encoding="latin-1") if etag_path.exists() else ""
    done = part.seek(0, 2)
    if not etag or done > n_bytes:  # nobody can say what these bytes are
        part.truncate(0)
        done = part.seek(0)
    room = shutil.disk_usage(path.parent).free
    if n_bytes - done > room:
        raise ToolError(
            f"{path.parent}: found {_megabytes(room)} free, expected {_megabytes(n_bytes - done)} "
            f"for the rest of {path.name}"
        )
    progress(done)
    if done == n_bytes:
        return

    def began(name: Optional[str]) -> None:
        if name:
            etag_path.write_text(name, encoding="latin-1")
        else:
            etag_path.unlink(missing_ok=True)

    transfer = Transfer(url, n_bytes, beat=progress, timing=timing, etag=etag or None, began=began)
    try:
        transfer.run(part)
    except Unfinished as error:
        raise Unreachable(str(error)) from None
    except FileRefused:
        _forget(path)
        raise WrongContent(
            f"{without_query(url)}: found more than {n_bytes} bytes, expected as many; nothing of "
            "it is kept"
        ) from None


def _verified(url: str, path: Path, n_bytes: int, sha256: Optional[str]) -> Downloaded:
    part = part_of(path)
    found, size = file_sha256(part), part.stat().st_size
    fault = _fault(size, found, n_bytes, sha256)
    if fault:
        pointer = read_lfs_pointer(part)
        _forget(path)
        came = f"what came is {pointer}; " if pointer else ""
        raise WrongContent(f"{without_query(url)}: {came}{fault}; nothing of it is kept")
    part.replace(path)
    _forget(path)
    return Downloaded(path, found, fresh=True)


def _fault(size: int, found: str, n_bytes: int, sha256: Optional[str]) -> str:
    """What is wrong, with both hashes; nothing if it is what was published."""
    if size == n_bytes and sha256 in (None, found):
        return ""
    expected = f"expected {n_bytes} bytes of sha256 {sha256 or '(never seen)'}"
    return f"found {size} bytes of sha256 {found}, {expected}"


def _forget(path: Path) -> None:
    part_of(path).unlink(missing_ok=True)
    etag_of(path).unlink(missing_ok=True)


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB"
