"""Wherever the scorer is run from, and whatever it is given instead of a file."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from evaluation_script import main, scoring
from evaluation_script.errors import LimitError
from evaluation_script.reader import process as client
from tests.evaluation_script.attacks.arena import MAZE, Arena

PACKAGE = Path(main.__file__).parent


LIKE_THE_WORKER = """
import importlib, json, os, sys
class Odd:  # as EvalAI's: no fileno, no encoding
    def write(self, text): return len(text)
    def flush(self): pass
folder, truth, honest, hostile = sys.argv[1:]
sys.path.append(folder)
genuine, sys.stdout, sys.stderr = sys.stdout, Odd(), Odd()
module = importlib.import_module("challenge_data.challenge_1")
results = []
for path in (honest, hostile, honest):
    try:
        results.append(module.evaluate(truth, path, "val", submission_metadata={})["result"])
    except Exception as error:
        results.append(str(error))
sys.stdout = genuine
print(json.dumps(results))
"""


IN_A_POOL = """
import json, multiprocessing, sys
repository, truth, honest = sys.argv[1:]
sys.path.insert(0, repository)
from evaluation_script.scoring import score
def work(_):
    assert multiprocessing.current_process().daemon
    return score(truth, honest, "val").groups["mc_maze_small_20"].scores["co-bps"].value
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(json.dumps(pool.map(work, range(4), chunksize=1)))
"""


def test_it_works_as_evalai_loads_it(arena: Arena, tmp_path: Path) -> None:
    folder = tmp_path / "challenge_data"
    shutil.copytree(PACKAGE, folder / "challenge_1", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "__init__.py").touch()
    hostile = arena.new(lambda file: file.clear())
    paths = [str(path) for path in (tmp_path, arena.truth, arena.honest, hostile)]
    done = subprocess.run(
        [sys.executable, "-c", LIKE_THE_WORKER, *paths],
        cwd=tmp_path, stdout=subprocess.PIPE, check=True, timeout=60,
    )  # fmt: skip
    first, second, third = json.loads(done.stdout)
    assert first == third == arena.honest_result
    assert "nothing to score" in second


def test_it_works_inside_daemonic_pool_workers_two_at_once(arena: Arena) -> None:
    arguments = [str(PACKAGE.parent), str(arena.truth), str(arena.honest)]
    done = subprocess.run(
        [sys.executable, "-c", IN_A_POOL, *arguments],
        stdout=subprocess.PIPE, check=True, timeout=60,
    )  # fmt: skip
    card = scoring.score(arena.truth, arena.honest, "val")
    assert json.loads(done.stdout) == [card.groups[MAZE].scores["co-bps"].value] * 4


def test_threads_score_at_once_without_disturbing_each_other(arena: Arena) -> None:
    broken = arena.new(lambda file: file.clear())
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(arena.score, arena.honest) for _ in range(4)]
        refusals = [pool.submit(arena.refused, broken, "nothing to score") for _ in range(3)]
        assert all(job.result()["result"] == arena.honest_result for job in jobs)
        for refusal in refusals:
            refusal.result()


def test_the_reader_survives_the_end_of_other_threads(arena: Arena) -> None:
    """It dies with the thread that started it: which is the one that waits for it."""
    found = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: found.append(arena.score(arena.honest)))
        thread.start()
        thread.join()
    assert [answer["result"] for answer in found] == [arena.honest_result] * 2


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "socket"])
def test_what_is_no_file_is_refused_at_once(arena: Arena, tmp_path: Path, kind: str) -> None:
    path, words = tmp_path / kind, "found a pipe or a device, expected an HDF5 file"
    if kind == "folder":
        path.mkdir()
        words = "found a folder, expected an HDF5 file"
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        words = "could not open the submitted file"
        with socket.socket(socket.AF_UNIX) as server, tempfile.TemporaryDirectory() as short:
            path = Path(short, "s")
            server.bind(str(path))
            arena.refused(path, words)
            return
    started = time.monotonic()
    arena.refused(path, words)
    assert time.monotonic() - started < 5


def test_a_file_that_is_missing_or_unreadable_is_the_servers_matter(
    arena: Arena, tmp_path: Path
) -> None:
    arena.refused(tmp_path / "missing.h5", "the server could not open the submitted file")
    loop = tmp_path / "loop.h5"
    loop.symlink_to(loop)
    arena.refused(loop, "the server could not open the submitted file")
    if os.geteuid() != 0:
        path = arena.new()
        path.chmod(0)
        arena.refused(path, "the server could not open the submitted file")


def test_an_unprivileged_reader_reads_files_that_only_the_scorer_may_open(arena: Arena) -> None:
    path = arena.new()
    path.chmod(0o600)
    assert arena.score(path)["result"] == arena.score(arena.new())["result"]


def no_memory_file(*_: Any) -> int:
    raise OSError(errno.ENOSYS, "no memfd")


def test_without_memory_files_a_temporary_one_serves(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "memfd_create", no_memory_file, raising=False)
    arena.check_honest()
    monkeypatch.undo()


def test_a_full_disk_is_the_servers_matter(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "memfd_create", no_memory_file, raising=False)
    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    arena.refused(arena.new(), "the server is short of memory, disk space or processes")
    monkeypatch.undo()
    monkeypatch.setattr(os, "memfd_create", no_memory_file, raising=False)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    arena.refused(arena.new(), "the server is short of memory, disk space or processes")
    monkeypatch.undo()


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="mounts")
def test_a_really_full_disk_breaks_nothing(
    arena: Arena, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)],
        check=False, capture_output=True,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("not allowed to mount")
    try:
        monkeypatch.setattr(os, "memfd_create", no_memory_file)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        arena.refused(arena.new(), "the server is short of memory, disk space or processes")
        monkeypatch.undo()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_server_that_can_start_no_process_blames_itself(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: Any, **__: Any) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(client.subprocess, "Popen", exhausted)
    with pytest.raises(LimitError):
        scoring.score(arena.truth, arena.honest, "val")
    arena.refused(arena.new(), "the server is short of memory, disk space or processes")
    monkeypatch.undo()


def test_an_error_in_the_midst_of_scoring_leaves_nothing_behind(
    arena: Arena, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("secret detail of the truth")

    monkeypatch.setattr(scoring.DatasetScorer, "update", fail)
    message = arena.refused(arena.new(), "scoring failed by a fault of the server")
    assert "secret" not in message
    assert "secret" in caplog.text  # where the host looks
    caplog.clear()  # it holds on to the frames
    monkeypatch.undo()


def test_many_submissions_leave_nothing_behind(arena: Arena) -> None:
    """The descriptors and processes of all of them are counted after the test."""
    broken = arena.new(lambda file: file.clear())
    for _ in range(4):
        arena.refused(broken, "nothing to score")
        arena.refused(arena.truth, "is missing")
        arena.check_honest()
