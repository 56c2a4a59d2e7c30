"""Numbers must lie in the file itself: not in another file, not in none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Iterator, List

import h5py
import numpy as np
import pytest

from evaluation_script.errors import EvaluationError
from evaluation_script.reader.buffer import Part
from evaluation_script.reader.process import ReaderProcess
from tests.evaluation_script.attacks.arena import BINS, EVAL, HELDOUT, MAZE, Arena, shapes

ARRAY = "eval_rates_heldout"
SHAPE = shapes(MAZE)[ARRAY]
LOOT = f"{MAZE}/eval_spikes_heldout"


@pytest.fixture(scope="module")
def ways_to_the_truth(arena: Arena) -> Iterator[List[str]]:
    """Names under which a file could try to reach it: absolute, relative, already open."""
    descriptor = os.open(arena.truth, os.O_RDONLY)
    yield [str(arena.truth), arena.truth.name, f"/proc/self/fd/{descriptor}"]
    os.close(descriptor)


def virtual(name: str) -> Callable[..., Any]:
    def make(group: h5py.Group, array: str) -> None:
        layout = h5py.VirtualLayout(SHAPE, "f4")
        layout[...] = h5py.VirtualSource(name, LOOT, SHAPE)
        group.create_virtual_dataset(array, layout, fillvalue=0.1)

    return make


def external(name: str, offset: int) -> Callable[..., Any]:
    def make(group: h5py.Group, array: str) -> None:
        size = int(np.prod(SHAPE)) * 4
        group.create_dataset(array, SHAPE, "f4", external=[(name, offset, size)])

    return make


def where_the_loot_lies(truth: Path) -> int:
    with h5py.File(truth) as file:
        offset = file[LOOT].id.get_offset()
    assert offset
    return int(offset)


def test_virtual_datasets_are_refused(arena: Arena, ways_to_the_truth: List[str]) -> None:
    cases = {}
    for name in [*ways_to_the_truth, "."]:
        cases[arena.swap(virtual(name))] = (f"{MAZE}/{ARRAY}: found a virtual dataset",)
    arena.refused_all(cases)


def test_virtual_datasets_without_end_are_refused(arena: Arena) -> None:
    def endless(group: h5py.Group, array: str) -> None:
        # A pattern of names makes the library look for files as soon as it wants the shape.
        space = h5py.h5s.create_simple(SHAPE, (h5py.h5s.UNLIMITED, *SHAPE[1:]))
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        source = h5py.h5s.create_simple((1, *SHAPE[1:]))
        space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (1, 1, 1), (1, *SHAPE[1:]))
        create.set_virtual(space, str(arena.folder / "truth%b.h5").encode(), b"/x", source)
        h5py.h5d.create(group.id, array.encode(), h5py.h5t.IEEE_F32LE, space, create)

    arena.refused(arena.swap(endless), f"{MAZE}/{ARRAY}: found a virtual dataset")


def test_external_storage_is_refused(arena: Arena, ways_to_the_truth: List[str]) -> None:
    offset = where_the_loot_lies(arena.truth)
    cases = {
        arena.swap(external(name, offset)): (f"{MAZE}/{ARRAY}: found external storage",)
        for name in ways_to_the_truth
    }
    arena.refused_all(cases)


def test_the_files_would_steal_the_truth_from_a_scorer_that_trusts(arena: Arena) -> None:
    """The attacks are real: whoever opens these files plainly reads the truth."""
    with h5py.File(arena.truth) as file:
        loot = file[LOOT][()]
    for make in (virtual(str(arena.truth)), external(str(arena.truth), where_the_loot_lies(arena.truth))):  # fmt: skip  # noqa: E501
        with h5py.File(arena.swap(make)) as file:
            np.testing.assert_array_equal(file[f"{MAZE}/{ARRAY}"][()], loot)


@pytest.mark.parametrize("kind", ["virtual", "external"])
def test_a_reader_that_is_asked_all_the_same_cannot_reach_the_truth(
    arena: Arena, kind: str
) -> None:
    """The second wall: were the structure's check to fail, the helper can open no file."""
    truth = str(arena.truth)
    make = virtual(truth) if kind == "virtual" else external(truth, where_the_loot_lies(truth))
    path = arena.swap(make)
    part = Part(f"{MAZE}/{ARRAY}", 0, EVAL, (BINS[MAZE], HELDOUT), np.dtype("f4"))
    with h5py.File(arena.truth) as file:
        loot = file[LOOT][()]
    refusal = "the data cannot be read"
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with ReaderProcess(descriptor) as reader:
            try:
                for (block,) in reader.blocks([[part]]):
                    # A source that is not there reads as the fill value.
                    assert not np.array_equal(block, loot)
                    assert np.unique(block).size == 1
                    del block
            except EvaluationError as error:
                refusal = str(error)
    finally:
        os.close(descriptor)
    assert "the data cannot be read" in refusal


def test_never_written_chunks_score_as_the_fill_value_and_are_reported(arena: Arena) -> None:
    def sparse(group: h5py.Group, array: str) -> None:
        made = group.create_dataset(
            array, SHAPE, "f4", chunks=(2, 10, 3), fillvalue=0.25, compression="gzip"
        )
        made[:4] = 0.3

    path = arena.swap(sparse)
    full = arena.swap(
        lambda group, array: group.create_dataset(
            array, data=np.repeat(np.float32([0.3, 0.25]), 4)[:, None, None] * np.ones(SHAPE, "f4")
        )
    )
    assert arena.score(path)["result"] == arena.score(full)["result"]
    assert f"{MAZE}/{ARRAY}: 8 of 16 chunks were never written" in arena.notes(path)
    assert arena.notes(full).count("never") == 0


def test_an_array_that_was_never_written_is_reported(arena: Arena) -> None:
    path = arena.swap(lambda group, array: group.create_dataset(array, SHAPE, "f4", fillvalue=0.5))
    full = arena.swap(lambda group, array: group.create_dataset(array, data=np.full(SHAPE, 0.5)))
    assert arena.score(path)["result"] == arena.score(full)["result"]
    assert f"{MAZE}/{ARRAY}: was never written" in arena.notes(path)


@pytest.mark.parametrize("options", [{}, {"chunks": (2, 10, 3)}], ids=["contiguous", "chunked"])
def test_an_undefined_fill_value_counts_as_zero(arena: Arena, options: Any) -> None:
    def undefined(group: h5py.Group, array: str) -> None:
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        if options:
            create.set_chunk(options["chunks"])
        space = h5py.h5s.create_simple(SHAPE)
        h5py.h5d.create(group.id, array.encode(), h5py.h5t.IEEE_F64BE, space, create)

    path = arena.swap(undefined)
    results = [arena.score(path)["result"] for _ in range(2)]
    full = arena.swap(lambda group, array: group.create_dataset(array, data=np.zeros(SHAPE)))
    assert results[0] == results[1] == arena.score(full)["result"]
