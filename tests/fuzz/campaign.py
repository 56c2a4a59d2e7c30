"""Runs a range of mutants and counts what became of them."""

from __future__ import annotations

import json
import queue
import re
import select
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

from tests.evaluation_script.attacks import arena
from tests.fuzz import worker
from tests.fuzz.mutate import mutant

#: later than this an answer is late, whatever it says; tiny files take a fraction of a second
LATE_SECONDS = 60.0
_FORBIDDEN = re.compile(r"/proc|/tmp|\.h5\b|\.py\b|Errno|Traceback|Unable to")


class Served:
    """A worker process that is asked line by line, and started again when it dies."""

    def __init__(self, kind: str, truth: Path) -> None:
        self._command = [sys.executable, str(Path(worker.__file__)), kind, str(truth)]
        self._process: Optional[subprocess.Popen] = None

    def ask(self, path: Path, seconds: float) -> Optional[Dict[str, Any]]:
        """Its answer; ``died`` or ``late`` where there is none."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, bufsize=0,
            )  # fmt: skip
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{path}\n".encode())
        if not select.select([process.stdout], [], [], seconds)[0]:
            self.close()
            return {"late": True}
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            self.close()
            return {"died": code}
        answer: Dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


@dataclass
class Tally:
    """What became of the mutants. ``failures`` names each that broke a promise."""

    counts: Counter = field(default_factory=Counter)
    failures: List[str] = field(default_factory=list)
    slowest_seconds: float = 0.0

    def note(
        self,
        seed: int,
        done: str,
        answer: Dict[str, Any],
        reference: Dict[str, Any],
        seconds: float,
    ) -> None:
        self.counts["mutants"] += 1
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        kind = next(iter(answer))
        self.counts[kind if kind != "refused" else f"refused: {answer[kind]}"] += 1
        if kind not in ("scores", "refused"):
            self.failures.append(f"seed {seed} ({done}): {answer}")
        elif kind == "refused" and _FORBIDDEN.search(answer["message"]):
            self.failures.append(f"seed {seed} ({done}): says too much: {answer['message']}")
        elif kind == "scores" and "failed" in reference:
            self.failures.append(f"seed {seed} ({done}): the reference fails: {reference}")
        elif kind == "scores":
            wrong = worker.differences(answer["scores"], reference.get("scores", {}))
            self.counts["equal to the reference"] += not wrong
            if wrong:
                self.failures.append(f"seed {seed} ({done}): {'; '.join(wrong)}")


def prepare(folder: Path) -> Tuple[Path, List[Path]]:
    """A ground truth, and submissions for it in several storages."""
    truth = folder / "truth.h5"
    arena.write_truth(truth)
    storages: Dict[str, Dict[str, Any]] = {
        "gzip": {"compression": "gzip"},
        "chunks": {"chunks": (3, 7, 2), "compression": "gzip", "shuffle": True},
        "contiguous": {"track_times": False},
        "lzf": {"compression": "lzf", "fletcher32": True},
        "single": {"chunks": (1, 7, 3), "compression": "gzip"},
    }
    bases = []
    for name, storage in storages.items():
        bases.append(folder / f"{name}.h5")
        arena.write_submission(bases[-1], (arena.MAZE, arena.RSG), **storage)
        bases.append(folder / f"{name}_latest.h5")
        arena.write_submission(bases[-1], (arena.MAZE,), libver="latest", **storage)
    for odd in (_partial_unfiltered, _never_filled):
        bases.append(folder / f"{odd.__name__}.h5")
        with h5py.File(bases[-1], "w", libver="latest") as file:
            for name, shape in arena.shapes(arena.MAZE).items():
                create = h5p.create(h5p.DATASET_CREATE)
                create.set_chunk((3, 7, 2))
                create.set_deflate(4)
                rows = odd(create, shape[0])
                group, space = file.require_group(arena.MAZE).id, h5s.create_simple(shape)
                h5d.create(group, name.encode(), h5t.IEEE_F32LE, space, create)
                file[arena.MAZE][name][:rows] = arena.rates(arena.MAZE, name)[:rows]
    return truth, bases


def _partial_unfiltered(create: h5p.PropDCID, trials: int) -> int:
    arena.leave_partial_chunks_unfiltered(create)
    return trials


def _never_filled(create: h5p.PropDCID, trials: int) -> int:
    """Half of the trials are written; the fill value that there is never counts."""
    create.set_fill_value(np.array(0.3, "f4"))
    create.set_fill_time(h5d.FILL_TIME_NEVER)
    return trials // 2


def run(seeds: Iterable[int], folder: Path, workers: int = 2, progress: bool = False) -> Tally:
    """Make the mutants of these seeds, score each, and hold each score against the reference."""
    truth, bases = prepare(folder)
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for seed in seeds:
        waiting.put(seed)
    tally, lock = Tally(), threading.Lock()

    def work(number: int) -> None:
        target = folder / f"mutant{number}.h5"
        ours, reference = Served("ours", truth), Served("reference", truth)
        while True:
            try:
                seed = waiting.get_nowait()
            except queue.Empty:
                break
            with lock:  # the HDF5 library of this process writes one file at a time
                done = mutant(seed, bases, truth, target)
            started = time.monotonic()
            answer = ours.ask(target, LATE_SECONDS) or {}
            seconds = time.monotonic() - started
            theirs: Dict[str, Any] = {}
            if "scores" in answer:
                theirs = reference.ask(target, 2 * worker.REFERENCE_SECONDS) or {}
                theirs = theirs if "scores" in theirs else {"failed": str(theirs)}
            with lock:
                tally.note(seed, done, answer, theirs, seconds)
                if progress and tally.counts["mutants"] % 100 == 0:
                    print(f"{tally.counts['mutants']} mutants", flush=True)
        ours.close()
        reference.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def summary(tally: Tally, seconds: float) -> Sequence[str]:
    """The tally in lines."""
    lines = [f"{count:6d}  {what}" for what, count in sorted(tally.counts.items())]
    lines.append(f"{tally.slowest_seconds:6.2f}  seconds for the slowest answer")
    lines.append(f"{seconds:6.0f}  seconds in all")
    lines += [f"FAILURE: {line}" for line in tally.failures]
    return lines
