"""Files that are broken, cut, scribbled over, or not what they are called."""

from __future__ import annotations

import os
import re
import threading
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any, Callable

import h5py
import numpy as np
import pytest

from evaluation_script import scoring
from evaluation_script.errors import EvaluationError
from tests.evaluation_script.attacks.arena import MAZE, Arena, rates, shapes, write_submission

ARRAY = "eval_rates_heldout"
SHAPE = shapes(MAZE)[ARRAY]
CHUNKS = (4, 35, 3)


def test_what_is_no_hdf5_file_is_refused(arena: Arena, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.write(arena.honest, "submission.h5")
    contents = {
        "empty": b"",
        "text": b"rates,0.1,0.2\n" * 100,
        "pickle": b"\x80\x04\x95cposix\nsystem\n(S'true'\ntR.",
        "signature": b"\x89HDF\r\n\x1a\n",
        "signature and zeros": b"\x89HDF\r\n\x1a\n" + bytes(4096),
        "zip": archive.read_bytes(),
    }
    cases = {}
    for name, data in contents.items():
        path = tmp_path / name
        path.write_bytes(data)
        cases[path] = ("the file is not an HDF5 file, or is damaged or cut short",)
    arena.refused_all(cases)


def test_truncated_files_are_refused_at_every_length(arena: Arena, tmp_path: Path) -> None:
    data = arena.honest.read_bytes()
    cases = {}
    for length in (1, 8, 96, 800, 2048, len(data) // 2, len(data) - 1):
        path = tmp_path / str(length)
        path.write_bytes(data[:length])
        cases[path] = ("damaged or cut short",)
    arena.refused_all(cases)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_flipped_bits_are_refused_or_score_never_break(
    arena: Arena, tmp_path: Path, libver: str
) -> None:
    source = tmp_path / "source.h5"
    with h5py.File(source, "w", libver=libver) as file:
        for name in shapes(MAZE):
            file.create_dataset(f"{MAZE}/{name}", data=rates(MAZE, name), compression="gzip")
    rng = np.random.default_rng(11)
    # Most of the first kilobytes is structure, where a flip does most harm.
    for case in range(5):
        data = bytearray(source.read_bytes())
        for position in rng.integers(0, min(len(data), 6000), size=3):
            data[position] ^= 1 << int(rng.integers(8))
        path = tmp_path / f"flipped{case}.h5"
        path.write_bytes(data)
        try:
            arena.score(path)
        except EvaluationError:
            arena.refused(path)


def test_a_chunk_whose_bytes_are_wrong_is_refused_by_name(arena: Arena) -> None:
    def stored(chunk: bytes, mask: int = 0, **options: Any) -> Callable[..., Any]:
        def make(group: h5py.Group, array: str) -> None:
            made = group.create_dataset(
                array, data=rates(MAZE, array), chunks=CHUNKS, compression="gzip", **options
            )
            made.id.write_direct_chunk((4, 0, 0), chunk, mask)

        return make

    size = int(np.prod(CHUNKS)) * 4
    wrong = {
        "no zlib stream": stored(b"x" * 50),
        "cut zlib stream": stored(zlib.compress(bytes(size))[:-5]),
        "inflates to too little": stored(zlib.compress(bytes(size - 4))),
        "too short": stored(bytes(size - 1), 1),
        "too long": stored(bytes(size * 2), 1),
        "far too long": stored(bytes(size * 99), 1),
    }
    arena.refused_all(
        {
            arena.swap(make): (f"{MAZE}/{ARRAY}: the data cannot be read; damaged",)
            for make in wrong.values()
        }
    )
    # A chunk may be stored as it is, if it says so.
    plain = np.ascontiguousarray(rates(MAZE, ARRAY)[4:]).tobytes()
    assert arena.score(arena.swap(stored(plain, 1)))["result"] == arena.score(arena.new())["result"]


def test_an_index_in_which_the_library_misses_a_chunk_is_refused(arena: Arena) -> None:
    def make(group: h5py.Group, name: str) -> None:
        # 72 chunks: one more level of the index than the 64 that a node holds
        group.create_dataset(name, data=rates(MAZE, name), chunks=(1, 4, 3), compression="gzip")

    path = arena.swap(make)
    assert arena.score(path)["result"] == arena.score(arena.new())["result"]
    data = bytearray(path.read_bytes())
    # An inner node of chunks: two siblings of 8 bytes, then keys (size, mask, corner) and children.
    node = data.index(b"TREE\x01\x01") + 24
    second_key = node + (8 + 4 * 8) + 8
    trial = slice(second_key + 8, second_key + 16)
    assert int.from_bytes(data[trial], "little") < SHAPE[0] - 1
    data[trial] = (SHAPE[0] - 1).to_bytes(8, "little")
    path.write_bytes(data)
    with h5py.File(path) as file:
        array = file[f"{MAZE}/{ARRAY}"]
        assert array.id.get_num_chunks() == 72, "a walk over the index still meets all of them"
        assert (array[()] == 0).any(), "a search misses some"
    arena.refused(path, f"{MAZE}/{ARRAY}: the data cannot be read; damaged")


def test_chunks_that_point_outside_the_file_are_refused(arena: Arena) -> None:
    path = arena.new()
    with h5py.File(path) as file:
        info = file[f"{MAZE}/{ARRAY}"].id.get_chunk_info(0)
    data = path.read_bytes()
    address = info.byte_offset.to_bytes(8, "little")
    assert data.count(address) >= 1
    for outside in (1 << 40, (1 << 63) + 5, (1 << 64) - 2):
        path.write_bytes(data.replace(address, outside.to_bytes(8, "little")))
        arena.refused(path, f"{MAZE}/{ARRAY}")


def test_a_damaged_object_is_named_and_the_rest_still_judged(arena: Arena) -> None:
    def wrong_too(file: h5py.File) -> None:
        del file[MAZE]["train_rates_heldin"]

    path = arena.new(wrong_too)
    with h5py.File(path) as file:
        address = h5py.h5o.get_info(file[f"{MAZE}/{ARRAY}"].id).addr
    with path.open("r+b") as stream:
        stream.seek(address)
        stream.write(b"\xff" * 24)
    arena.refused(
        path, "2 problems", f"{ARRAY}: found a damaged object", "train_rates_heldin is missing"
    )


def test_a_user_block_before_the_file_is_harmless(arena: Arena, tmp_path: Path) -> None:
    path = tmp_path / "block.h5"
    with h5py.File(path, "w", userblock_size=1024) as file:
        for name in shapes(MAZE):
            file.create_dataset(f"{MAZE}/{name}", data=rates(MAZE, name), compression="gzip")
    assert arena.score(path)["result"] == arena.score(arena.new())["result"]


@pytest.mark.parametrize(
    "storage",
    [
        {},
        {"chunks": (1, 1, 1), "compression": "gzip"},
        {"chunks": (5, 7, 2), "compression": "gzip", "shuffle": True},
        {"compression": "lzf"},
        {"compression": "gzip", "fletcher32": True},
        {"chunks": (3, 9, 1)},
    ],
    ids=str,
)
def test_every_allowed_storage_reads_the_same(arena: Arena, tmp_path: Path, storage: Any) -> None:
    path = tmp_path / "stored.h5"
    write_submission(path, (MAZE,), **(storage or {"track_times": False}))
    assert arena.score(path)["result"] == arena.score(arena.new())["result"]


@pytest.mark.parametrize("moment", ["structure", "data"])
def test_a_file_that_changes_while_it_is_read_gets_no_score(
    arena: Arena, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = arena.new()
    original = scoring.inspect if moment == "structure" else scoring._score_groups

    def meddle(*arguments: Any) -> Any:
        answer = original(*arguments)
        with path.open("r+b") as stream:
            stream.seek(0, os.SEEK_END)
            stream.write(b"more")
        return answer

    monkeypatch.setattr(scoring, "inspect" if moment == "structure" else "_score_groups", meddle)
    arena.refused(path, "the submitted file changed while it was read; submit it again")
    monkeypatch.undo()


def test_a_file_that_is_rewritten_all_the_time_never_breaks_the_scorer(arena: Arena) -> None:
    path = arena.new()
    data = path.read_bytes()
    done = threading.Event()

    def scribble() -> None:
        rng = np.random.default_rng(3)
        while not done.is_set():
            with path.open("r+b") as stream:
                stream.truncate(int(rng.integers(len(data))))
                stream.seek(0)
                stream.write(data[: int(rng.integers(1, len(data)))])
            time.sleep(0.005)

    thread = threading.Thread(target=scribble)
    thread.start()
    try:
        for _ in range(4):
            message = arena.refused(path)
            assert re.search("damaged|changed|missing|nothing to score|could not be read", message)
    finally:
        done.set()
        thread.join()
