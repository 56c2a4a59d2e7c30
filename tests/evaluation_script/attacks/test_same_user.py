"""A hijacked reader of the scorer's own user: it can neither look at the scorer nor touch it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest

from evaluation_script.reader import process as client
from tests.evaluation_script.attacks.arena import MAZE, Arena
from tests.evaluation_script.attacks.conftest import PRELUDE

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="confinement as Linux does it"
)
REPOSITORY = Path(__file__).parents[3]

#: how the scorer is started so that its reader remains the same user
SAME_USER: Dict[str, List[str]] = {"as we are": []}
if os.geteuid() == 0:
    # It may search folders of root, where this Python may lie, and do nothing else.
    search = "-all,+dac_read_search"
    SAME_USER = {
        "an ordinary user": [
            *("setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"),
            *("--inh-caps", search, "--ambient-caps", search, "--bounding-set", search),
        ],
        "root without capabilities": ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"],
    }

#: prints what the wicked reader of a file has to say, and then what becomes of a scoring
SCORER = """
import contextlib, ctypes, json, os, resource, sys
repository, program, truth, submission, shown = sys.argv[1:]
sys.path.insert(0, repository)
from pathlib import Path
from evaluation_script.errors import EvaluationError
from evaluation_script.reader import process
from evaluation_script.scoring import score
secret = ctypes.create_string_buffer(b"the truth")
os.environ["LANG"] = str(ctypes.addressof(secret))  # so that nobody has to search for it
os.environ["AUTH_TOKEN"] = "hush"
process._PROGRAM = Path(program)
if shown == "shown":
    process._HIDDEN = contextlib.nullcontext()
descriptor = os.open(submission, os.O_RDONLY)
with process.ReaderProcess(descriptor) as reader:
    reader._send({"op": "anything"})
    done = reader._receive()["done"]
    walls = reader.walls
limits = resource.getrlimit(resource.RLIMIT_NPROC)
try:
    answer = sorted(score(truth, submission, "val").groups)
except EvaluationError as error:
    answer = str(error)
print(json.dumps([done, walls, answer, limits == resource.getrlimit(resource.RLIMIT_NPROC)]))
"""

#: each of them looks at, or touches, the scorer
DEEDS = """
import ctypes, fcntl
libc = ctypes.CDLL(None, use_errno=True)
parent, address = os.getppid(), int(os.environ["LANG"])

def call(number, *arguments):
    answer = libc.syscall(number, *[ctypes.c_long(a) for a in arguments])
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer

def read_memory():
    room = ctypes.create_string_buffer(9)
    pieces = [(ctypes.c_size_t * 2)(at, 9) for at in (ctypes.addressof(room), address)]
    found = libc.process_vm_readv(parent, pieces[0], 1, pieces[1], 1, 0)
    assert found == 9 and room.value == b"the truth"

def read_file_of(name, at=0):
    with open(f"/proc/{parent}/{name}", "rb", buffering=0) as stream:
        stream.seek(at)
        assert stream.read(9)

def trace():
    assert libc.ptrace(16, parent, None, None) == 0
    os.waitpid(parent, 0)
    libc.ptrace(17, parent, None, None)

deeds = {
    "read its memory": read_memory,
    "open its memory": lambda: read_file_of("mem", address),
    "read its environment": lambda: read_file_of("environ"),
    "see what it has open": lambda: os.readlink(f"/proc/{parent}/fd/0"),
    "take a descriptor": lambda: call(438, call(434, parent, 0), 2, 0),
    "trace it": trace,
}
more_deeds = {
    "signal it": lambda: os.kill(parent, 0),
    "signal its group": lambda: os.kill(0, 0),
    "lower its limits": lambda: resource.prlimit(parent, resource.RLIMIT_NPROC, (9999, 9999)),
    "have it signalled": lambda: fcntl.fcntl(0, fcntl.F_SETOWN, parent),
    "slow it down": lambda: os.setpriority(os.PRIO_PROCESS, parent, 19),
    "move it": lambda: os.sched_setaffinity(parent, {0}),
    "open a file": lambda: os.open("/dev/null", os.O_RDONLY),
    "look for a file": lambda: os.stat("/"),
    "make a file in memory": lambda: os.memfd_create("x"),
    "make a socket": lambda: socket.socket(),
    "make a ring": lambda: call(425, 1, address),
    "fork": lambda: os.fork() or os._exit(0),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "start a thread": lambda: threading.Thread(target=print).start(),
    "duplicate": lambda: os.dup(0),
}
def successes(deeds):
    done = []
    for name, deed in deeds.items():
        try:
            deed()
            done.append(name)
        except Exception:
            pass
    return done
import resource, socket, threading
"""
BEFORE_IT_IS_CONFINED = f"""
{DEEDS}
done = successes(deeds)
genuine_answer = genuine._answer
genuine._answer = lambda request, submission, buffer: (
    {{"done": done}} if request["op"] == "anything" else genuine_answer(request, submission, buffer)
)
"""
FROM_WITHIN = f"""
{DEEDS}
def answer(request, submission, buffer):
    if request["op"] == "anything":
        return {{"done": successes({{**deeds, **more_deeds}})}}
    return genuine_answer(request, submission, buffer)
genuine._answer = answer
"""
ENDS = """
def answer(request, submission, buffer):
    if request["op"] == "anything":
        return {{"done": []}}
    if request["op"] == "read":
        {}
    return genuine_answer(request, submission, buffer)
genuine._answer = answer
"""


@pytest.fixture(params=SAME_USER)
def run(arena: Arena, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Run a scorer as that user, with a wicked reader; what it prints."""
    tmp_path.chmod(0o755)
    program = tmp_path / "wicked.py"

    def start(body: str, shown: str = "hidden") -> Any:
        main = str(Path(client.__file__).with_name("__main__.py"))
        program.write_text(PRELUDE.format(main=main, body=body))
        paths = [str(path) for path in (REPOSITORY, program, arena.truth, arena.honest)]
        done = subprocess.run(
            [*SAME_USER[request.param], sys.executable, "-c", SCORER, *paths, shown],
            stdout=subprocess.PIPE, check=True, timeout=120, cwd=tmp_path,
        )  # fmt: skip
        return json.loads(done.stdout)

    return start


def test_the_scorer_is_closed_to_its_own_user_while_a_reader_runs(run: Any) -> None:
    done, walls, answer, _ = run(BEFORE_IT_IS_CONFINED, "shown")
    assert "read its environment" in done, "else this test says nothing"
    assert MAZE in answer
    assert not walls["scorer_hidden"]
    done, walls, answer, _ = run(BEFORE_IT_IS_CONFINED)
    assert done == []
    assert MAZE in answer
    assert walls["scorer_hidden"]
    assert not walls["user"]


def test_the_filter_of_system_calls_holds_even_where_the_scorer_is_open(run: Any) -> None:
    done, walls, answer, limits_are_as_before = run(FROM_WITHIN, "shown")
    assert done == []
    assert limits_are_as_before
    assert MAZE in answer
    assert walls["seccomp"]
    assert walls["processes"]


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("os.abort()", "it crashed the HDF5 library at "),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "it crashed the HDF5 library at "),
        ("os.kill(os.getpid(), signal.SIGKILL)", "the reader was killed at "),
        ("os._exit(3)", "the reader ended unexpectedly at "),
    ],
)
def test_an_end_within_the_filter_is_the_same_sentence(run: Any, deed: str, words: str) -> None:
    _, _, answer, _ = run(ENDS.format(deed))
    assert f"the file could not be read: {words}{MAZE}" in answer.replace("dmfc_rsg_20", MAZE)
