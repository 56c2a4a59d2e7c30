"""A setting of the whole process outlives each of the calls that share it, and none for long."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from evaluation_script import scoring
from evaluation_script.held import Held
from evaluation_script.reader.sandbox import is_hidden
from tests.paths import ROOT


class Setting:
    """A number as processes have them, set to 1 and restored to what it was."""

    def __init__(self) -> None:
        self.value = 8
        self.made = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        before, self.value = self.value, 1
        self.made += 1
        try:
            yield
        finally:
            self.value = before


def test_calls_that_overlap_in_any_order_restore_what_was_before() -> None:
    setting = Setting()
    held = Held(setting)
    entered, may_leave = threading.Event(), threading.Event()

    def outlive() -> None:
        with held:
            entered.set()
            may_leave.wait()
            assert setting.value == 1

    for _ in range(2):
        entered.clear()
        may_leave.clear()
        thread = threading.Thread(target=outlive)
        with held, held:
            thread.start()
            entered.wait()
        assert setting.value == 1, "one call still needs it"
        may_leave.set()
        thread.join()
        assert setting.value == 8
    assert setting.made == 2


def test_a_setting_that_fails_is_tried_again_and_an_error_within_undoes_it() -> None:
    outcomes: List[Any] = [OSError("no"), None]
    setting = Setting()

    @contextmanager
    def fails_once() -> Iterator[None]:
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome
        with setting():
            yield

    held = Held(fails_once)
    with pytest.raises(OSError, match="no"), held:
        pass
    with pytest.raises(ZeroDivisionError), held:
        1 / (setting.value - 1)
    assert setting.value == 8


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12: threads and forks
def test_a_forked_child_waits_for_nobody_and_stays_as_it_is() -> None:
    setting = Setting()
    held = Held(setting)

    def child_finds() -> int:
        child = os.fork()
        if child == 0:
            with held:
                inside = setting.value
            os._exit(inside + 10 * setting.value)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    entered, may_leave = threading.Event(), threading.Event()

    def hold() -> None:
        with held:
            entered.set()
            may_leave.wait()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    entered.wait()
    assert child_finds() == 11
    with held:
        assert child_finds() == 11
    assert setting.value == 1
    may_leave.set()
    thread.join()
    assert setting.value == 8
    assert child_finds() == 81


def blas_threads() -> Dict[str, Set[int]]:
    found: Dict[str, Set[int]] = {}
    for library in threadpool_info():
        found.setdefault(library["user_api"], set()).add(library["num_threads"])
    return found


def test_scoring_at_once_leaves_threads_and_the_process_as_they_were(
    golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, submission = golden / "target_val.h5", golden / "submission_val_b.h5"
    inspect = scoring.inspect
    turn = threading.Barrier(2)

    def together(*arguments: Any) -> Any:
        turn.wait(timeout=60)  # both have begun, so that neither ends before the other begins
        assert blas_threads()["blas"] == {1}
        return inspect(*arguments)

    monkeypatch.setattr(scoring, "inspect", together)
    with ThreadPoolExecutor(1) as own, ThreadPoolExecutor(2) as pool:
        # As long as this thread lives and has a limit, some versions heed nobody else.
        own.submit(threadpool_limits, 2).result()
        own.shutdown()
        before, was_hidden = blas_threads(), is_hidden()
        assert before["blas"] == {2}
        for _ in range(2):
            jobs = [pool.submit(scoring.score, truth, submission, "val") for _ in range(2)]
            assert all(job.result().groups for job in jobs)
            assert blas_threads() == before
            assert is_hidden() == was_hidden


def test_a_score_loads_no_second_blas(golden: Path) -> None:
    """scipy's would come after the limit, and its threads take the core that the reader needs."""
    program = """
import sys
from evaluation_script.scoring import score
groups = score(sys.argv[1], sys.argv[2], "val").groups
print(*sorted({key for group in groups.values() for key in group.scores}), sep=",")
print("scipy" in sys.modules)
"""
    files = [golden / "target_val.h5", golden / "submission_val_c.h5"]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, files)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split("\n")[:2] == ["co-bps,fp-bps,psth R2,vel R2", "False"]
