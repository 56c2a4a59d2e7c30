"""The scorer's side of the helper process: start it, ask it, survive it."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import h5py
import numpy as np

from ..errors import InternalError, LimitError, SubmissionError
from . import facts as reader_facts
from . import wire
from .sandbox import peak_memory_bytes

logger = logging.getLogger(__name__)

_PROGRAM = Path(__file__).with_name("__main__.py")
#: what the helper may know of its surroundings
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "SYSTEMROOT")
_CRASHES = tuple(
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL", "SIGSYS", "SIGTRAP")
    if hasattr(signal, name)
)


@dataclass(frozen=True)
class Limits:
    """What the helper may use; past a limit it is ended and the submission refused."""

    memory_bytes: int = 128 << 20
    cpu_seconds: int = 600
    answer_seconds: float = 180.0
    total_seconds: float = 1800.0
    file_bytes: int = 8 << 30


@dataclass(frozen=True)
class Part:
    """Trials ``start:stop`` of one array, as ``group/name``."""

    path: str
    start: int
    stop: int
    shape: Tuple[int, int]
    dtype: np.dtype

    @property
    def n_bytes(self) -> int:
        """Size of the block."""
        return (self.stop - self.start) * self.shape[0] * self.shape[1] * self.dtype.itemsize


#: reads that come back together, in one slot of the buffer
Read = Sequence[Part]

with contextlib.suppress(ImportError):  # Windows
    import fcntl

    _SEALS = sum(getattr(fcntl, f"F_SEAL_{what}", 0) for what in ("SHRINK", "GROW", "SEAL"))

#: why a process or its buffer cannot be had now, and perhaps can later
_SHORTAGES = (errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EMFILE, errno.ENFILE)

#: what HDF5 itself cannot tell from damage
_TOO_NEW = "written with libver='latest' by a newer HDF5 library than the server's"

_ALIGNMENT = 64
#: the most that one read may hold; pages of the buffer that stay unused cost no memory
MAX_READ_BYTES = 16 << 20
_BUFFER_BYTES = 3 * MAX_READ_BYTES
#: reads are ahead by one less, and by less still where they are so large that fewer fit
_MAX_SLOTS = 4


def _slot_bytes(read: Read) -> int:
    return sum(-(-part.n_bytes // _ALIGNMENT) * _ALIGNMENT for part in read)


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
        If it cannot be started at all.
    """

    def __init__(self, descriptor: int, limits: Optional[Limits] = None) -> None:
        self._descriptor = descriptor
        self._limits = limits or Limits()
        self._deadline = time.monotonic() + self._limits.total_seconds
        self._process: Optional[subprocess.Popen] = None
        self._where: Optional[str] = None
        self._buffer: Optional[mmap.mmap] = None
        self._expected: Sequence[str] = ()
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
        """End the helper and free the buffer."""
        process, self._process = self._process, None
        if process is not None:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
            process.kill()
            process.wait()
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
            raise self._misbehaved() from None

    def blocks(self, reads: Sequence[Read]) -> Iterator[List[np.ndarray]]:
        """The blocks of each read, in order, read ahead of their use.

        Yields
        ------
        list of ndarray (trials, bins, neurons)
            One for each part, valid until the next is asked for, in the array's own dtype.
        """
        slot_bytes = max((_slot_bytes(read) for read in reads), default=0)
        assert slot_bytes <= MAX_READ_BYTES
        assert self._buffer is not None
        slots = min(_MAX_SLOTS, _BUFFER_BYTES // max(slot_bytes, 1))
        upcoming = 0
        for index, read in enumerate(reads):
            self._expected = [part.path for part in read]
            self._where = read[0].path
            # The slot of the block before is free again: keep all the others busy.
            while upcoming < len(reads) and upcoming < index + slots - 1:
                self._send(_request(reads[upcoming], upcoming % slots * slot_bytes))
                upcoming += 1
            self._receive()
            arrays = []
            for part, begin in zip(read, _offsets(read, index % slots * slot_bytes)):
                shape = (part.stop - part.start, *part.shape)
                count = shape[0] * shape[1] * shape[2]
                block = np.frombuffer(self._buffer, part.dtype, count, begin)
                arrays.append(block.reshape(shape))
            yield arrays
            del arrays, block

    # -- the process -----------------------------------------------------------------------

    def _start(self) -> None:
        try:
            self._launch()
        except OSError as error:
            logger.error("cannot start the reader: %s", error)
            if error.errno not in _SHORTAGES:
                raise InternalError(
                    "the server could not start reading the file; this is no fault of the file, "
                    "the organizers find the details in their log: please tell them"
                ) from None
            raise LimitError(
                "the server is short of memory, disk space or processes, and could not start "
                "reading the file; please submit it again later"
            ) from None
        if self._receive().get("opened") is not True:
            raise self._misbehaved()

    def _launch(self) -> None:
        buffer_fd = _anonymous_file(_BUFFER_BYTES)
        try:
            # Read-only on this side: what a participant sent is looked at, never changed.
            self._buffer = mmap.mmap(buffer_fd, _BUFFER_BYTES, access=mmap.ACCESS_READ)
            libraries = {str(Path(str(m.__file__)).parents[1]) for m in (np, h5py)}
            settings = {
                "parent": os.getpid(),
                "submission_fd": self._descriptor,
                "buffer_fd": buffer_fd,
                "buffer_bytes": _BUFFER_BYTES,
                "memory_bytes": self._limits.memory_bytes,
                "cpu_seconds": self._limits.cpu_seconds,
                "library_paths": sorted(libraries),
            }
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_PROGRAM), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(self._descriptor, buffer_fd),
                env=_environment(),
                cwd="/",
                bufsize=0,
            )
        finally:
            os.close(buffer_fd)

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
            raise self._misbehaved() from None
        if answer is None:
            raise self._died()
        if "error" in answer:
            raise self._reported(answer)
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
                raise self._limit("took too long")
            piece = os.read(descriptor, count)
            if not piece:
                return None
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    # -- what went wrong, in words -----------------------------------------------------------

    def _at(self) -> str:
        return f" at {self._where}" if self._where else " while opening it"

    def _limit(self, what: str) -> LimitError:
        return LimitError(f"the file could not be read: the reader {what}{self._at()}")

    def _misbehaved(self) -> SubmissionError:
        return SubmissionError([f"the file could not be read: the reader went astray{self._at()}"])

    def _reported(self, answer: Dict[str, Any]) -> Exception:
        if answer["error"] == "open":
            return SubmissionError(
                [f"the file is not an HDF5 file, or is damaged or cut short, or {_TOO_NEW}"]
            )
        # Several arrays are read at a time; only a name that was asked for is repeated.
        said = answer.get("where")
        where = next((path for path in self._expected if path == said), self._where or "the file")
        if answer["error"] == "memory":
            self._where = where if self._expected else None
            return self._limit("ran out of memory")
        reasons = f"damaged or cut short, or {_TOO_NEW}?"
        return SubmissionError([f"{where}: the data cannot be read; {reasons}"])

    def _died(self) -> Exception:
        assert self._process is not None
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._misbehaved()
        logger.warning("the reader of a submission ended with code %s%s", code, self._at())
        if code < 0:
            if -code == getattr(signal, "SIGXCPU", None):
                return self._limit("used too much CPU time")
            if -code in _CRASHES:
                return SubmissionError(
                    [f"the file could not be read: it crashed the HDF5 library{self._at()}"]
                )
            return self._limit("was killed")
        return self._limit("ended unexpectedly")


def _offsets(read: Read, offset: int) -> List[int]:
    """Where each part of a read goes in the buffer."""
    offsets = []
    for part in read:
        offsets.append(offset)
        offset += -(-part.n_bytes // _ALIGNMENT) * _ALIGNMENT
    return offsets


def _request(read: Read, offset: int) -> Dict[str, Any]:
    parts = [
        [part.path, part.start, part.stop, begin]
        for part, begin in zip(read, _offsets(read, offset))
    ]
    return {"op": "read", "parts": parts}


def _readable(descriptor: int, seconds: float) -> bool:
    """Wait for input; poll where there is one, since select takes low descriptors only."""
    if seconds <= 0:
        return False
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    return bool(select.select([descriptor], [], [], seconds)[0])


def _anonymous_file(n_bytes: int) -> int:
    """A file without a name and of fixed size, to be mapped by both processes.

    Raises
    ------
    OSError
        If there is no room for it.
    """
    descriptor = _memory_file()
    try:
        if descriptor is not None:
            os.ftruncate(descriptor, n_bytes)
            # Were the reader able to cut it, the scorer would die of SIGBUS at its next look.
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            return descriptor
        with tempfile.TemporaryFile() as stream:
            descriptor = os.dup(stream.fileno())
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, n_bytes)  # a full disk shows here, not midway
        else:
            os.ftruncate(descriptor, n_bytes)
        return descriptor
    except BaseException:
        if descriptor is not None:
            os.close(descriptor)
        raise


def _memory_file() -> Optional[int]:
    """A file in memory that can be sealed; None where the system has none."""
    try:
        return os.memfd_create("nlb-blocks", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except (AttributeError, OSError):
        return None


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
