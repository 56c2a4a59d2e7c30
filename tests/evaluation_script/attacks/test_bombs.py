"""Files that are small and claim, or would become, something enormous."""

from __future__ import annotations

import time
import zlib
from pathlib import Path
from typing import Any, Callable, Iterator, Tuple

import h5py
import numpy as np
import pytest

from evaluation_script.errors import SubmissionError
from evaluation_script.reader.process import Limits
from evaluation_script.scoring import score
from evaluation_script.submission import structure
from tests.evaluation_script.attacks.arena import MAZE, Arena, rates, shapes

ARRAY = "eval_rates_heldout"
SHAPE = shapes(MAZE)[ARRAY]
N_BYTES = int(np.prod(SHAPE)) * 4


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    """Whatever the claim, its refusal is a matter of seconds."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 20


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """Four gibibytes of zeros, as a zlib stream of four megabytes."""
    packer = zlib.compressobj(9)
    head = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + again * 4095


def direct(chunk: bytes, **options: Any) -> Callable[..., Any]:
    """An array of one chunk, stored as these bytes."""

    def make(group: h5py.Group, array: str) -> None:
        made = group.create_dataset(array, SHAPE, "f4", chunks=SHAPE, **options)
        made.id.write_direct_chunk((0, 0, 0), chunk)

    return make


def declared(shape: Tuple[int, ...], **options: Any) -> Callable[..., Any]:
    return lambda group, array: group.create_dataset(array, shape, "f8", **options)


def test_a_chunk_that_inflates_to_gigabytes_is_refused(arena: Arena, bomb: bytes) -> None:
    gzip = {"compression": "gzip"}
    cases = {
        arena.swap(direct(bomb, **gzip)): (f"{MAZE}/{ARRAY}: the data cannot be read",),
        arena.swap(direct(bomb, shuffle=True, **gzip)): ("the data cannot be read",),
        # Followed by a checksum, chunks are left to the HDF5 library; the memory limit holds it.
        arena.swap(direct(bomb + bytes(4), fletcher32=True, **gzip)): (f"{MAZE}/{ARRAY}",),
    }
    arena.refused_all(cases)


def test_a_bomb_in_a_bomb_is_refused_before_it_is_read(arena: Arena, bomb: bytes) -> None:
    def nested(group: h5py.Group, array: str) -> None:
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_chunk(SHAPE)
        for _ in range(3):
            create.set_deflate(9)
        space = h5py.h5s.create_simple(SHAPE)
        made = h5py.h5d.create(group.id, array.encode(), h5py.h5t.IEEE_F32LE, space, create)
        made.write_direct_chunk((0, 0, 0), zlib.compress(bomb))

    arena.refused(arena.swap(nested), f"{MAZE}/{ARRAY}: 3 filters in a row")


def test_unknown_filters_are_refused(arena: Arena) -> None:
    def filtered(code: int) -> Callable[..., Any]:
        def make(group: h5py.Group, array: str) -> None:
            create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            create.set_chunk(SHAPE)
            create.set_filter(code, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3))
            space = h5py.h5s.create_simple(SHAPE)
            h5py.h5d.create(group.id, array.encode(), h5py.h5t.IEEE_F32LE, space, create)

        return make

    def scale_offset(group: h5py.Group, array: str) -> None:
        group.create_dataset(array, data=rates(MAZE, array), scaleoffset=3)

    codes = (257, 32001, 32015, 65535)
    cases = {arena.swap(filtered(code)): (f"HDF5 filter {code}, expected only",) for code in codes}
    cases[arena.swap(scale_offset)] = ("HDF5 filter 6, expected only gzip",)
    arena.refused_all(cases)


def test_declared_sizes_beyond_all_memory_are_refused(arena: Arena) -> None:
    endless = (None, None, None)
    cases = {
        arena.swap(declared((1 << 40, 1 << 10, 1 << 9))): (
            "shape (1099511627776, 1024, 512), expected (8, 35, 3)",
        ),
        arena.swap(declared((1 << 40, 1 << 6, 1 << 3), chunks=(1, 1, 1))): ("expected (8, 35, 3)",),
        arena.swap(declared(SHAPE, chunks=(1 << 10, 1 << 10, 1 << 8), maxshape=endless)): (
            "chunks of 2048 MiB, expected at most",
        ),
    }
    arena.refused_all(cases)


def test_sizes_that_the_truth_leaves_open_are_bounded_all_the_same(arena: Arena) -> None:
    def neurons(count: int, **options: Any) -> Callable[[h5py.File], None]:
        def change(file: h5py.File) -> None:
            for name, shape in shapes(MAZE).items():
                if "heldin" in name:
                    del file[MAZE][name]
                    file[MAZE].create_dataset(name, (*shape[:2], count), "f8", **options)

        return change

    loose = arena.loose_truth
    found = f"{MAZE}: {1 << 50} held-in neurons, expected 1 to"
    arena.refused(arena.new(neurons(1 << 50, chunks=(1, 1, 1 << 10))), found, truth=loose)
    arena.refused(arena.new(neurons(0)), "0 held-in neurons", truth=loose)
    many = arena.new(neurons(1537, chunks=(1, 1, 1)))
    arena.refused(many, "1537 held-in neurons, expected 1 to 1536", truth=loose)
    too_many = structure._chunk_problem([1, 1, 1], [1 << 11, 1 << 10, 1], np.dtype("f4"))
    assert too_many == "stored in 2097152 chunks, expected at most 1048576: write larger chunks"


def test_thousands_of_members_are_counted_not_listed(arena: Arena) -> None:
    def at_the_root(file: h5py.File) -> None:
        for index in range(3000):
            file.create_group(f"mc_maze_{index}")

    message = arena.refused(arena.new(at_the_root), "3001 top-level groups found")
    assert len(message) < 300

    def in_the_group(file: h5py.File) -> None:
        for index in range(3000):
            file[MAZE].create_group(f"eval_{index}")

    path = arena.new(in_the_group)
    assert arena.score(path)["result"] == arena.score(arena.new())["result"]
    assert "and 2995 more" in arena.notes(path)


def test_many_problems_are_cut_not_endless(arena: Arena) -> None:
    def wrong(file: h5py.File) -> None:
        for index in range(200):
            file.create_group(f"typo_{index}_{'x' * 900}")

    message = arena.refused(arena.new(wrong), "problems:", "more")
    assert len(message) < 10_000


def test_a_file_of_absurd_size_is_refused_unread(arena: Arena, tmp_path: Path) -> None:
    path = tmp_path / "sparse.h5"
    path.write_bytes(arena.honest.read_bytes())
    with path.open("r+b") as stream:
        stream.truncate(1 << 40)
    arena.refused(path, "a file of 1048576 MiB, expected at most")
    with pytest.raises(SubmissionError, match=r"a file of .* MiB"):
        score(arena.truth, arena.honest, "val", limits=Limits(file_bytes=1000))


def test_large_chunks_within_the_limit_score(arena: Arena) -> None:
    """A chunk that reaches far past the array's end is clumsy, not hostile."""
    values = rates(MAZE, ARRAY)

    def roomy(**options: Any) -> Callable[..., Any]:
        def make(group: h5py.Group, array: str) -> None:
            chunks = (64, 256, 256)  # 16 MiB
            group.create_dataset(array, data=values, chunks=chunks, maxshape=(None,) * 3, **options)

        return make

    expected = arena.score(arena.new())["result"]
    for options in ({"compression": 1}, {"compression": 1, "shuffle": True}, {}):
        assert arena.score(arena.swap(roomy(**options)))["result"] == expected
