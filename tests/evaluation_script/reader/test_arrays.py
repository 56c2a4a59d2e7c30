"""Blocks of an array, however it is stored and wherever they end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Tuple

import h5py
import numpy as np
import pytest

from evaluation_script.reader import arrays
from evaluation_script.reader.arrays import ArrayReader
from evaluation_script.reader.filters import CorruptData
from evaluation_script.submission.plan import _trials_per_read

SHAPE = (23, 7, 5)
STORAGE: Dict[str, Dict[str, Any]] = {
    "contiguous": {},
    "chunks": {"chunks": (4, 3, 2)},
    "gzip": {"chunks": (4, 3, 2), "compression": "gzip"},
    "gzip and shuffle": {"chunks": (9, 7, 5), "compression": "gzip", "shuffle": True},
    "gzip, one chunk": {"chunks": SHAPE, "compression": "gzip"},
    "gzip, big-endian": {"chunks": (6, 7, 2), "compression": "gzip", "dtype": ">f8"},
    "gzip and checksum": {"chunks": (5, 7, 5), "compression": "gzip", "fletcher32": True},
    "lzf": {"chunks": (6, 2, 5), "compression": "lzf"},
}


@pytest.mark.parametrize("step", [1, 4, 5, 9, 23])
@pytest.mark.parametrize("storage", STORAGE)
def test_blocks_are_what_h5py_reads(tmp_path: Path, storage: str, step: int) -> None:
    values = np.random.default_rng(5).random(SHAPE)
    with h5py.File(tmp_path / "array.h5", "w") as file, ThreadPoolExecutor(2) as pool:
        dataset = file.create_dataset("array", data=values, **STORAGE[storage])
        reader = ArrayReader(dataset.id, pool)
        blocks = []
        for start in range(0, SHAPE[0], step):
            block = np.empty((min(step, SHAPE[0] - start), *SHAPE[1:]), reader.dtype)
            reader.read(start, start + len(block), block)
            blocks.append(block)
        np.testing.assert_array_equal(np.concatenate(blocks), dataset[()])


def test_thousands_of_chunks_are_each_the_right_one(tmp_path: Path) -> None:
    values = np.random.default_rng(6).random((60, 20, 10))
    with h5py.File(tmp_path / "array.h5", "w") as file:
        file.create_dataset("array", data=values, chunks=(1, 1, 1), compression="gzip")
    # Through a Python file, as the reader opens it: each access lets other threads run.
    with (
        (tmp_path / "array.h5").open("rb", buffering=0) as raw,
        h5py.File(raw) as file,
        ThreadPoolExecutor(2) as pool,
    ):
        found = np.empty_like(values)
        ArrayReader(file["array"].id, pool).read(0, len(values), found)
    np.testing.assert_array_equal(found, values)


def test_a_row_of_chunks_is_inflated_once_for_all_its_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []
    fetch = ArrayReader._fetch

    def counting(reader: ArrayReader, corner: Any, n_bytes: int) -> Any:
        fetched.append(corner)
        return fetch(reader, corner, n_bytes)

    monkeypatch.setattr(ArrayReader, "_fetch", counting)
    with h5py.File(tmp_path / "array.h5", "w") as file, ThreadPoolExecutor(2) as pool:
        dataset = file.create_dataset(
            "array", data=np.ones(SHAPE), chunks=(10, 4, 5), compression="gzip"
        )
        reader = ArrayReader(dataset.id, pool)
        for start in range(0, SHAPE[0], 4):
            block = np.empty((min(4, SHAPE[0] - start), *SHAPE[1:]), reader.dtype)
            reader.read(start, start + len(block), block)
    assert sorted(fetched) == [(trial, bin_, 0) for trial in (0, 10, 20) for bin_ in (0, 4)]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (None, 60),  # 6 MiB
        ((36, 18, 18), 36),  # whole rows
        ((25, 18, 18), 50),
        ((200, 18, 18), 50),  # equal parts of a row that the reader keeps
        ((300, 140, 187), 160),  # a chunk too large to keep: as many trials as a block may hold
    ],
)
def test_blocks_stay_small_in_step_with_chunks(chunks: Any, expected: int) -> None:
    facts = {"shape": [2000, 140, 187], "dtype": "<f4", "chunks": chunks and list(chunks)}
    assert _trials_per_read([facts]) == expected
    rows_kept = chunks is None or arrays.keeps_rows(facts["shape"], chunks, np.dtype("<f4"))
    assert rows_kept == (expected != 160)


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 0, 0), (0, 0, 0)],  # one twice
        [(0, 0, 1)],  # between two
        [(0, 8, 0)],  # outside
        [(2**63, 0, 0)],
        [(0, bin_, 0) for bin_ in (0, 4)] * 9,  # more than there are
    ],
)
def test_an_index_that_contradicts_the_shape_is_refused(
    tmp_path: Path, corners: List[Tuple[int, int, int]]
) -> None:
    class Index:
        """Says where chunks are."""

        def chunk_iter(self, note: Callable[[Any], Any]) -> None:
            for corner in corners:
                if note(SimpleNamespace(chunk_offset=corner, size=1)):
                    return

    with h5py.File(tmp_path / "array.h5", "w") as file, ThreadPoolExecutor(1) as pool:
        made = file.create_dataset("array", (30, 8, 5), "f8", chunks=(10, 4, 5))
        reader = ArrayReader(made.id, pool)
        reader._dataset = Index()
        with pytest.raises((CorruptData, OverflowError)):
            reader._find_chunks()
