"""System calls that the helper process may still make: to read on, and to end.

A filter of the Linux kernel (seccomp, in BPF) refuses all others with EPERM, in every thread, and
for good. It lets through what reads and writes open descriptors, what manages this process's own
memory and threads, clocks, and signals to this process itself.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from typing import Dict, List, NamedTuple, Tuple


class _Machine(NamedTuple):
    """What a processor's kernel calls things."""

    audit_arch: int
    seccomp: int
    #: a signal to a process, and to one of its threads
    kill: Tuple[int, int]
    allowed: Tuple[int, ...]


_MACHINES: Dict[str, _Machine] = {
    "x86_64": _Machine(
        0xC000003E,
        317,
        (62, 234),
        (
            *(0, 1, 3, 8, 17, 19, 20),  # read, write, close, lseek, pread64, readv, writev
            *(9, 10, 11, 12, 25, 28),  # mmap, mprotect, munmap, brk, mremap, madvise
            *(13, 14, 15, 131),  # rt_sigaction, rt_sigprocmask, rt_sigreturn, sigaltstack
            *(24, 202, 204, 219),  # sched_yield, futex, sched_getaffinity, restart_syscall
            *(23, 270),  # select, pselect6: Python 3.9 sleeps by them
            *(35, 96, 228, 229, 230),  # nanosleep, gettimeofday, clock_{gettime,getres,nanosleep}
            *(39, 110, 186),  # getpid, getppid, gettid
            *(102, 104, 107, 108),  # getuid, getgid, geteuid, getegid
            *(98, 318, 60, 231),  # getrusage, getrandom, exit, exit_group
        ),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        277,
        (129, 131),
        (
            *(63, 64, 57, 62, 67, 65, 66),
            *(222, 226, 215, 214, 216, 233),
            *(134, 135, 139, 132),
            *(124, 98, 123, 128),
            *(72,),
            *(101, 169, 113, 114, 115),
            *(172, 173, 178),
            *(174, 176, 175, 177),
            *(165, 278, 93, 94),
        ),
    ),
}  # fmt: skip

_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
#: where the kernel's ``struct seccomp_data`` holds them; the argument's lower half
_NUMBER_AT, _ARCH_AT, _ARGUMENT_AT = 0, 4, 16


def _program(machine: _Machine, process: int) -> bytes:
    """The filter: instructions of (code, jump if true, jump if false, value)."""
    known = [*machine.allowed, *machine.kill]
    n_known = len(known)
    lines: List[Tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_IF_EQUAL, 0, n_known + 1, machine.audit_arch),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    for index, number in enumerate(known):
        to_refuse = n_known - index - 1
        # Two instructions past the refusal a signal's target is looked at, or all is allowed.
        lines.append((_IF_EQUAL, to_refuse + (1 if number in machine.kill else 3), 0, number))
    lines += [
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _ARGUMENT_AT),
        (_IF_EQUAL, 0, 1, process),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


class _SockFprog(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def confine() -> bool:
    """Refuse all other system calls in all threads of this process, for good.

    Wants ``no_new_privs``. Whatever is still to be imported or opened must be so before.

    Returns
    -------
    bool
        Whether the filter stands; False where the system has none, or none is known for it.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None or not sys.platform.startswith("linux"):
        return False
    if sys.byteorder != "little" or struct.calcsize("P") != 8:
        return False
    program = _program(machine, os.getpid())
    held = ctypes.create_string_buffer(program, len(program))
    prog = _SockFprog(len(program) // 8, ctypes.addressof(held))
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    # The id of a thread that could not follow would be above 0.
    found: int = call(
        ctypes.c_long(machine.seccomp),
        ctypes.c_ulong(_SET_MODE_FILTER),
        ctypes.c_ulong(_FLAG_TSYNC),
        ctypes.byref(prog),
    )
    return found == 0
