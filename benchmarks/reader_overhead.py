"""What the helper process costs an honest small submission: with it and without it, side by side.

``python benchmarks/reader_overhead.py [--runs N]``. Without it, the same code reads the same file
inside the scorer's own process; all else is equal.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterator, List, Mapping, Optional, Sequence

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from evaluation_script import scoring
from evaluation_script.reader.buffer import Read
from evaluation_script.reader.h5file import H5Submission
from evaluation_script.reader.process import Limits, ReaderProcess
from tests.evaluation_script.attacks import arena


class InProcessReader:
    """``ReaderProcess`` without the process: nothing confined, nothing survived."""

    peak_bytes = 0
    walls: ClassVar[Dict[str, bool]] = {}

    def __init__(self, descriptor: int, limits: Optional[Limits] = None) -> None:
        raw = open(os.dup(descriptor), "rb", buffering=0)  # noqa: SIM115, PTH123 - closed below
        self._submission = H5Submission(raw, ThreadPoolExecutor(2))

    def __enter__(self) -> InProcessReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._submission.close()

    def describe(self, wanted: Mapping[str, Sequence[str]]) -> Dict[str, Any]:
        return self._submission.describe(wanted)

    def blocks(self, reads: Sequence[Read]) -> Iterator[List[np.ndarray]]:
        for read in reads:
            arrays = []
            for part in read:
                values = np.empty((part.stop - part.start, *part.shape), part.dtype)
                self._submission.read(
                    part.path, part.start, part.stop, memoryview(values).cast("B")
                )
                arrays.append(values)
            yield arrays


def seconds(truth: Path, submission: Path, reader: Any) -> float:
    """Wall time of one scoring with that reader."""
    scoring.ReaderProcess = reader  # type: ignore[misc]
    started = time.perf_counter()
    scoring.score(truth, submission, "val")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        truth, submission = Path(folder, "truth.h5"), Path(folder, "submission.h5")
        arena.write_truth(truth)
        arena.write_submission(submission)
        taken: Dict[str, List[float]] = {"with": [], "without": []}
        for reader in (ReaderProcess, InProcessReader):
            seconds(truth, submission, reader)  # imports and caches
        for _ in range(runs):  # in turns, so that both meet the same machine
            taken["with"].append(seconds(truth, submission, ReaderProcess))
            taken["without"].append(seconds(truth, submission, InProcessReader))
    print(f"{submission.name}: two datasets of 8 trials, {runs} runs each")
    for name, values in taken.items():
        print(f"{name:>8} the helper: median {statistics.median(values):.3f} s, "
              f"slowest {max(values):.3f} s")  # fmt: skip
    cost = statistics.median(a - b for a, b in zip(taken["with"], taken["without"]))
    print(f"the helper costs {cost:.3f} s (median of differences); promised: under 1 s")


if __name__ == "__main__":
    main()
