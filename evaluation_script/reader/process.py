"""The scorer's side of the helper process: start it, ask it, survive it."""

from __future__ import annotations

import errno
import json
import logging
import mmap
import os
import select
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import h5py
import numpy as np

from ..errors import LimitError
from ..held import Held
from . import facts as reader_facts
from . import faults, wire
from .buffer import BUFFER_BYTES, MAX_READ_BYTES, Read, anonymous_file, offsets, slot_bytes
from .sandbox import WALLS, hidden, is_hidden, peak_memory_bytes

logger = logging.getLogger(__name__)

_PROGRAM = Path(__file__).with_name("__main__.py")
#: what the helper may know of its surroundings
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL")


@dataclass(frozen=True)
class Limits:
    """What the helper may use; past a limit it is ended and the submission refused."""

    memory_bytes: int = 128 << 20
    cpu_seconds: int = 600
    answer_seconds: float = 180.0
    total_seconds: float = 1800.0
    file_bytes: int = 8 << 30


#: why a process or its buffer cannot be had now, and perhaps can later
_SHORTAGES = (errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EMFILE, errno.ENFILE)

#: while any reader runs, and from before it starts
_HIDDEN = Held(hidden)
#: how much of what a reader says before it is ready is kept for the host
_LAST_WORDS_BYTES = 1 << 16

#: reads are ahead by one less, and by less still where they are so large that fewer fit
_MAX_SLOTS = 4


class ReaderProcess:
    """An untrusted submission, seen through a helper process.

    Parameters
    ----------
    descriptor : int
        The submission, open for reading; the helper gets a copy, the caller keeps this one.
    limits : Limits

    Raises
    ------
    SubmissionError
        If the file is no HDF5 file, is damaged, or ends the helper.
    LimitError
        If the helper hit a limit, or there is no room to start it.
    InternalError
        If it cannot be started at all, or ends before it is confined and ready for the file.

    Attributes
    ----------
    walls : dict of str to bool
        Which of ``sandbox.WALLS`` stand between the helper and the rest of the machine.
    """

    def __init__(self, descriptor: int, limits: Optional[Limits] = None) -> None:
        self._descriptor = descriptor
        self._limits = limits or Limits()
        self._deadline = time.monotonic() + self._limits.total_seconds
        self._process: Optional[subprocess.Popen] = None
        self._where: Optional[str] = None
        self._buffer: Optional[mmap.mmap] = None
        self._expected: Sequence[str] = ()
        self._held = ExitStack()
        self.walls: Dict[str, bool] = {}
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ReaderProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def peak_bytes(self) -> int:
        """The most memory that the helper held; 0 where the platform does not say."""
        return peak_memory_bytes(str(self._process.pid)) if self._process else 0

    def close(self) -> None:
        """End the helper and free the buffer; what was hidden from it is so until it is gone."""
        process, self._process = self._process, None
        if process is not None:
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
            process.kill()
            process.wait()
        self._held.close()
        if self._buffer is not None:
            try:
                self._buffer.close()
            except BufferError:
                logger.debug("a block outlives its reader")
            self._buffer = None

    def describe(self, wanted: Mapping[str, Sequence[str]]) -> Dict[str, Any]:
        """Facts about groups and arrays (see ``h5file.H5Submission.describe``)."""
        self._send({"op": "describe", "groups": {k: list(v) for k, v in wanted.items()}})
        try:
            return reader_facts.checked(self._receive().get("facts"), wanted)
        except ValueError:
            raise faults.misbehaved(self._where) from None

    def blocks(self, reads: Sequence[Read]) -> Iterator[List[np.ndarray]]:
        """The blocks of each read, in order, read ahead of their use.

        Yields
        ------
        list of ndarray (trials, bins, neurons)
            One for each part, valid until the next is asked for, in the array's own dtype.
        """
        largest = max((slot_bytes(read) for read in reads), default=0)
        assert largest <= MAX_READ_BYTES
        assert self._buffer is not None
        slots = min(_MAX_SLOTS, BUFFER_BYTES // max(largest, 1))
        upcoming = 0
        for index, read in enumerate(reads):
            self._expected = [part.path for part in read]
            self._where = read[0].path
            # The slot of the block before is free again: keep all the others busy.
            while upcoming < len(reads) and upcoming < index + slots - 1:
                self._send(_request(reads[upcoming], upcoming % slots * largest))
                upcoming += 1
            self._receive()
            arrays = []
            for part, begin in zip(read, offsets(read, index % slots * largest)):
                shape = (part.stop - part.start, *part.shape)
                count = shape[0] * shape[1] * shape[2]
                block = np.frombuffer(self._buffer, part.dtype, count, begin)
                arrays.append(block.reshape(shape))
            yield arrays
            del arrays, block

    # -- the process -----------------------------------------------------------------------

    def _start(self) -> None:
        self._held.enter_context(_HIDDEN)
        try:
            self._launch()
        except OSError as error:
            if error.errno not in _SHORTAGES:
                raise faults.not_started(str(error)) from None
            logger.error("cannot start the reader: %s", error)
            raise LimitError(
                "the server is short of memory, disk space or processes, and could not start "
                "reading the file; please submit it again later"
            ) from None
        self.walls = {**self._await_ready(), "scorer_hidden": is_hidden()}
        missing = tuple(f"{name} ({WALLS[name]})" for name in WALLS if not self.walls[name])
        if missing:
            _tell_missing(missing)
        if self._receive().get("opened") is not True:
            raise faults.misbehaved(self._where)

    def _launch(self) -> None:
        buffer_fd = anonymous_file(BUFFER_BYTES)
        try:
            # Read-only on this side: what a participant sent is looked at, never changed.
            self._buffer = mmap.mmap(buffer_fd, BUFFER_BYTES, access=mmap.ACCESS_READ)
            libraries = {str(Path(str(m.__file__)).parents[1]) for m in (np, h5py)}
            settings = {
                "parent": os.getpid(),
                "submission_fd": self._descriptor,
                "buffer_fd": buffer_fd,
                "buffer_bytes": BUFFER_BYTES,
                "memory_bytes": self._limits.memory_bytes,
                "cpu_seconds": self._limits.cpu_seconds,
                "library_paths": sorted(libraries),
            }
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_PROGRAM), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(self._descriptor, buffer_fd),
                env=_environment(),
                cwd="/",
                bufsize=0,
            )
        finally:
            os.close(buffer_fd)

    def _await_ready(self) -> Dict[str, bool]:
        """The walls around the helper, once it is confined; until then no fault is the file's."""
        assert self._process is not None
        assert self._process.stderr is not None
        # Closed then: what it says later is its own affair.
        with self._process.stderr as stderr:
            try:
                answer = wire.unpack(self._read)
                if answer is not None:
                    return reader_facts.checked_walls(answer.get("ready"), WALLS)
                how = "it ended"
            except (ValueError, RecursionError):
                how = "it said something else than that it is ready"
                self._process.kill()
            except LimitError:
                how = "it took too long"
            code = self._ended()
            os.set_blocking(stderr.fileno(), False)
            words = stderr.read(_LAST_WORDS_BYTES) or b""
        raise faults.not_started(f"{how} (code {code})", words.decode("utf-8", "replace"))

    def _ended(self) -> int:
        """Its exit code, after it is ended where it has not ended by itself."""
        assert self._process is not None
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _send(self, message: Dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        data = memoryview(wire.pack(message))
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except OSError:
            raise self._died() from None

    def _receive(self) -> Dict[str, Any]:
        """The next answer; an error if it reports one, does not come, or is nonsense."""
        try:
            answer = wire.unpack(self._read)
        except (ValueError, RecursionError):
            raise faults.misbehaved(self._where) from None
        if answer is None:
            raise self._died()
        if "error" in answer:
            raise faults.reported(answer, self._expected, self._where)
        return answer

    def _read(self, count: int) -> Optional[bytes]:
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = min(self._deadline, time.monotonic() + self._limits.answer_seconds)
        pieces = []
        while count:
            if not _readable(descriptor, deadline - time.monotonic()):
                self._process.kill()
                raise faults.limit("took too long", self._where)
            piece = os.read(descriptor, count)
            if not piece:
                return None
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def _died(self) -> Exception:
        assert self._process is not None
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return faults.misbehaved(self._where)
        return faults.ended(code, self._where)


@lru_cache(maxsize=8)
def _tell_missing(walls: Tuple[str, ...]) -> None:
    """Once for each process: a worker reads many files.

    Where the user alone is missing (whoever is not root has no other), the filter of system calls
    and the hidden scorer stand in for it: no news to whoever checks a file at home.
    """
    level = logging.INFO if all(wall.startswith("user ") for wall in walls) else logging.WARNING
    logger.log(level, "not all walls stand around the reader; missing: %s", "; ".join(walls))


def _request(read: Read, offset: int) -> Dict[str, Any]:
    parts = [
        [part.path, part.start, part.stop, begin]
        for part, begin in zip(read, offsets(read, offset))
    ]
    return {"op": "read", "parts": parts}


def _readable(descriptor: int, seconds: float) -> bool:
    """Wait for input; by poll, since select takes low descriptors only."""
    if seconds <= 0:
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _environment() -> Dict[str, str]:
    """No credentials, no plugins, no threads of its own for linear algebra."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {
        **kept,
        "HDF5_PLUGIN_PRELOAD": "::",
        "HDF5_PLUGIN_PATH": os.devnull,
        "HDF5_USE_FILE_LOCKING": "FALSE",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
    }
