"""What the helper process gives up before it looks at a stranger's file.

Everything is best effort by platform: Linux has it all, macOS lacks some. What must not fail
(the limits on memory, CPU time, open files, processes, written files and core dumps) is set
wherever the ``resource`` module exists.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38


def confine(parent: int, memory_bytes: int, cpu_seconds: int) -> None:
    """Drop privileges, die with ``parent``, and set limits for the rest of this process's life.

    What is open stays open and threads that run go on, but no more of either can be had.

    Parameters
    ----------
    parent : int
        Process id of the scorer.
    memory_bytes : int
        Address space that may be taken beyond what is taken now.
    cpu_seconds : int
        CPU time; the kernel ends the process past it.
    """
    _leave_root()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    # After the change of user, which clears it.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # not in the worker
    _limit(memory_bytes, cpu_seconds)


def _leave_root() -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except (OSError, AttributeError):
        pass  # a container whose root may not change its user


def _prctl(option: int, value: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _limit(memory_bytes: int, cpu_seconds: int) -> None:
    if resource is None:
        return
    # A second between the two limits: at the first the kernel says why, at the second it kills.
    _set_limit(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)
    limits = {
        resource.RLIMIT_CORE: 0,
        # No file can be made longer, and none opened: HDF5 could not follow a link if it tried.
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 0,
        # No process or thread can be started (by root it can; see ``_leave_root``).
        resource.RLIMIT_NPROC: 0,
    }
    if sys.platform.startswith("linux"):
        limits[resource.RLIMIT_AS] = _address_space() + memory_bytes
    for limit, value in limits.items():
        _set_limit(limit, value, value)


def _set_limit(limit: int, soft: int, hard: int) -> None:
    """Set a limit, or leave a stricter one that was there before."""
    before = resource.getrlimit(limit)[1]
    if before != resource.RLIM_INFINITY:
        soft, hard = min(soft, before), min(hard, before)
    resource.setrlimit(limit, (soft, hard))


def _address_space() -> int:
    with open("/proc/self/statm") as stream:  # noqa: PTH123 - pathlib would only add to it
        return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


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
    if process != "self" or resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
