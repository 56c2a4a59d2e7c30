"""Before the reader is ready no fault is the file's; from then on no fault is the server's."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from evaluation_script import scoring
from evaluation_script.errors import InternalError
from evaluation_script.reader import process as client
from evaluation_script.reader.process import Limits
from evaluation_script.reader.sandbox import WALLS
from tests.evaluation_script.attacks.arena import Arena

Install = Callable[..., None]
SERVER = "the server could not start reading the file; this is no fault of the file"

#: scores where some descriptors are closed, and writes what it found to a file
CLOSED = """
import json, os, sys
repository, truth, honest, found, *closed = sys.argv[1:]
sys.path.insert(0, repository)
from evaluation_script.main import evaluate
results = [evaluate(truth, honest, "val")["result"] for _ in range(2)]
still_closed = []
for number in closed:
    try:
        os.fstat(int(number))
    except OSError:
        still_closed.append(number)
with open(found, "w") as stream:
    json.dump([results, still_closed == closed], stream)
os._exit(0)
"""


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    client._tell_missing.cache_clear()
    caplog.set_level(logging.WARNING)
    yield caplog
    client._tell_missing.cache_clear()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("os.write(2, b'\\x1b[2Jlast words'); os._exit(7)", "(code 7)\n  \\x1b[2Jlast words"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "it ended (code -11)"),
        ("raise MemoryError", "MemoryError"),
        ("print('a greeting of somebody else', flush=True)", "something else than that it is"),
        ("os.write(1, b'\\2\\0\\0\\0{}')", "something else than that it is ready"),
        ("os.write(1, b'\\x0b\\0\\0\\0{\"ready\":1}')", "something else than that it is ready"),
        ("os.write(2, b'x' * 1000000)", "it took too long"),
        ("time.sleep(60)", "it took too long"),
    ],
)
def test_a_reader_that_never_gets_ready_is_the_servers_fault(
    arena: Arena, wicked_reader: Install, log: Any, strict: Any, body: str, words: str
) -> None:
    strict(answer_seconds=3.0)
    wicked_reader(body)
    started = time.monotonic()
    message = arena.refused(arena.new(), SERVER)
    assert time.monotonic() - started < 8
    assert not message.startswith("submission rejected")
    assert words in log.text, "the host is not told"
    assert "library" not in message
    assert "\x1b" not in log.text


def test_a_reader_that_ends_when_it_is_ready_is_the_files_fault(
    arena: Arena, wicked_reader: Install, strict: Any
) -> None:
    def at_the_file(deed: str) -> str:
        return f"""
        def open_it(self, raw, pool):
            {deed}
        load = genuine._load_package
        def load_and_patch():
            load()
            from nlb_reader import h5file
            h5file.H5Submission.__init__ = open_it
        genuine._load_package = load_and_patch
        """

    wicked_reader(at_the_file("os._exit(1)"))
    arena.refused(arena.new(), "the reader ended unexpectedly while opening it")
    wicked_reader(at_the_file("os.abort()"))
    arena.refused(arena.new(), "it crashed the HDF5 library while opening it")
    strict(answer_seconds=3.0)
    wicked_reader(at_the_file("time.sleep(60)"))
    arena.refused(arena.new(), "the reader took too long while opening it")


def test_a_program_that_is_not_there_is_the_servers_fault(
    arena: Arena, monkeypatch: pytest.MonkeyPatch, log: Any, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(client, "_PROGRAM", tmp_path / "missing.py")
        arena.refused(arena.new(), SERVER)
        patch.setattr(client.sys, "executable", str(tmp_path / "no_python"))
        arena.refused(arena.new(), SERVER)
    assert "missing.py" in log.text
    assert "no_python" in log.text


@pytest.mark.parametrize("closed", ["0", "1", "2", "01", "12", "012"])
def test_closed_standard_descriptors_do_not_matter(
    arena: Arena, tmp_path: Path, closed: str
) -> None:
    found = tmp_path / "found.json"
    repository = str(Path(__file__).parents[3])
    paths = [repository, str(arena.truth), str(arena.honest), str(found)]
    closing = " ".join(f"{number}>&-" for number in closed)
    subprocess.run(
        ["sh", "-c", f'exec "$@" {closing}', "sh", sys.executable, "-c", CLOSED, *paths, *closed],
        stdout=subprocess.DEVNULL, check=True, timeout=60,
    )  # fmt: skip
    results, are_closed_again = json.loads(found.read_text())
    assert results == [arena.honest_result] * 2
    assert are_closed_again


def test_scores_stand_where_standard_output_was_closed_meanwhile(
    arena: Arena, tmp_path: Path
) -> None:
    found = tmp_path / "found.json"
    paths = [str(Path(__file__).parents[3]), str(arena.truth), str(arena.honest), str(found)]
    code = "import os; os.close(1)\n" + CLOSED
    subprocess.run([sys.executable, "-c", code, *paths, "1"], check=True, timeout=60)
    results, is_closed_still = json.loads(found.read_text())
    assert results == [arena.honest_result] * 2
    assert is_closed_still


MISSING = {
    "no /proc": (
        """
        import builtins
        genuine_open = builtins.open
        def open_elsewhere(path, *arguments, **more):
            if str(path).startswith("/proc"):
                raise FileNotFoundError(2, "No such file or directory")
            return genuine_open(path, *arguments, **more)
        builtins.open = open_elsewhere
        """,
        {"address_space"},
    ),
    "limits that cannot be set": (
        """
        import resource
        def refuse(*_):
            raise PermissionError(1, "Operation not permitted")
        resource.setrlimit = refuse
        """,
        {"address_space", "descriptors"},
    ),
    "limits that are not kept": (
        """
        import resource
        resource.setrlimit = lambda *_: None
        """,
        {"address_space", "descriptors"},
    ),
    "no filter": (
        """
        load = genuine._load_package
        def load_and_patch():
            load()
            from nlb_reader import seccomp
            seccomp._MACHINES = {}
        genuine._load_package = load_and_patch
        """,
        {"seccomp"},
    ),
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="walls as Linux has them")
@pytest.mark.parametrize(("body", "missing"), MISSING.values(), ids=MISSING)
def test_an_honest_file_is_scored_without_a_wall_and_the_host_is_told(
    arena: Arena, wicked_reader: Install, log: Any, body: str, missing: Any
) -> None:
    whole = scoring.score(arena.truth, arena.honest, "val")
    wicked_reader(body)
    card = scoring.score(arena.truth, arena.honest, "val")
    scores = [{name: g.scores for name, g in c.groups.items()} for c in (whole, card)]
    assert scores[0] == scores[1]
    before, walls = (c.receipt["reader"]["walls"] for c in (whole, card))
    assert before.keys() == walls.keys() == WALLS.keys()
    assert {name for name in WALLS if before[name] and not walls[name]} == missing
    told = [record.getMessage() for record in log.records if "walls" in record.getMessage()]
    assert all(f"{name} (" in told[-1] for name in missing)


def test_a_limit_on_starting_is_kept(arena: Arena, strict: Any) -> None:
    strict(total_seconds=0.0)
    with pytest.raises(InternalError):
        scoring.score(arena.truth, arena.honest, "val")
    assert Limits().total_seconds > 0
