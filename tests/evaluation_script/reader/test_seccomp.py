"""The filter of system calls, for each processor it knows, run by hand."""

from __future__ import annotations

import struct

import pytest

from evaluation_script.reader import seccomp

ALLOW, EPERM = 0x7FFF0000, 0x00050001
PROCESS = 4711


def verdict(program: bytes, number: int, arch: int, argument: int = 0) -> int:
    """What the kernel would answer to a call."""
    data = struct.pack("<IIQQ", number, arch, 0, argument)
    lines = list(struct.iter_unpack("=HBBI", program))
    at, loaded = 0, 0
    while True:
        code, if_true, if_false, value = lines[at]
        if code == 0x20:
            (loaded,) = struct.unpack_from("<I", data, value)
        elif code == 0x15:
            at += if_true if loaded == value else if_false
        else:
            assert code == 0x06
            return int(value)
        at += 1


@pytest.mark.parametrize("name", seccomp._MACHINES)
def test_what_reading_takes_is_let_through_and_all_else_refused(name: str) -> None:
    machine = seccomp._MACHINES[name]
    program, arch = seccomp._program(machine, PROCESS), machine.audit_arch
    for number in range(1024):
        expected = ALLOW if number in machine.allowed else EPERM
        assert verdict(program, number, arch) == expected, number
        # Another architecture's calls, and x32's, have other numbers.
        assert verdict(program, number, 0x40000003) == EPERM
        assert verdict(program, number | 0x40000000, arch) == EPERM
    for number in machine.kill:
        assert verdict(program, number, arch, PROCESS) == ALLOW
        for other in (0, 1, PROCESS + 1, 0xFFFFFFFF):
            assert verdict(program, number, arch, other) == EPERM


def test_both_processors_may_do_the_same() -> None:
    # x86-64 has a second way to wait.
    x86, arm = (len(seccomp._MACHINES[name].allowed) for name in ("x86_64", "aarch64"))
    assert x86 == arm + 1
    for machine in seccomp._MACHINES.values():
        assert len(set(machine.allowed)) == len(machine.allowed)
        assert machine.seccomp not in machine.allowed
