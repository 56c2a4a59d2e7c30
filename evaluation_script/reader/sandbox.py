"""What the helper process gives up before it looks at a stranger's file.

Every wall is best effort by platform: Linux has them all, macOS lacks some, and a container may
refuse some. Which of them stand is told, never assumed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from contextlib import contextmanager
from typing import Dict, Iterator

from . import seccomp

NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38

_IS_LINUX = sys.platform.startswith("linux")

#: what can stand between a hijacked helper and the rest of the machine
WALLS: Dict[str, str] = {
    "address_space": "a limit on its memory",
    "descriptors": "no file, socket or pipe can be opened",
    "processes": "no process or thread can be started",
    "user": "it runs as another user than the scorer",
    "seccomp": "only the system calls that reading takes are let through",
    "scorer_hidden": "processes of the scorer's own user cannot look into the scorer",
}


def confine(parent: int, memory_bytes: int, cpu_seconds: int) -> Dict[str, bool]:
    """Drop privileges, die with ``parent``, and set limits for the rest of this process's life.

    What is open stays open and threads that run go on, but no more of either can be had; whatever
    is still to be imported must be so before.

    Parameters
    ----------
    parent : int
        Process id of the scorer.
    memory_bytes : int
        Address space that may be taken beyond what is taken now.
    cpu_seconds : int
        CPU time; the kernel ends the process past it.

    Returns
    -------
    dict of str to bool
        Which of this process's own ``WALLS`` stand.
    """
    user = os.geteuid()
    _leave_root()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    # After the change of user, which clears it.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # not in the worker
    walls = {**_limit(memory_bytes, cpu_seconds), "user": os.geteuid() != user}
    walls["seccomp"] = seccomp.confine()
    # The limit does not bind root, whatever its capabilities.
    walls["processes"] = walls["seccomp"] or (walls["processes"] and os.geteuid() != 0)
    return walls


@contextmanager
def hidden() -> Iterator[None]:
    """Keep processes of the same user from looking into this one (Linux).

    Its memory, descriptors and environment, and tracing it, need ``CAP_SYS_PTRACE`` then.
    """
    was_open = _prctl(_PR_GET_DUMPABLE) == 1
    if was_open:
        _prctl(_PR_SET_DUMPABLE, 0)
    try:
        yield
    finally:
        if was_open:
            _prctl(_PR_SET_DUMPABLE, 1)


def is_hidden() -> bool:
    """Whether processes of the same user cannot look into this one."""
    return _prctl(_PR_GET_DUMPABLE) in (0, 2)  # 2: for root alone


def _leave_root() -> None:
    if os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except (OSError, AttributeError):
        pass  # a container whose root may not change its user


def _prctl(option: int, value: int = 0) -> int:
    """The kernel's answer; -1 where there is none."""
    if not _IS_LINUX:
        return -1
    answer: int = ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
    return answer


def _limit(memory_bytes: int, cpu_seconds: int) -> Dict[str, bool]:
    """Set the limits; which of them stand."""
    # A second between the two limits: at the first the kernel says why, at the second it kills.
    _set_limit(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)
    _set_limit(resource.RLIMIT_CORE, 0, 0)
    # No file can be made longer.
    _set_limit(resource.RLIMIT_FSIZE, 0, 0)
    most_bytes = _address_space() + memory_bytes
    return {
        "address_space": most_bytes > memory_bytes
        and _set_limit(resource.RLIMIT_AS, most_bytes, most_bytes),
        # HDF5 could not follow a link if it tried.
        "descriptors": _set_limit(resource.RLIMIT_NOFILE, 0, 0),
        "processes": _set_limit(resource.RLIMIT_NPROC, 0, 0),
    }


def _set_limit(limit: int, soft: int, hard: int) -> bool:
    """Set a limit, or leave a stricter one that was there before; whether one stands."""
    try:
        before = resource.getrlimit(limit)[1]
        if before != resource.RLIM_INFINITY:
            soft, hard = min(soft, before), min(hard, before)
        resource.setrlimit(limit, (soft, hard))
        return resource.getrlimit(limit)[0] == soft
    except (OSError, ValueError):
        return False


def _address_space() -> int:
    """Bytes of address space that are taken; 0 where the platform does not say, or has no limit."""
    if not _IS_LINUX:
        return 0
    try:
        with open("/proc/self/statm") as stream:  # noqa: PTH123 - pathlib would only add to it
            return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def peak_memory_bytes(process: str = "self") -> int:
    """The most resident memory a process ever had; 0 where the platform does not say.

    Parameters
    ----------
    process : str
        A process id. ``getrusage`` would start from the peak of the process that started this one.
    """
    try:
        with open(f"/proc/{process}/status") as stream:  # noqa: PTH123
            peaks = [line.split()[1] for line in stream if line.startswith("VmHWM:")]
    except OSError:
        peaks = []
    if peaks:
        return int(peaks[0]) * 1024
    if process != "self":
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
