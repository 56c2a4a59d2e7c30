"""A tiny ground truth, sixty submissions to it, and stores to compare."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

import h5py
import numpy as np
import pytest

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.competition.batch.run import run_batch
from nlb_evalai.competition.batch.sources import collect
from nlb_evalai.competition.batch.task import Outcome, Task, score_task
from nlb_evalai.competition.store import Store
from nlb_evalai.sample.files import write_sample
from tests.nlb_evalai.competition.boards import Evalai

DATASET = "mc_rtt"
#: at length: `make test-phase2`
FULL = bool(os.environ.get("NLB_PHASE2_FULL"))
N_GOOD, N_BAD = (40 if FULL else 12), 20


@dataclass(frozen=True)
class Bench:
    """A truth and a folder of submissions, of which the last ``N_BAD`` are broken."""

    annotations: Path
    folder: Path


@pytest.fixture
def evalai() -> Iterator[Evalai]:
    """EvalAI's public boards."""
    made = Evalai()
    yield made
    made.close()


def serially(tasks: Iterable[Task]) -> Iterator[Outcome]:
    return map(score_task, tasks)


def score_folder(bench: Bench, store: Path) -> None:
    with Store(store, suite=DEFAULT_SUITE.name, write=True) as opened:
        sources = collect([str(bench.folder)], ["test"]).sources
        run_batch(opened, sources, bench.annotations, "test", serially)


def contents(path: Path) -> Dict[str, Any]:
    """Everything in a store but times, memory and the order of rows."""
    with sqlite3.connect(path) as db:
        db.row_factory = sqlite3.Row
        rows = {row["row_id"]: dict(row) for row in db.execute("SELECT * FROM submissions")}
        names = {key: row["name"] for key, row in rows.items()}
        for row in rows.values():
            row.pop("row_id"), row.pop("seconds")
            receipt = json.loads(row["receipt"])
            for key in ("created_at", "seconds", "peak_memory_mib"):
                receipt.pop(key, None)
            for group in receipt.get("groups", {}).values():
                group.pop("seconds")
            row["receipt"] = receipt
        found: Dict[str, Any] = {"submissions": sorted(map(json.dumps, rows.values()))}
        for table in ("scores", "trial_log_likelihood", "current"):
            found[table] = sorted(
                repr({**dict(row), "row_id": names[row["row_id"]]})
                for row in db.execute(f"SELECT * FROM {table}")
            )
        found["trial_spikes"] = sorted(map(tuple, db.execute("SELECT * FROM trial_spikes")))
    db.close()
    return found


@contextmanager
def by_hand(store: Path) -> Iterator[sqlite3.Connection]:
    """Change a store as the scorer would not; without digests it is one of an earlier version."""
    with closing(sqlite3.connect(store)) as db, db:
        yield db
        db.execute("DELETE FROM digests")


@contextmanager
def no_file_beyond(n_bytes: int) -> Iterator[None]:
    """As on a disk without room: no file of this process grows past a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Sixty submissions to one dataset of the sample; one scoring takes about 0.1 s."""
    out = tmp_path_factory.mktemp("bench")
    dataset = next(one for one in DEFAULT_SUITE.datasets if one.name == DATASET)
    paths = write_sample(
        out,
        phases=["test"],
        models=["true", "mean"],
        suite=replace(DEFAULT_SUITE, datasets=(dataset,)),
    )
    true, mean = (_arrays(paths.submissions["test"][name]) for name in ("true", "mean"))
    folder = out / "folder"
    folder.mkdir()
    for i in range(N_GOOD):
        share = i / N_GOOD
        blend = {key: (1 - share) * true[key] + share * mean[key] for key in true}
        _write(folder / f"{100 + i}.h5", blend)
    for i, breaking in enumerate(BROKEN):
        path = folder / f"{200 + i}.h5"
        arrays = breaking(path, dict(true))
        if arrays is not None:
            _write(path, arrays)
    assert len(BROKEN) == N_BAD
    return Bench(paths.annotations["test"], folder)


@pytest.fixture(scope="session")
def undisturbed(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of one calm run over all sixty."""
    store = tmp_path_factory.mktemp("calm") / "results.sqlite"
    score_folder(bench, store)
    return store


Arrays = Dict[str, np.ndarray]


def _arrays(path: Path) -> Arrays:
    with h5py.File(path) as file:
        return {f"{g}/{k}": value[()] for g in file for k, value in file[g].items()}


def _write(path: Path, arrays: Arrays) -> None:
    with h5py.File(path, "w") as file:
        for key, value in arrays.items():
            file[key] = value


_KEY = f"{DATASET}/eval_rates_heldout"


def _raw(content: bytes) -> Callable[[Path, Arrays], None]:
    def write(path: Path, arrays: Arrays) -> None:
        path.write_bytes(content)

    return write


def _put(value: float) -> Callable[[Path, Arrays], Arrays]:
    def change(path: Path, arrays: Arrays) -> Arrays:
        broken = arrays[_KEY].copy()
        broken[1, 2, 0] = value
        return {**arrays, _KEY: broken}

    return change


def _remake(make: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path, Arrays], Arrays]:
    return lambda path, arrays: {**arrays, _KEY: make(arrays[_KEY])}


def _without(*keys: str) -> Callable[[Path, Arrays], Arrays]:
    return lambda path, arrays: {
        key: value for key, value in arrays.items() if not key.endswith(keys)
    }


def _cut(path: Path, arrays: Arrays) -> None:
    _write(path, arrays)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _under(prefix: str) -> Callable[[Path, Arrays], Arrays]:
    return lambda path, arrays: {
        f"{prefix}/{key.split('/')[1]}": value for key, value in arrays.items()
    }


BROKEN: List[Callable[[Path, Arrays], Any]] = [
    _raw(b""),
    _raw(b"\n"),
    _raw(b"not a file of rates"),
    _raw(b"\x89HDF\r\n\x1a\n" + b"\0" * 200),
    _cut,
    _put(np.nan),
    _put(np.inf),
    _put(-1.0),
    _remake(lambda rates: rates[:-1]),
    _remake(lambda rates: rates[:, 1:]),
    _remake(lambda rates: rates[:, :, 1:]),
    _remake(lambda rates: rates[0]),
    _remake(lambda rates: rates[None]),
    _remake(lambda rates: rates.astype("S4")),
    _remake(lambda rates: rates.astype(complex)),
    _remake(lambda rates: np.float64(1)),
    _without("eval_rates_heldout"),
    _without("train_rates_heldin", "train_rates_heldout"),
    _without("eval_rates_heldout_forward"),
    _under("mc_mase"),
]


def of_csv(path: Path, rows: Iterable[Tuple[Any, ...]]) -> Path:
    """Write rows as EvalAI does, every field quoted."""
    import csv

    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows(rows)
    return path
