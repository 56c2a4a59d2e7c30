"""Scorer and reader together stay under 400 MiB of proportional set size, whatever the file."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import h5py
import numpy as np
import pytest

from evaluation_script.submission import structure
from evaluation_script.suites import DEFAULT_SUITE
from tests.evaluation_script.attacks.arena import BINS, EVAL, MAZE, TRAIN, Arena, shapes

LIMIT_MIB = 400
#: what the truth of a full dataset and its eval rates take, which the small truths here do not
FULL_SIZE_MIB = 150
BIG, TALL = "mc_maze_small", "mc_maze_medium"

#: evaluates files in a process of its own, and prints the highest PSS of it and its children
WATCHED = """
import json, sys, threading
import psutil
repository, truth, *paths = sys.argv[1:]
sys.path.insert(0, repository)
from evaluation_script.errors import EvaluationError
from evaluation_script.scoring import score

def total():
    found = 0
    for process in (me, *me.children(recursive=True)):
        try:
            found += process.memory_full_info().pss
        except psutil.Error:
            pass
    return found

def watch():
    while not done.wait(0.01):
        highest.append(total())

me, done, answers = psutil.Process(), threading.Event(), []
for path in paths:
    highest = [total()]
    done.clear()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        said = "scored " + str(sorted(score(truth, path, "val").groups))
    except EvaluationError as error:
        said = str(error)
    done.set()
    watcher.join()
    answers.append([said, max(highest) >> 20, len(highest)])
print(json.dumps(answers))
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PSS is Linux's")


def watched(truth: Path, cases: Dict[str, Path]) -> Dict[str, Tuple[str, int, int]]:
    """What was said of each file, the highest PSS in MiB, and how often it was looked at."""
    repository = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, repository, str(truth), *map(str, cases.values())],
        stdout=subprocess.PIPE, check=True, timeout=300,
    )  # fmt: skip
    return dict(zip(cases, json.loads(done.stdout)))


def incompressible(n_bytes: int) -> bytes:
    return np.random.default_rng(0).integers(1, 100, n_bytes, np.uint8).tobytes()


def one_chunk(
    name: str, chunk: bytes, shape: Tuple[int, ...], **options: Any
) -> Callable[[h5py.File], None]:
    """Store each array as one chunk of that shape, far larger than the array."""

    def change(file: h5py.File) -> None:
        for array, extent in shapes(MAZE).items():
            if name in array:
                del file[MAZE][array]
                made = file[MAZE].create_dataset(
                    array, extent, "f4", chunks=shape, maxshape=(None,) * 3, **options
                )
                made.id.write_direct_chunk((0, 0, 0), chunk)

    return change


def test_small_hostile_files_take_little_memory(arena: Arena) -> None:
    most = (32, 512, 512)  # 32 MiB, the most that a chunk may hold
    n_bytes = int(np.prod(most)) * 4
    stored = zlib.compress(incompressible(n_bytes), 0)
    squeezed = zlib.compress(bytes(n_bytes), 1)
    too_long = zlib.compress(bytes(n_bytes + 1), 1)
    gzip = {"compression": "gzip"}
    cases = {
        "largest chunks": arena.new(one_chunk("eval", squeezed, most, **gzip)),
        "largest chunks, shuffled": arena.new(
            one_chunk("heldout", squeezed, most, shuffle=True, **gzip)
        ),
        "largest chunks, incompressible": arena.new(
            one_chunk("eval_rates_heldout", stored, most, shuffle=True, **gzip)
        ),
        "largest chunks, checksummed": arena.new(
            one_chunk("eval_rates_heldout", squeezed + bytes(4), most, fletcher32=True, **gzip)
        ),
        "larger than the largest": arena.new(one_chunk("eval", too_long, most, **gzip)),
        "bomb for the library": arena.new(
            one_chunk("eval", zlib.compress(bytes(1 << 28), 1), (8, 35, 3), fletcher32=True, **gzip)
        ),
    }
    found = watched(arena.truth, cases)
    for name, (said, mib, looks) in found.items():
        assert 30 < mib < LIMIT_MIB, (name, said, mib)
        assert looks > 5, (name, looks)
    assert found["largest chunks"][0].startswith("scored")


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Tuple[Path, Callable[..., Path]]:
    """A truth large enough to fill every buffer, and a maker of submissions for it."""
    folder = tmp_path_factory.mktemp("big")
    truth, trials, bins, heldin, heldout = folder / "truth.h5", 160, 140, 137, 45
    n_train = {BIG: trials, TALL: 1200}
    rng = np.random.default_rng(1)
    with h5py.File(truth, "w") as file:
        for name, train in n_train.items():
            group = file.create_group(name)
            group["eval_spikes_heldout"] = rng.poisson(0.1, (trials, bins, heldout)).astype("f4")
            for side, count in (("heldin", heldin), ("heldout", heldout)):
                spikes = rng.poisson(0.1, (trials, 40, count)).astype("f4")
                group[f"eval_spikes_{side}_forward"] = spikes
            group["train_behavior"] = rng.normal(size=(train, bins, 2))
            group["eval_behavior"] = rng.normal(size=(trials, bins, 2))

    def make(group: str = BIG, dtype: str = "f8", **options: Any) -> Path:
        path = folder / f"{len(list(folder.iterdir()))}.h5"
        with h5py.File(path, "w") as file:
            for name in shapes(MAZE):
                count = heldin if "heldin" in name else heldout
                rows = n_train[group] if name.startswith("train") else trials
                extent = (rows, 40 if name.endswith("forward") else bins, count)
                file.create_dataset(
                    f"{group}/{name}", extent, dtype, fillvalue=0.1 if dtype[0] == "f" else 1,
                    **{k: v(extent) for k, v in options.items()},
                )  # fmt: skip
        return path

    return truth, make


def test_files_that_fill_every_buffer_stay_under_the_limit(
    big: Tuple[Path, Callable[..., Path]],
) -> None:
    truth, make = big
    cases = {
        "tall chunks": make(chunks=lambda extent: (extent[0], 1, extent[2])),
        "a million chunks": make(chunks=lambda extent: (3, 1, 1)),
        "all at once": make(chunks=lambda extent: (120, *extent[1:])),
        # A byte becomes eight where metrics compute.
        "tall chunks of bytes": make(TALL, "u1", chunks=lambda extent: extent),
        "tall chunks of halves": make(TALL, "f2", chunks=lambda extent: (extent[0] // 2, 40, 9)),
    }
    # Reads as tall as may be, of the largest chunks, which do not compress.
    with h5py.File(cases["all at once"], "r+") as file:
        extent = file[BIG]["eval_rates_heldin"].shape
        del file[BIG]["eval_rates_heldin"]
        made = file[BIG].create_dataset(
            "eval_rates_heldin", extent, "f8", chunks=(156, 192, 140), maxshape=(None,) * 3,
            compression="gzip", shuffle=True,
        )  # fmt: skip
        rates = np.random.default_rng(0).random(int(np.prod(made.chunks))) + 0.1
        chunk = zlib.compress(rates.view(np.uint8).reshape(-1, 8).T.tobytes(), 0)
        made.id.write_direct_chunk((0, 0, 0), chunk)
    most = LIMIT_MIB - FULL_SIZE_MIB
    found = watched(truth, cases)
    for name, (said, mib, _) in found.items():
        assert said == f"scored ['{TALL if 'tall chunks of' in name else BIG}']", name
        assert 60 < mib < most, (name, mib)


def test_neurons_that_the_truth_does_not_count_take_bounded_memory(tmp_path: Path) -> None:
    """A decoder's moments grow with their square: 4096 of them took 1553 MiB once."""
    group, heldout, trials, bins = "mc_maze_small_20", 7, 40, 35
    truth = tmp_path / "truth.h5"
    rng = np.random.default_rng(2)
    with h5py.File(truth, "w") as file:
        file[f"{group}/eval_spikes_heldout"] = rng.poisson(0.3, (trials, bins, heldout)).astype(
            "f4"
        )
        for part in ("train", "eval"):
            file[f"{group}/{part}_behavior"] = rng.normal(size=(trials, bins, 2))

    def make(heldin: int) -> Path:
        path = tmp_path / f"{heldin}.h5"
        with h5py.File(path, "w") as file:
            for part in ("train", "eval"):
                for side, count in (("heldin", heldin), ("heldout", heldout)):
                    name = f"{group}/{part}_rates_{side}"
                    file.create_dataset(name, (trials, bins, count), "f8", fillvalue=0.1)
            file[f"{group}/train_rates_heldin"][...] = rng.random((trials, bins, heldin))
        return path

    cases = {str(heldin): make(heldin) for heldin in (structure._MAX_NEURONS, 4096)}
    found = watched(truth, cases)
    said, mib, _ = found[str(structure._MAX_NEURONS)]
    assert said == f"scored ['{group}']"
    assert 200 < mib < 640 - FULL_SIZE_MIB
    said, mib, _ = found["4096"]
    assert f"{group}: 4096 held-in neurons, expected 1 to" in said


def test_the_fixtures_are_of_this_suite() -> None:
    assert {MAZE, BIG, TALL} <= set(DEFAULT_SUITE.groups())
    assert (TRAIN, EVAL, BINS[MAZE]) == (12, 8, 35)
