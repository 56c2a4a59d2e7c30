"""Many submissions, several workers, and everything that may go wrong."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import psutil

from tests.nlb_evalai.remote.conftest import until
from tests.nlb_evalai.remote.standin import Trouble

#: The full run is ``make test-remote``; fewer submissions show the same in less time.
FULL = os.environ.get("NLB_REMOTE_FULL") == "1"
N_SUBMISSIONS = 200 if FULL else 30
#: for memory: a first look, and one after many more
FEW, MANY = (10, 100) if FULL else (5, 15)

TROUBLE = Trouble(
    error=0.10, lost_request=0.03, lost_answer=0.03, slow=0.02, duplicate=0.15, cut_file=0.05
)


def test_nothing_is_lost_among_errors_duplicates_and_killed_workers(standin, start, tiny):
    server = standin(visibility_seconds=2.0, trouble=TROUBLE, seed=11)
    chosen = random.Random(5)
    names = [*tiny.files, "broken", "cancelled"]
    wanted = {}
    for i in range(N_SUBMISSIONS):
        name = names[i % len(names)] if i < len(names) else chosen.choice([*names, "mean"])
        copies = 2 if chosen.random() < 0.1 else 1
        pk = server.submit(tiny.files.get(name, b"broken"), copies=copies)
        if name == "cancelled":
            server.cancel(pk)
        wanted[pk] = name

    began = time.monotonic()
    workers = [start(server, "--lease", "4") for _ in range(3)]
    killed = []
    for share in (0.25, 0.6):
        until(lambda share=share: _settled(server) >= share, 240, f"{share:.0%}")
        victim = workers.pop(0)
        _kill_while_scoring(server, victim)
        killed.append(victim)
        workers.append(start(server, "--lease", "4"))
    until(server.settled, 240, "the end")

    assert server.violations == []
    assert server.queue == []
    for pk, name in wanted.items():
        status = {"broken": "failed", "cancelled": "cancelled"}.get(name, "finished")
        assert server.statuses()[pk] == status, (pk, name)
        if status == "finished":
            assert server.scores(pk) == tiny.scores[name]
        else:
            assert len(server.submissions[pk].updates) == (status == "failed")
    assert all(worker.stop() == 0 for worker in workers)
    assert set(TROUBLE.__dict__) == set(server.injected)  # all of it happened
    assert [victim.process.returncode for victim in killed] == [-signal.SIGKILL] * 2
    print(f"{N_SUBMISSIONS} submissions in {time.monotonic() - began:.0f} s: {server.injected}")


def _settled(server) -> float:
    final = [s for s in server.statuses().values() if s in ("finished", "failed", "cancelled")]
    return len(final) / len(server.submissions)


def _kill_while_scoring(server, worker) -> None:
    """SIGKILL between the begin of a submission and its end."""
    worker.process.poll()

    def busy() -> bool:
        last = [line["event"] for line in worker.log if "submission" in line]
        return bool(last) and last[-1] in ("scoring", "fetched")

    until(busy, 60, "a worker with something in hand")
    worker.stop(signal.SIGKILL)


def test_sigterm_lets_a_scoring_finish_within_the_grace_time(standin, start, tiny):
    server = standin()
    pk = server.submit(tiny.files["true"])
    worker = start(server, "--grace", "20")
    until(lambda: bool(worker.events("fetched")), 30, "scoring")
    assert worker.stop(seconds=20) == 0
    assert server.statuses() == {pk: "finished"}
    assert server.queue == []


def test_sigterm_hands_back_what_takes_longer_and_another_worker_completes_it(standin, start, tiny):
    server = standin(visibility_seconds=5)
    pk = server.submit(tiny.files["true"])
    worker = start(server, "--grace", "4")
    until(lambda: _suspend_scoring(worker), 30, "scoring")
    assert worker.stop(seconds=5) == 0
    assert worker.events("handed back")
    assert server.statuses() == {pk: "running"}
    assert len(server.queue) == 1
    other = start(server)
    until(server.settled, 30, "completion elsewhere")
    assert server.scores(pk) == tiny.scores["true"]
    other.stop()


def _suspend_scoring(worker) -> bool:
    """Make a scoring not get on, if there is one."""
    found = False
    for helper in psutil.Process(worker.process.pid).children():
        for scoring in helper.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                scoring.suspend()
                found = True
    return found


def test_a_workers_memory_does_not_grow(standin, start, tiny):
    server = standin()
    for i in range(MANY):
        server.submit(tiny.files["mean"] if i % 5 == 0 else b"broken")
    worker = start(server)
    process = psutil.Process(worker.process.pid)
    until(lambda: _settled(server) >= FEW / MANY, 60, f"{FEW} submissions")
    before = _memory(process)
    until(server.settled, 180, f"{MANY} submissions")
    after = _memory(process)
    worker.stop()
    print(f"MB after {FEW}: {before / 1e6:.1f}, after {MANY}: {after / 1e6:.1f}")
    assert abs(after - before) <= 0.1 * before


def _memory(process: psutil.Process) -> int:
    """Of the worker and the processes that it keeps; those that score come and go."""
    return sum(kept.memory_info().rss for kept in [process, *process.children()])
