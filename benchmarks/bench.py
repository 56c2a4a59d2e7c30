"""Time and memory of scoring a full submission, side by side with the reference and a plain read.

    python benchmarks/bench.py [--repeats N] [--quick]

Simulated data are made once, under .cache/bench. Each measurement is a fresh process, and the
contestants take turns, so that whatever else the machine does hits all alike. Memory is the
proportional set size of the whole process tree, sampled every 20 ms in a run of its own: looking
at the memory of a large process slows it down.
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
from typing import Any, Dict, List, Optional, Tuple

import psutil

from evaluation_script.suite import NLB21, Suite

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
from evaluation_script.suite import NLB21
card = score(annotation, submission, "test")
scores = {}
for name, group in card.groups.items():
    dataset, _ = NLB21.groups()[name]
    split = NLB21.split(dataset.board, group.bin_width_ms)
    for key, score in group.scores.items():
        scores[f"{split}/{dataset.label_prefix}{key}"] = score.value
"""
NO_ERROR_BARS = """
from evaluation_script import metrics
for name in ("BitsPerSpike", "VelocityDecoding", "PsthMatch", "SpeedTpCorrelation"):
    setattr(getattr(metrics, name), "standard_error", lambda self: None)
"""
CONTESTANTS = {
    "reference": REFERENCE,
    "project": PROJECT,
    "project without error bars": NO_ERROR_BARS + PROJECT,
    "plain h5py read": PLAIN_READ,
}
_FRAME = """
import json, sys, time
annotation, submission = sys.argv[1:3]
started = time.perf_counter()
{body}
print(json.dumps({{"seconds": time.perf_counter() - started, "scores": scores}}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="no curve, no single core")
    options = parser.parse_args()
    print(machine(), "\n")
    annotation, submission = data("full", NLB21)
    side_by_side(annotation, submission, options.repeats)
    if not options.quick:
        print("\nOn one core (taskset -c 0):")
        names = ["reference", "project", "plain h5py read"]
        side_by_side(annotation, submission, max(1, options.repeats // 2), names, one_core=True)
        curve(options.repeats)


def machine() -> str:
    """What this was measured on."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.processor(),
    )  # fmt: skip
    import h5py
    import numpy

    return (
        f"{len(os.sched_getaffinity(0))} cores of {model}, Python {platform.python_version()}, "
        f"numpy {numpy.__version__}, h5py {h5py.__version__}"
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
    body: str, annotation: Path, submission: Path, one_core: bool = False, memory: bool = False
) -> Tuple[float, float, Dict[str, float]]:
    """Seconds, peak PSS in MiB (only if asked for), and scores of one fresh process."""
    command = [sys.executable, "-c", _FRAME.format(body=body), str(annotation), str(submission)]
    if one_core:
        command = ["taskset", "-c", "0", *command]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    peak = PeakMemory(process.pid) if memory else None
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a benchmark process failed:\n{output}")
    answer = json.loads(output.splitlines()[-1])
    return answer["seconds"], peak.stop() if peak else 0.0, answer["scores"]


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
    names: Optional[List[str]] = None,
    one_core: bool = False,
) -> None:
    """Run the contestants in turn and print their medians."""
    names = names or list(CONTESTANTS)
    runs: Dict[str, List[Any]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            runs[name].append(run(CONTESTANTS[name], annotation, submission, one_core))
    peaks = {
        name: run(CONTESTANTS[name], annotation, submission, one_core, memory=True)[1]
        for name in names
    }
    seconds = {name: statistics.median(r[0] for r in runs[name]) for name in names}
    print(f"{'':28}{'seconds':>9}{'x reference':>13}{'x plain read':>14}{'peak PSS MiB':>14}"
          f"{'worst difference':>18}")  # fmt: skip
    expected = runs["reference"][0][2]
    for name in names:
        worst = ""
        if name.startswith("project"):
            found = runs[name][0][2]
            assert set(found) == set(expected), set(found) ^ set(expected)
            worst = f"{max(abs(found[key] - expected[key]) for key in expected):.1e}"
        print(
            f"{name:28}{seconds[name]:9.2f}{seconds['reference'] / seconds[name]:13.1f}"
            f"{seconds[name] / seconds['plain h5py read']:14.2f}{peaks[name]:14.0f}{worst:>18}"
        )


def curve(repeats: int) -> None:
    """Seconds and memory over the number of training trials of mc_maze."""
    print("\nmc_maze alone, over the number of training trials:")
    print(f"{'':28}{'trials':>9}{'seconds':>13}{'x plain read':>14}{'peak PSS MiB':>14}")
    maze = NLB21.datasets[0]
    for factor in (0.25, 0.5, 1.0, 2.0):
        sizes = {phase: round(n * factor) for phase, n in maze.n_train.items()}
        suite = replace(NLB21, datasets=(replace(maze, n_train=sizes),))
        paths = data(f"maze-{factor}", suite)
        ours, plain = [], []
        for _ in range(repeats):
            ours.append(run(PROJECT, *paths))
            plain.append(run(PLAIN_READ, *paths))
        seconds = statistics.median(r[0] for r in ours)
        ratio = seconds / statistics.median(r[0] for r in plain)
        peak = run(PROJECT, *paths, memory=True)[1]
        label = f"x {factor:g}"
        print(f"{label:28}{sizes['test']:9}{seconds:13.2f}{ratio:14.2f}{peak:14.0f}")


if __name__ == "__main__":
    main()
