"""A file's identity and its hash, and whether there was room for it."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path
from typing import Optional, Union

PathLike = Union[str, "os.PathLike[str]"]

_PIECE_BYTES = 1 << 20
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def file_identity(path: Path) -> tuple:
    """What changes when a file is written to or replaced, even where its time is kept."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def file_sha256(path: PathLike) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        for block in iter(lambda: file.read(_PIECE_BYTES), b""):
            digest.update(block)
    return digest.hexdigest()


def is_disk_full(error: OSError) -> bool:
    """Whether there was no room, on the disk or for this user."""
    return error.errno in _DISK_FULL


class FileHash:
    """SHA-256 of an open file, computed beside other work.

    Parameters
    ----------
    descriptor : int
        Open for reading; read by position, so others may use it at the same time.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._digest: Optional[str] = None
        self._error: Optional[OSError] = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="nlb-sha256", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        digest, position = hashlib.sha256(), 0
        try:
            while not self._stopped:
                piece = os.pread(self._descriptor, _PIECE_BYTES, position)
                if not piece:
                    self._digest = digest.hexdigest()
                    return
                digest.update(piece)
                position += len(piece)
        except OSError as error:
            self._error = error

    def hexdigest(self) -> str:
        """The digest; waits for it. OSError if the file could not be read."""
        self._thread.join()
        if self._digest is None:
            raise self._error or OSError("hashing was stopped")
        return self._digest

    def stop(self) -> None:
        """Give up and wait until the file is no longer read."""
        self._stopped = True
        self._thread.join()
