"""What the helper process is, seen from outside and from inside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import h5py
import psutil
import pytest

from evaluation_script.annotation import Annotation
from evaluation_script.errors import InternalError, LimitError
from evaluation_script.reader.process import ReaderProcess
from evaluation_script.suites import DEFAULT_SUITE
from tests.evaluation_script.attacks.arena import Arena

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="confinement as Linux does it"
)
REPOSITORY = Path(__file__).parents[3]
SECRETS = {"AWS_SECRET_ACCESS_KEY": "hush", "AUTH_TOKEN": "hush", "PYTHONPATH": "/hush"}


@pytest.fixture
def reader(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReaderProcess]:
    """A helper at work beside an open ground truth, in a scorer with credentials."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    descriptor = os.open(arena.honest, os.O_RDONLY)
    with Annotation(arena.truth, "val", DEFAULT_SUITE), ReaderProcess(descriptor) as running:
        yield running
    os.close(descriptor)


def proc(reader: ReaderProcess, name: str) -> Path:
    assert reader._process is not None
    return Path("/proc", str(reader._process.pid), name)


def test_the_reader_runs_as_nobody_without_privileges(reader: ReaderProcess) -> None:
    status = dict(line.split(":\t", 1) for line in proc(reader, "status").read_text().splitlines())
    assert status["NoNewPrivs"].strip() == "1"
    if os.geteuid() == 0:
        assert status["Uid"].split() == ["65534"] * 4
        assert status["Gid"].split() == ["65534"] * 4
        assert status["Groups"].split() == []
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[capabilities], 16) == 0


def test_the_reader_has_no_credentials_in_its_environment(reader: ReaderProcess) -> None:
    if os.geteuid() != 0:
        pytest.skip("the environment of an undumpable process is for root to read")
    environment = proc(reader, "environ").read_bytes()
    assert b"hush" not in environment
    names = {entry.split(b"=")[0].decode() for entry in environment.split(b"\0") if entry}
    assert names <= {
        *("LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE"),
        *("HDF5_PLUGIN_PRELOAD", "HDF5_PLUGIN_PATH", "HDF5_USE_FILE_LOCKING"),
        *("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX"),
    }
    assert b"hush" not in proc(reader, "cmdline").read_bytes()


def test_the_reader_has_nothing_open_but_the_submission(
    arena: Arena, reader: ReaderProcess
) -> None:
    if os.geteuid() != 0:
        pytest.skip("the descriptors of an undumpable process are for root to see")
    targets = {str(entry.readlink()) for entry in proc(reader, "fd").iterdir()}
    files = {name for name in targets if name.startswith("/")} - {os.devnull}
    assert {name for name in files if "memfd:" not in name} == {str(arena.honest)}
    maps = proc(reader, "maps").read_text()
    assert arena.truth.name not in maps


def test_the_readers_limits_are_set_for_good(reader: ReaderProcess) -> None:
    lines = proc(reader, "limits").read_text().splitlines()[1:]
    limits = {line[:26].strip(): line[26:].split()[:2] for line in lines}
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max cpu time"] == ["600", "601"]  # told at the first, killed at the second
    soft, hard = limits["Max address space"]
    assert soft == hard
    assert int(soft) < 2 << 30
    assert limits["Max open files"] == ["0", "0"]
    assert limits["Max processes"] == ["0", "0"]


def test_from_inside_no_file_no_socket_and_no_way_back(
    arena: Arena, wicked_reader: Callable[..., None]
) -> None:
    truth = str(arena.truth)
    wicked_reader(f"""
        import socket
        deeds = {{
            "open the truth": lambda: open({truth!r}, "rb").close(),
            "open a device": lambda: open("/dev/null").close(),
            "open by descriptor": lambda: open("/proc/self/fd/0").close(),
            "duplicate": lambda: os.dup(0),
            "open in a place that is free": lambda: (os.close(2), open("/dev/null").close()),
            "make a socket in it": lambda: socket.socket(),
            "duplicate into it": lambda: os.dup2(0, 2),
            "make a socket": lambda: socket.socket(),
            "make a pipe": lambda: os.pipe(),
            "list a folder": lambda: os.listdir("/"),
            "write the submission": lambda: os.write(settings_of()["submission_fd"], b"x"),
            "cut the submission": lambda: os.ftruncate(settings_of()["submission_fd"], 0),
            "become root": lambda: os.setuid(0) if os.getuid() else 1 / 0,
            "fork": lambda: os.fork() or os._exit(0),
            "start a thread": lambda: __import__("threading").Thread(target=print).start(),
            "lift a limit": lambda: __import__("resource").setrlimit(7, (999, 999)),
            "look at the scorer": lambda: os.listdir(f"/proc/{{os.getppid()}}/fd"),
            "stop the scorer": lambda: os.kill(os.getppid(), 0) if os.getuid() else 1 / 0,
        }}
        def settings_of():
            import json
            return json.loads(sys.argv[1])
        def tried(deed):
            try:
                deed()
            except Exception:
                return False
            return True
        def answer(request, submission, buffer):
            return {{"done": [name for name, deed in deeds.items() if tried(deed)]}}
        genuine._answer = answer
    """)
    descriptor = os.open(arena.honest, os.O_RDONLY)
    try:
        with ReaderProcess(descriptor) as reader:
            reader._send({"op": "anything"})
            assert reader._receive()["done"] == []
    finally:
        os.close(descriptor)


def test_a_scorer_with_few_free_descriptors_still_gets_a_confined_reader(arena: Arena) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    try:
        while len(held) < 150:
            held.append(os.open(os.devnull, os.O_RDONLY))
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 16, hard))
        arena.check_honest()
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 5, hard))
        # What is short is the server; the participant's file is not blamed.
        with contextlib.suppress(LimitError, InternalError):
            arena.check_honest()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in held:
            os.close(descriptor)


PARENT = """
import os, sys, time
sys.path.insert(0, {repository!r})
from evaluation_script.reader.process import ReaderProcess
reader = ReaderProcess(os.open({submission!r}, os.O_RDONLY))
print(reader._process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("when", ["idle", "busy"])
def test_the_reader_dies_with_a_scorer_that_is_killed(arena: Arena, when: str) -> None:
    program = PARENT.format(repository=str(REPOSITORY), submission=str(arena.honest))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        child = psutil.Process(pid)
        if when == "busy":
            child.suspend()  # it cannot notice by itself that its input ended
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if child.status() == psutil.STATUS_ZOMBIE:
                break  # dead; nobody here reaps it
        except psutil.NoSuchProcess:
            break
        time.sleep(0.02)
    else:
        child.kill()
        raise AssertionError("the reader outlives its parent")


def test_a_library_path_and_settings_are_all_the_reader_is_told(reader: ReaderProcess) -> None:
    assert reader._process is not None
    arguments = reader._process.args
    assert isinstance(arguments, list)
    settings: Dict[str, Any] = json.loads(arguments[-1])
    assert set(settings) == {
        *("parent", "submission_fd", "buffer_fd", "buffer_bytes"),
        *("memory_bytes", "cpu_seconds", "library_paths"),
    }
    assert str(Path(h5py.__file__).parents[1]) in settings["library_paths"]
    assert arguments[1] == "-I"
