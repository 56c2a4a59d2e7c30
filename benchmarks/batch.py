"""Throughput of batch scoring with one worker and with two, each pinned to a core of its own.

    python benchmarks/batch.py [--submissions N] [--rounds N]

The submissions are copies of the embedded sample's, all datasets at both bin widths. The
contestants take turns, so that whatever else the machine does hits all alike. The clock runs
from the first outcome to the last: starting processes is not counted.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.competition.batch.pool import run_pool
from nlb_evalai.competition.batch.task import SCORED, Outcome, Source, Task, score_task
from nlb_evalai.sample.files import write_sample

TARGET = 1.8


def pinned(task: Task) -> Outcome:
    """Score on this worker's own core; the reader process inherits it."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) > 1:
        number = multiprocessing.current_process()._identity[0]
        os.sched_setaffinity(0, {allowed[number % len(allowed)]})
    return score_task(task)


def per_second(tasks: list[Task], workers: int) -> float:
    """Submissions a second, between the first outcome and the last."""
    stamps = []
    for outcome in run_pool(tasks, workers, pinned):
        assert outcome.status == SCORED, outcome.error
        stamps.append(time.perf_counter())
    return (len(stamps) - workers) / (stamps[-1] - stamps[workers - 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_sample(folder, DEFAULT_SUITE, phases=["test"], models=["smoothing"])
        source = paths.submissions["test"]["smoothing"]
        tasks = []
        for i in range(arguments.submissions):
            copy = Path(folder) / f"{i}.h5"
            shutil.copyfile(source, copy)
            truth = str(paths.annotations["test"])
            tasks.append(Task(Source(str(i), str(copy)), truth, "test"))
        ratios = []
        for number in range(arguments.rounds):
            one, two = per_second(tasks, 1), per_second(tasks, 2)
            ratios.append(two / one)
            load = os.getloadavg()[0]
            print(
                f"round {number + 1}: 1 worker {one:.2f}/s, 2 workers {two:.2f}/s, "
                f"ratio {two / one:.2f} (load {load:.1f})"
            )
    median = statistics.median(ratios)
    verdict = "reached" if median >= TARGET else "missed"
    print(f"median ratio {median:.2f}: target {TARGET} {verdict}")


if __name__ == "__main__":
    main()
