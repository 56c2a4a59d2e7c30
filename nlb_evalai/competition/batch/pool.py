"""Tasks on this machine: a pool of processes that survives the death of any of them."""

from __future__ import annotations

import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Callable, Dict, Generator, Iterable, Iterator, List, Optional

from nlb_evalai.competition.batch.task import FAILED, Outcome, Task, score_task

#: tasks handed out per worker: one at work, one waiting
_AHEAD = 2


def run_pool(
    tasks: Iterable[Task], workers: int, work: Callable[[Task], Outcome] = score_task
) -> Iterator[Outcome]:
    """Outcomes as they come, from ``workers`` processes.

    A process that dies takes the pool with it; whatever was handed out is then done again, one
    task at a time, so that the one that kills its process is found, and becomes a failure.
    """
    source = iter(tasks)
    while True:
        suspects = yield from _until_broken(source, workers, work)
        if suspects is None:
            return
        yield from _one_by_one(suspects, work)


def _until_broken(
    source: Iterator[Task], workers: int, work: Callable[[Task], Outcome]
) -> Generator[Outcome, None, Optional[List[Task]]]:
    """Yield outcomes; return what was handed out when the pool broke, or None at the end."""
    handed: Dict[Future[Outcome], Task] = {}
    broken: List[Task] = []
    executor = _executor(workers)
    try:
        while not broken:
            for task in itertools.islice(source, workers * _AHEAD - len(handed)):
                try:
                    handed[executor.submit(work, task)] = task
                except BrokenProcessPool:
                    broken.append(task)
            if not handed and not broken:
                return None
            done, _ = wait(list(handed), return_when=FIRST_COMPLETED)
            for future in done:
                task = handed.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    broken.append(task)
        return broken + list(handed.values())
    finally:
        _end(executor)


def _one_by_one(tasks: List[Task], work: Callable[[Task], Outcome]) -> Iterator[Outcome]:
    executor = _executor(1)
    try:
        for task in tasks:
            try:
                outcome = executor.submit(work, task).result()
            except BrokenProcessPool:
                outcome = crashed(task)
                _end(executor)
                executor = _executor(1)
            yield outcome
    finally:
        _end(executor)


def crashed(task: Task) -> Outcome:
    """The failure of a task whose process ended more than once."""
    return Outcome(
        task.source,
        FAILED,
        kind="crash",
        error="the process that scored it ended without an answer, twice; out of memory?",
    )


def _executor(workers: int) -> ProcessPoolExecutor:
    # spawn: a fork would copy this process's threads' locks
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_settle)


def _settle() -> None:
    """In a worker: leave Ctrl-C to the parent, and never outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def watch() -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="nlb-parent", daemon=True).start()


def _end(executor: ProcessPoolExecutor) -> None:
    """Stop now: what is half done will be done again."""
    processes = list((getattr(executor, "_processes", None) or {}).values())
    executor.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
