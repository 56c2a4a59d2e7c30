"""The inverse of each filter, against what h5py wrote."""

from __future__ import annotations

import itertools
from typing import Any, List, Tuple

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t, h5z

from evaluation_script.reader import filters
from evaluation_script.reader.filters import CorruptData, Pipeline

SHAPE = (40, 11, 3)
FILTERS = {"gzip": 1, "shuffle": 2, "fletcher32": 3, "lzf": 32000}
VALUES = {
    "smooth": np.cumsum(np.ones(SHAPE, "<f4"), axis=0).round(1),
    "random": np.random.default_rng(1).random(SHAPE).astype("<f4"),
    "alike": np.full(SHAPE, 0.1, "<f4"),
}


def written(values: np.ndarray, names: Tuple[str, ...]) -> Tuple[int, bytes, List[Tuple[int, int]]]:
    """A chunk as HDF5 stores it after these filters: mask, bytes, codes and parameters."""
    create = h5p.create(h5p.DATASET_CREATE)
    create.set_chunk(values.shape)
    for name in names:
        create.set_filter(FILTERS[name], h5z.FLAG_OPTIONAL, (4,) if name == "gzip" else ())
    with h5py.File("none", "w", driver="core", backing_store=False) as file:
        space = h5s.create_simple(values.shape)
        made = h5d.create(file.id, b"x", h5t.IEEE_F32LE, space, create)
        made.write(h5s.ALL, h5s.ALL, values)
        file.flush()
        mask, data = made.read_direct_chunk((0, 0, 0))
        stored = made.get_create_plist()
        found = [stored.get_filter(i) for i in range(stored.get_nfilters())]
    return mask, bytes(data), [(int(code), int((*values, 0)[0])) for code, _, values, _ in found]


@pytest.fixture(params=["compiled", "in Python"])
def lzf(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in Python":
        monkeypatch.setattr(filters, "_lzf_decompress", None)
    else:
        assert filters._lzf_decompress is not None


@pytest.mark.parametrize("kind", VALUES)
def test_filters_in_any_order_are_undone(lzf: None, kind: str) -> None:
    values = VALUES[kind]
    for count in range(5):
        for names in itertools.permutations(FILTERS, count):
            mask, data, found = written(values, names)
            plain = Pipeline(found, values.nbytes).undo(mask, data)
            assert bytes(plain) == values.tobytes(), names


@pytest.mark.parametrize("name", FILTERS)
def test_what_is_cut_or_changed_is_refused_or_of_the_right_size(lzf: None, name: str) -> None:
    rng = np.random.default_rng(2)
    mask, data, found = written(VALUES["smooth"], (name,))
    pipeline = Pipeline(found, VALUES["smooth"].nbytes)
    assert mask == 0
    refused = 0
    cases = [data[:n] for n in (0, 1, 2, 3, 4, len(data) // 2, len(data) - 1)]
    for _ in range(200):
        changed = bytearray(data)
        changed[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        cases.append(bytes(changed))
    for case in cases:
        try:
            assert len(pipeline.undo(0, case)) == VALUES["smooth"].nbytes
        except CorruptData:
            refused += 1
    assert refused >= 7


def test_both_ways_to_undo_lzf_agree_on_any_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    most, agreed = 300, 0
    for _ in range(4000):
        # Short copies and literals, so that much of it is valid.
        data = rng.choice([0, 1, 2, 32, 33, 64, 224, 255], int(rng.integers(1, 9))).astype("u1")
        found = []
        for compiled in (filters._lzf_decompress, None):
            with monkeypatch.context() as patch:
                patch.setattr(filters, "_lzf_decompress", compiled)
                try:
                    found.append(bytes(filters._unlzf(data.tobytes(), 0, most)))
                except CorruptData:
                    found.append(b"")
        assert found[0] == found[1], data
        agreed += bool(found[0])
    assert agreed > 200


def test_a_bomb_stops_where_a_chunk_ends() -> None:
    import zlib

    bomb = zlib.compress(bytes(1 << 24))
    for found in ([(1, 4)], [(3, 0), (1, 4)], [(32000, 0), (1, 4)]):
        with pytest.raises(CorruptData):
            Pipeline(found, 1 << 12).undo(0, bomb)
    long_copy = b"\x00a" + b"\xe0\xff\x00" * 20_000
    for compiled in (filters._lzf_decompress, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(filters, "_lzf_decompress", compiled)
            with pytest.raises(CorruptData):
                Pipeline([(32000, 0)], 1 << 12).undo(0, long_copy)
    assert Pipeline([(2, 4)], 64).most_stored_bytes == 64


@pytest.mark.parametrize("n_bytes", [0, 1, 7, 64, 65])
def test_bytes_are_put_back_whatever_the_width(n_bytes: int) -> None:
    data = bytes(range(n_bytes))
    for width in range(1, 70):  # more than elements, too, and than bytes
        count = n_bytes // width
        elements = [data[i : count * width : count] for i in range(count)]
        expected = b"".join(elements) + data[count * width :]
        assert bytes(filters._unshuffle(data, width, 0)) == expected, width
