"""A tiny ground truth, an honest submission, and what must hold of every refusal."""

from __future__ import annotations

import ctypes
import os
import re
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

import h5py
import numpy as np

from evaluation_script import main, scoring
from evaluation_script.errors import EvaluationError

MAZE, RSG = "mc_maze_small_20", "dmfc_rsg_20"
TRAIN, EVAL, FORWARD = 12, 8, 10
BINS = {MAZE: 35, RSG: 75}
HELDIN, HELDOUT = 4, 3

#: what no message may hold: paths, foreign exceptions, names of tools and of the truth's arrays
_FORBIDDEN = re.compile(
    r"/proc|/tmp|/home|/root|\.h5\b|\.py\b|Errno|Error|Exception|Traceback|h5py|numpy|Unable to|"
    r"spikes_heldout|behavior|psth|cond_idx|0x[0-9a-f]"
)


def shapes(group: str) -> Dict[str, Tuple[int, int, int]]:
    """What a submission's group must hold."""
    parts = {"train": (TRAIN, BINS[group]), "eval": (EVAL, BINS[group])}
    found = {
        f"{part}_rates_{side}": (*head, count)
        for part, head in parts.items()
        for side, count in (("heldin", HELDIN), ("heldout", HELDOUT))
    }
    found["eval_rates_heldin_forward"] = (EVAL, FORWARD, HELDIN)
    found["eval_rates_heldout_forward"] = (EVAL, FORWARD, HELDOUT)
    return found


def write_truth(path: Path, tells_heldin: bool = True) -> None:
    """Ground truth of both datasets; contiguous, as raw storage could point into it."""
    rng = np.random.default_rng(7)
    with h5py.File(path, "w") as file:
        for name in (MAZE, RSG):
            group, bins = file.create_group(name), BINS[name]
            group["eval_spikes_heldout"] = rng.poisson(0.3, (EVAL, bins, HELDOUT)).astype("f4")
            if tells_heldin:
                for side, count in (("heldin", HELDIN), ("heldout", HELDOUT)):
                    counts = rng.poisson(0.3, (EVAL, FORWARD, count)).astype("f4")
                    group[f"eval_spikes_{side}_forward"] = counts
            if name == MAZE:
                group["train_behavior"] = rng.normal(size=(TRAIN, bins, 2))
                group["eval_behavior"] = rng.normal(size=(EVAL, bins, 2))
            else:
                timing = np.zeros((EVAL, 5))
                timing[:, 0] = np.arange(EVAL) % 2
                timing[:, 3:] = rng.normal(700, 50, (EVAL, 2))
                group["train_behavior"] = timing
                group["eval_behavior"] = timing
                group["eval_spikes_heldout"][1, 60:] = np.nan
            if tells_heldin:
                group["psth"] = rng.random((2, bins, HELDIN + HELDOUT))
                lists = group.create_dataset("eval_cond_idx", 2, dtype=h5py.vlen_dtype("i4"))
                lists[0], lists[1] = np.arange(0, EVAL, 2), np.arange(1, EVAL, 2)


def rates(group: str, name: str, seed: int = 0) -> np.ndarray:
    """Rates (trials, bins, neurons) that score."""
    rng = np.random.default_rng([seed, len(group), len(name)])
    return rng.uniform(0.05, 0.6, shapes(group)[name]).astype("f4")


def write_submission(
    path: Path, groups: Sequence[str] = (MAZE, RSG), libver: str = "earliest", **storage: Any
) -> None:
    """A submission as the reference's ``save_to_h5`` writes it, or in another storage."""
    with h5py.File(path, "w", libver=libver) as file:
        for group in groups:
            for name in shapes(group):
                options = storage or {"compression": "gzip"}
                file.create_dataset(f"{group}/{name}", data=rates(group, name), **options)


def leave_partial_chunks_unfiltered(create: h5py.h5p.PropDCID) -> None:
    """H5Pset_chunk_opts(H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS), which h5py does not offer."""
    call = ctypes.CDLL(h5py.h5p.__file__).H5Pset_chunk_opts
    assert call(ctypes.c_int64(create.id), ctypes.c_uint(2)) >= 0


class Arena:
    """A folder with a truth and an honest submission, and the scorer under attack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.truth = folder / "truth.h5"
        self.loose_truth = folder / "truth_without_heldin.h5"
        self.honest = folder / "honest.h5"
        write_truth(self.truth)
        write_truth(self.loose_truth, tells_heldin=False)
        write_submission(self.honest)
        self.honest_result = self.score(self.honest)["result"]
        self._count = 0

    def new(self, change: Optional[Callable[[h5py.File], Any]] = None, **storage: Any) -> Path:
        """A fresh copy of an honest submission (of the maze alone), changed by ``change``."""
        self._count += 1
        path = self.folder / f"case{self._count}.h5"
        write_submission(path, (MAZE,), **storage)
        if change is not None:
            with h5py.File(path, "r+") as file:
                change(file)
        return path

    def swap(self, make: Callable[..., Any], name: str = "eval_rates_heldout") -> Path:
        """A submission, one array of which ``make(group, name)`` wrote anew."""

        def change(file: h5py.File) -> None:
            del file[MAZE][name]
            make(file[MAZE], name)

        return self.new(change)

    def score(self, path: Path, truth: Optional[Path] = None) -> Dict[str, Any]:
        """The answer of ``evaluate``, in the phase that gives full precision."""
        return main.evaluate(str(truth or self.truth), str(path), "val")

    def notes(self, path: Path, truth: Optional[Path] = None) -> str:
        """What a participant is told beside the scores."""
        return "\n".join(scoring.score(truth or self.truth, path, "val").notes)

    def check_honest(self) -> None:
        """An honest submission still gets the scores it always got."""
        assert self.score(self.honest)["result"] == self.honest_result

    def refused(self, path: Path, *words: str, truth: Optional[Path] = None) -> str:
        """The message of a refusal, which must be ours, hold ``words`` and give nothing away."""
        try:
            answer = self.score(path, truth)
        except EvaluationError as error:
            message, shown = str(error), traceback.format_exc()
        else:
            raise AssertionError(f"scored, expected {words}: {answer['result']}")
        for word in words:
            assert word in message, f"expected {word!r} in {message!r}"
        leak = _FORBIDDEN.search(message)
        assert leak is None, f"{leak!r} in {message!r}"
        assert str(self.folder) not in message
        assert all(line.isprintable() for line in message.split("\n"))
        frames = [line for line in shown.splitlines() if line.lstrip().startswith("File ")]
        ours = [line for line in frames if "evaluation_script" + os.sep in line]
        ours = [line for line in ours if os.sep + "attacks" + os.sep not in line]
        assert len(ours) == 1, shown
        assert ours[0].endswith("in evaluate"), shown
        assert shown.count("Traceback") == 1, "a chain of exceptions shows"
        return message

    def refused_all(self, cases: Mapping[Path, Sequence[str]]) -> Dict[Path, str]:
        """:meth:`refused` for several files, two at a time."""
        with ThreadPoolExecutor(2) as pool:
            waiting = {path: pool.submit(self.refused, path, *cases[path]) for path in cases}
            return {path: found.result() for path, found in waiting.items()}
