"""The submitted file itself: opened once, hashed meanwhile, and watched for changes."""

from __future__ import annotations

import logging
import os
import stat
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

from ..errors import InternalError, SubmissionError
from ..files import FileHash, PathLike
from ..held import Held
from ..reader.process import Limits

logger = logging.getLogger(__name__)


@contextmanager
def _standard_descriptors() -> Iterator[None]:
    """Take 0, 1 and 2 where they are closed.

    A file that were opened there would be standard input, output or error of the reader.
    """
    with ExitStack() as opened:
        for number in range(3):
            try:
                os.fstat(number)
            except OSError:
                # The lowest that is free is the one that is given.
                opened.callback(os.close, os.open(os.devnull, os.O_RDWR))
        yield


_STANDARD_DESCRIPTORS = Held(_standard_descriptors)


class Upload:
    """A submission's file, open.

    Parameters
    ----------
    path : str or path
    limits : Limits, optional

    Raises
    ------
    SubmissionError
        If it is no ordinary file, or larger than a submission may be.
    InternalError
        If it cannot be opened.
    """

    def __init__(self, path: PathLike, limits: Optional[Limits] = None) -> None:
        # Without O_NONBLOCK a named pipe would wait for ever for somebody to write to it.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        self._open = ExitStack()
        try:
            self._open.enter_context(_STANDARD_DESCRIPTORS)
            self.descriptor = os.open(Path(path), flags)
            self._open.callback(os.close, self.descriptor)
        except OSError as error:
            self._open.close()
            logger.error("cannot open the submission: %s", error)
            raise InternalError(
                "the server could not open the submitted file; please submit it again"
            ) from None
        try:
            self._check_kind((limits or Limits()).file_bytes)
            self._before = self._state()
            self._hash = FileHash(self.descriptor)
        except BaseException:
            self._open.close()
            raise

    def _check_kind(self, most_bytes: int) -> None:
        found = os.fstat(self.descriptor)
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
            raise SubmissionError([f"found {kind}, expected an HDF5 file"])
        if found.st_size > most_bytes:
            raise SubmissionError(
                [f"a file of {found.st_size >> 20} MiB, expected at most {most_bytes >> 20} MiB"]
            )

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self._hash.stop()
        self._open.close()

    def _state(self) -> Any:
        found = os.fstat(self.descriptor)
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def check_unchanged(self) -> None:
        """InternalError if the file changed since it was opened."""
        self._hash.hexdigest()
        if self._state() != self._before:
            raise InternalError("the submitted file changed while it was read; submit it again")

    def facts(self) -> Dict[str, Any]:
        """Its hash and size, for the receipt."""
        return {"sha256": self._hash.hexdigest(), "bytes": self._before[0]}
