"""Time and memory of scoring a full submission, side by side with the reference and a plain read.

    python benchmarks/bench.py [--repeats N] [--quick] [--before CHECKOUT]

Simulated data are made once, under .cache/bench. Each measurement is a fresh process, and the
contestants take turns, so that whatever else the machine does hits all alike. Memory is the
proportional set size of the whole process tree, sampled every 20 ms in a run of its own: looking
at the memory of a large process slows it down. CPU is that of the process itself and, behind the
plus sign, of the helper that reads the file for it; both without the start of Python.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

import h5py
import numpy as np
import psutil

from evaluation_script.suites import DEFAULT_SUITE, Suite

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "bench"
#: arrays that a full test submission holds but no metric needs are read by nobody
PLAIN_READ = """
import h5py
with h5py.File(submission) as file:
    for group in file:
        for name in file[group]:
            if not (group.startswith("dmfc") and name.startswith("train")):
                file[group][name][()]
scores = {}
"""
REFERENCE = """
from nlb_tools.evaluation import evaluate
scores = {f"{split}/{label}": value for entry in evaluate(annotation, submission)
          for split, row in entry.items() for label, value in row.items()}
"""
PROJECT = """
from evaluation_script.main import score
from evaluation_script.suites import DEFAULT_SUITE
card = score(annotation, submission, "test")
scores = {}
for name, group in card.groups.items():
    dataset, _ = DEFAULT_SUITE.groups()[name]
    split = DEFAULT_SUITE.split(dataset.board, group.bin_width_ms)
    for key, score in group.scores.items():
        scores[f"{split}/{dataset.label_prefix}{key}"] = score.value
"""
NO_ERROR_BARS = """
from evaluation_script import metrics
for name in metrics.__all__:
    if name[0].isupper() and name != "Metric":
        setattr(getattr(metrics, name), "standard_error", lambda self: None)
"""
CONTESTANTS = {
    "reference": REFERENCE,
    "project": PROJECT,
    "project without error bars": NO_ERROR_BARS + PROJECT,
    "plain h5py read": PLAIN_READ,
}
_FRAME = """
import json, resource, sys, time
annotation, submission = sys.argv[1:3]
started = time.perf_counter()
{body}
seconds = time.perf_counter() - started
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu = [one.ru_utime + one.ru_stime for one in used]
print(json.dumps([seconds, *cpu, scores]))
"""
#: how else a submission may be stored: number type, and options of h5py's create_dataset
LAYOUTS: Dict[str, Tuple[str, Dict[str, Any]]] = {
    "gzip": ("f4", {"compression": "gzip"}),
    "gzip with shuffle": ("f4", {"compression": "gzip", "shuffle": True}),
    "lzf": ("f4", {"compression": "lzf"}),
    "contiguous": ("f4", {}),
    "contiguous float64": ("f8", {}),
}


class Run(NamedTuple):
    """One fresh process: seconds of wall and CPU, MiB of memory (0 if not asked for), scores."""

    seconds: float
    cpu: float
    helper_cpu: float
    peak: float
    scores: Dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="no curve, no layouts, no single core")
    parser.add_argument("--before", type=Path, help="a checkout of an earlier version, to compare")
    options = parser.parse_args()
    print(machine(), "\n")
    annotation, submission = data("full", DEFAULT_SUITE)
    contestants = {name: (body, ROOT) for name, body in CONTESTANTS.items()}
    if options.before:
        contestants["project before"] = (PROJECT, options.before.resolve())
    side_by_side(annotation, submission, options.repeats, contestants)
    if not options.quick:
        print("\nOn one core (taskset -c 0), where the reference takes minutes:")
        del contestants["reference"], contestants["project without error bars"]
        before_first = dict(sorted(contestants.items(), reverse=True))
        side_by_side(annotation, submission, options.repeats, before_first, one_core=True)
        layouts(annotation, submission, options.repeats)
        curve(options.repeats)


def machine() -> str:
    """What this was measured on."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.processor(),
    )  # fmt: skip
    return (
        f"{len(os.sched_getaffinity(0))} cores of {model}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, h5py {h5py.__version__}"
    )


def data(name: str, suite: Suite) -> Tuple[Path, Path]:
    """Ground truth and a submission of the test phase, made once."""
    folder = CACHE / name
    done = folder / "done"
    if not done.exists():
        from nlb_evalai.sample.files import write_sample

        print(f"simulating {name} data ...", file=sys.stderr)
        write_sample(folder, scale="full", phases=["test"], models=["smoothing"], suite=suite)
        done.touch()
    return folder / "annotations" / "test.h5", folder / "submissions" / "test" / "smoothing.h5"


def run(
    body: str,
    annotation: Path,
    submission: Path,
    one_core: bool = False,
    memory: bool = False,
    checkout: Path = ROOT,
) -> Run:
    """Measure one fresh process, which imports from a checkout."""
    files = [str(annotation.resolve()), str(submission.resolve())]
    command = [sys.executable, "-c", _FRAME.format(body=body), *files]
    if one_core:
        command = ["taskset", "-c", "0", *command]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=checkout, text=True)
    peak = PeakMemory(process.pid) if memory else None
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a benchmark process failed:\n{output}")
    seconds, cpu, helper_cpu, scores = json.loads(output.splitlines()[-1])
    return Run(seconds, cpu, helper_cpu, peak.stop() if peak else 0.0, scores)


class PeakMemory:
    """Samples the proportional set size of a process and its children."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._peak = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def _sample(self) -> None:
        while not self._stopped.is_set():
            total = 0
            try:
                tree = [self._process, *self._process.children(recursive=True)]
            except psutil.Error:
                return
            for process in tree:
                total += _pss(process.pid)
            self._peak = max(self._peak, total)
            time.sleep(0.02)

    def stop(self) -> float:
        """The peak, in MiB."""
        self._stopped.set()
        self._thread.join()
        return self._peak / 1024


def _pss(pid: int) -> int:
    """Proportional set size in KiB; 0 for a process that has gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def side_by_side(
    annotation: Path,
    submission: Path,
    repeats: int,
    contestants: Dict[str, Tuple[str, Path]],
    one_core: bool = False,
) -> None:
    """Run the contestants (code, checkout) in turn; print their medians beside the first's."""

    def one(name: str, memory: bool = False) -> Run:
        body, checkout = contestants[name]
        return run(body, annotation, submission, one_core, memory, checkout)

    runs: Dict[str, List[Run]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name in contestants:
            runs[name].append(one(name))
    first = next(iter(contestants))
    expected = runs[first][0].scores
    plain = median(runs["plain h5py read"], "seconds")
    slowest = median(runs[first], "seconds")
    print(f"{'':28}{'seconds':>9}{'x ' + first:>17}{'x plain read':>14}{'CPU':>14}"
          f"{'peak PSS MiB':>14}{'worst difference':>18}")  # fmt: skip
    for name, found in runs.items():
        worst = ""
        if name.startswith("project"):
            scores = found[0].scores
            assert set(scores) == set(expected), set(scores) ^ set(expected)
            worst = f"{max(abs(scores[key] - expected[key]) for key in expected):.1e}"
        seconds = median(found, "seconds")
        peak = one(name, memory=True).peak
        print(f"{name:28}{seconds:9.2f}{slowest / seconds:17.2f}{seconds / plain:14.2f}"
              f"{cpu_of(found):>14}{peak:14.0f}{worst:>18}", flush=True)  # fmt: skip


def median(runs: List[Run], field: str) -> float:
    """Of one figure over some runs."""
    return statistics.median(getattr(one, field) for one in runs)


def cpu_of(runs: List[Run]) -> str:
    """Seconds of CPU of the process and of its helper."""
    helper = median(runs, "helper_cpu")
    return f"{median(runs, 'cpu'):.2f}" + (f" + {helper:.2f}" if helper else "")


def layouts(annotation: Path, submission: Path, repeats: int) -> None:
    """The same rates, stored in other ways: this project beside a plain read."""
    print("\nStored in other ways (seconds on one core, then on all):")
    print(f"{'':28}{'project':>9}{'CPU':>14}{'plain read':>12}{'project':>13}{'plain read':>12}")
    for name, (number, options) in LAYOUTS.items():
        path = submission.with_name(f"{name}.h5")
        if not path.exists():
            part = path.with_suffix(".part")
            with h5py.File(submission) as source, h5py.File(part, "w") as copy:
                for group in source:
                    for array, values in source[group].items():
                        copy.create_dataset(
                            f"{group}/{array}", data=values[()].astype(number), **options
                        )
            part.replace(path)
        found: Dict[Tuple[str, bool], List[Run]] = {}
        for _ in range(repeats):
            for one_core in (True, False):
                for body in (PROJECT, PLAIN_READ):
                    took = run(body, annotation, path, one_core)
                    found.setdefault((body, one_core), []).append(took)
        cells = {key: median(runs, "seconds") for key, runs in found.items()}
        print(f"{name:28}{cells[PROJECT, True]:9.2f}{cpu_of(found[PROJECT, True]):>14}"
              f"{cells[PLAIN_READ, True]:12.2f}{cells[PROJECT, False]:13.2f}"
              f"{cells[PLAIN_READ, False]:12.2f}", flush=True)  # fmt: skip


def curve(repeats: int) -> None:
    """Seconds and memory over the number of training trials of mc_maze."""
    print("\nmc_maze alone, over the number of training trials:")
    print(f"{'':28}{'trials':>9}{'seconds':>13}{'x plain read':>14}{'peak PSS MiB':>14}")
    maze = DEFAULT_SUITE.datasets[0]
    for factor in (0.25, 0.5, 1.0, 2.0):
        sizes = {phase: round(n * factor) for phase, n in maze.published.n_train.items()}
        suite = replace(
            DEFAULT_SUITE,
            datasets=(replace(maze, published=replace(maze.published, n_train=sizes)),),
        )
        paths = data(f"maze-{factor}", suite)
        ours, plain = [], []
        for _ in range(repeats):
            ours.append(run(PROJECT, *paths))
            plain.append(run(PLAIN_READ, *paths))
        seconds = median(ours, "seconds")
        ratio = seconds / median(plain, "seconds")
        peak = statistics.median(run(PROJECT, *paths, memory=True).peak for _ in range(repeats))
        label = f"x {factor:g}"
        print(f"{label:28}{sizes['test']:9}{seconds:13.2f}{ratio:14.2f}{peak:14.0f}")


if __name__ == "__main__":
    main()
